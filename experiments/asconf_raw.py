"""ASCONFs that Linux never sends, from an endpoint of roamlab's own (the raw way), and how Linux takes them: RFC 5061, 5."""

from typing import Final

from roamlab.lab.lab import Family, Lab
from roamlab.lab.raw import Acknowledge, Ask, beside_a_session
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker
from roamlab.topologies.addresses import CORRESPONDENTS

_SILENCE: Final[list[str]] = []
_NOBODY_S: Final = ("240.0.0.1", "169.254.1.1", "0.1.2.3")
"""Reserved (RFC 1112, 4), link-local (RFC 3927) and of this network alone (RFC 1122, 3.2.1.3); the RFC names none of them."""


@scenario("asconf-bundle", figure="FIG. 7", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_bundle(lab: Lab, family: Family = 4) -> None:
    """Send several ASCONF chunks in one packet (RFC 5061, 5.5), then duplicates, old and future ones (5.2, E2 and E5)."""
    raw = beside_a_session(lab, family)
    one, second = lab.at(2.0).associate(raw, tsn=1000), raw.address(2)
    both = ["AUTH, ASCONF-ACK 1000, ASCONF-ACK 1001"]
    # SET PRIMARY is granted only to an address that is there: the first chunk is carried out before the second.
    lab.at(3.0).say(
        one,
        Ask(1000, Request(Verb.ADD, second)),
        Ask(1001, Request(Verb.SET_PRIMARY, second)),
        answers=both,
    )
    lab.at(4.0).repeat(one, answers=both)
    lab.at(5.0).say(one, Ask(1003, Request(Verb.DELETE, second)), answers=_SILENCE)
    lab.at(6.0).say(one, Ask(1002, Request(Verb.DELETE, second)), answers=["AUTH, ASCONF-ACK 1002"])
    lab.at(7.0).say(one, Ask(1000, Request(Verb.ADD, second)), answers=_SILENCE)
    lab.at(8.0).say(
        one,
        Ask(1002, Request(Verb.DELETE, second)),
        Ask(1003, Request(Verb.ADD, second)),
        answers=["AUTH, ASCONF-ACK 1002, ASCONF-ACK 1003"],
    )
    lab.until(11.0)


@scenario("asconf-wrap", figure="none", topology=WithAttacker, expect=Verdict.BROKE)
def asconf_wrap(lab: Lab, family: Family = 4) -> None:
    """Let serial numbers wrap: a duplicate of the last ASCONF must be answered (RFC 5061, 5.2, E2), but Linux is silent."""
    raw = beside_a_session(lab, family)
    one, second = lab.at(2.0).associate(raw, tsn=0xFFFFFFFF), raw.address(2)
    lab.at(3.0).say(one, Ask(0xFFFFFFFF, Request(Verb.ADD, second)), answers=["AUTH, ASCONF-ACK 4294967295"])
    lab.at(4.0).repeat(one, answers=["AUTH, ASCONF-ACK 4294967295"])
    lab.at(5.0).say(one, Ask(0, Request(Verb.DELETE, second)), answers=["AUTH, ASCONF-ACK 0"])
    lab.at(6.0).repeat(one, answers=["AUTH, ASCONF-ACK 0"])
    lab.until(9.0)


@scenario("asconf-violations", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_violations(lab: Lab, family: Family = 4) -> None:
    """Send an ASCONF without address parameter (RFC 5061, 4.1.1), and ASCONF-ACKs that answer no request (5.3, F0)."""
    raw = beside_a_session(lab, family)
    nameless, unasked, late = (lab.at(2.0 + n / 10).associate(raw, tsn=1000 * n) for n in (1, 2, 3))
    second = raw.address(2)
    lab.at(3.0).say(nameless, Ask(1000, Request(Verb.ADD, second), lack=True), answers=["ABORT 0x000d"])
    lab.at(4.0).say(unasked, Acknowledge(0), answers=["ABORT 0x00a3"])
    lab.at(5.0).say(late, Acknowledge(-1), answers=_SILENCE)
    lab.at(6.0).say(late, Ask(3000, Request(Verb.ADD, second)), answers=["AUTH, ASCONF-ACK 3000"])
    lab.until(9.0)


@scenario("asconf-wildcard", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_wildcard(lab: Lab, family: Family = 4) -> None:
    """Use the wildcard address, which means the packet's source (RFC 5061, 4.2.1, 4.2.2, 4.2.4; answers: 5.2, E6)."""
    raw = beside_a_session(lab, family)
    one, own, second = lab.at(2.0).associate(raw, tsn=1000), raw.address(1), raw.address(2)
    anywhere = lab.wildcard
    plain = "AUTH, ASCONF-ACK {}".format
    lab.at(3.0).say(one, Ask(1000, Request(Verb.ADD, anywhere)), source=second, answers=[plain(1000)])
    lab.at(4.0).say(one, Ask(1001, Request(Verb.SET_PRIMARY, anywhere)), source=second, answers=[plain(1001)])
    lab.at(5.0).say(one, Ask(1002, Request(Verb.DELETE, anywhere)), source=second, answers=[plain(1002)])
    # What is left is the source: it is the last, and the other is no member any more.
    last = f"{plain(1003)} 0x00a0"
    lab.at(6.0).say(one, Ask(1003, Request(Verb.DELETE, own)), source=second, answers=[last])
    # Neither the source nor the address parameter is the association's (5.2, D3).
    strange = raw.address(3)
    lab.at(7.0).say(one, Ask(1004, Request(Verb.ADD, strange), by=own), source=strange, answers=["ABORT"])
    lab.until(10.0)


@scenario("asconf-wildcard-lookup", figure="none", topology=WithAttacker, expect=Verdict.BROKE)
def asconf_wildcard_lookup(lab: Lab, family: Family = 4) -> None:
    """DELETE the wildcard from a new address: the new address must stay (RFC 5061, 4.2.2), but Linux keeps the old one."""
    raw = beside_a_session(lab, family)
    one, own, new = lab.at(2.0).associate(raw, tsn=1000), raw.address(1), raw.address(2)
    anywhere = lab.wildcard
    requests = Request(Verb.ADD, anywhere), Request(Verb.DELETE, anywhere)
    lab.at(3.0).say(one, Ask(1000, *requests, by=own), source=new, answers=["AUTH, ASCONF-ACK 1000"])
    lab.at(4.0).say(one, Ask(1001, Request(Verb.SET_PRIMARY, new), by=new), answers=["AUTH, ASCONF-ACK 1001"])
    lab.until(7.0)


@scenario("asconf-wildcard-primary", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_wildcard_primary(lab: Lab[WithAttacker], family: Family = 4) -> None:
    """SET PRIMARY to the wildcard from a new address (RFC 5061, 4.2.4): Linux prefers the old address instead."""
    raw = beside_a_session(lab, family)
    one = lab.at(2.0).associate(raw, tsn=1000)
    own, second, new = raw.address(1), raw.address(2), raw.address(3)
    anywhere = lab.wildcard
    plain = "AUTH, ASCONF-ACK {}".format
    preferred = Request(Verb.ADD, second), Request(Verb.SET_PRIMARY, second)
    lab.at(3.0).say(one, Ask(1000, *preferred), answers=[plain(1000)])
    requests = Request(Verb.ADD, anywhere), Request(Verb.SET_PRIMARY, anywhere)
    lab.at(4.0).say(one, Ask(1001, *requests, by=own), source=new, answers=[plain(1001)])
    lab.until(7.0)


@scenario("asconf-odd-addresses", figure="none", topology=WithAttacker, expect=Verdict.BROKE)
def asconf_odd_addresses(lab: Lab[WithAttacker]) -> None:
    """ADD a broadcast address, which RFC 5061, 4.2.1 forbids, and other unusable addresses: Linux adds them all."""
    one = lab.at(2.0).associate(beside_a_session(lab, 4), tsn=1000)
    assert CORRESPONDENTS.ipv4
    broadcast = str(CORRESPONDENTS.ipv4.broadcast_address)
    lab.at(3.0).say(one, Ask(1000, Request(Verb.ADD, broadcast)), answers=["AUTH, ASCONF-ACK 1000 0x0005"])
    for number, address in enumerate(_NOBODY_S, start=1):
        ask = Ask(1000 + number, Request(Verb.ADD, address))
        lab.at(3.0 + number).say(one, ask, answers=[f"AUTH, ASCONF-ACK {1000 + number}"])
    lab.until(12.0)
