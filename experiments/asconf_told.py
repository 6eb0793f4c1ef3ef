"""ASCONFs of the correspondent node's kernel's own making, to an endpoint of roamlab's own that answers as no stack would.

The correspondent node gets further addresses in service, and its kernel announces them (net.sctp.default_auto_asconf) in every
association that it has: the mobile node's, whose kernel answers by the book, shows what the other would have been sent.
"""

from typing import Final

from roamlab.lab.lab import Family, Lab
from roamlab.lab.raw import Acknowledge, Beat, Raw, beside_a_session
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker
from roamlab.topologies.addresses import CORRESPONDENT, CORRESPONDENTS

_SILENCE: Final[list[str]] = []


def _raw(lab: Lab, family: Family) -> Raw:
    """The raw endpoint beside an ordinary session, with a correspondent node that announces its addresses."""
    lab.correspondent.announces()
    return beside_a_session(lab, family)


@scenario("asconf-unanswered", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_unanswered(lab: Lab, family: Family = 4) -> None:
    """Leave an ASCONF unanswered for a while: T4 repeats it (RFC 5061, 5.1, B1 to B5), and the next one waits (5.1.1, C1)."""
    raw = _raw(lab, family)
    one = lab.at(2.0).associate(raw, tsn=1000, also=(raw.address(2),))
    lab.at(8.0).renumber(1)
    lab.at(10.0).renumber(2)
    lab.at(20.0).say(one, Acknowledge(0), answers=["AUTH, ASCONF"])
    lab.at(20.5).say(one, Acknowledge(1), answers=_SILENCE)
    lab.until(24.0)


@scenario("asconf-not-understood", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_not_understood(lab: Lab, family: Family = 4) -> None:
    """Requests that a peer does not understand are not repeated (RFC 5061, 5.3): ADD and DELETE IP (F3a), SET PRIMARY (F3b).

    To Linux all three are one: a peer that understands no SET PRIMARY is sent no ADD IP either.
    """
    raw = _raw(lab, family)
    no_add = lab.at(2.0).associate(raw, tsn=1000)
    no_primary = lab.at(2.1).associate(raw, tsn=2000)
    for one, understood in ((no_add, True), (no_primary, False)):
        lab.at(2.5).favour(one.port)
        lab.at(3.0).say(one, Acknowledge(0, understood=understood), answers=_SILENCE)
    lab.at(4.0).renumber(1)
    lab.at(5.0).say(no_add, Acknowledge(1, understood=False), answers=_SILENCE)
    lab.at(6.0).renumber(2)
    lab.at(8.0).renumber(1, gone=True)
    lab.until(12.0)


@scenario("asconf-init-primary", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_init_primary(lab: Lab, family: Family = 4) -> None:
    """Put SET PRIMARY into an INIT (RFC 5061, 5.4), after the addresses that it lists and before them."""
    raw = _raw(lab, family)
    second = raw.address(2)
    behind = lab.at(2.0).associate(raw, tsn=1000, also=(second,), prefer=second)
    before = lab.at(2.1).associate(raw, tsn=2000, also=(second,), prefer=second, prefers_first=True)
    lab.at(8.0).renumber(1)
    for one in (behind, before):
        lab.at(9.0).say(one, Acknowledge(0), answers=_SILENCE)
    lab.until(12.0)


@scenario("asconf-refused-add", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_refused_add(lab: Lab[WithAttacker], family: Family = 4) -> None:
    """The peer refuses an ADD IP, so the address is not part of the association (RFC 5061, 5.3, F10); Linux uses it anyway."""
    raw = _raw(lab, family)
    one = lab.at(2.0).associate(raw, tsn=1000)
    lab.at(4.0).renumber(1)
    lab.at(6.0).say(one, Acknowledge(0, refused=True), answers=_SILENCE)
    refused = lab.site.of_family(CORRESPONDENTS.addresses(CORRESPONDENT + 1))
    lab.at(8.0).say(one, Beat(), answers=_SILENCE, to=refused)
    lab.at(10.0).renumber(1, gone=True)
    lab.at(14.0).say(one, Acknowledge(1), answers=_SILENCE)
    lab.until(18.0)


@scenario("asconf-t4", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED)
def asconf_t4(
    lab: Lab[WithAttacker], mute: bool = False, length: Seconds = 300.0, family: Family = 4
) -> None:
    """An ASCONF is never answered (RFC 5061, 5.1, B1 to B5), by a peer that answers HEARTBEATs, or is ``mute`` altogether."""
    lab.correspondent.announces()
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=1.0))
    one = lab.at(2.0).associate(Raw(lab), tsn=1000)
    if mute:
        lab.at(5.0).mute(one)
    lab.at(6.0).renumber(1)
    lab.until(length)
