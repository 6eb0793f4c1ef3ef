"""Attacks on and by the set-up of an association (RFC 5062, 3, 6, 7 and 9)."""

from typing import Final, Literal

from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker

TIE_TAGS: Final = dict.fromkeys(("6.1", "6.12", "7.3"), ("requests", "denials"))
"""A cookie's tie-tags are the association's own tags (docs/findings.md, 21)."""

_AGAIN: Final = 4
_EVERY_S: Final = 5.0
"""How often an attacker sends the same cookie, and how far apart: Linux waits up to 3 s before it verifies an address."""


def _other_session(lab: Lab[WithAttacker], family: Family) -> None:
    """An ordinary session, which has to go on."""
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=0.1))


@scenario("attack-hijack", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_hijack(lab: Lab[WithAttacker], auth: bool = True, family: Family = 4) -> None:
    """The mobile node has left A without announcing it yet; a new owner of A forges ASCONFs with a cookie's tie-tags."""
    if not auth:
        lab.without_auth()
    attacker = Attacker(lab, "on-path", family=family, concedes=() if auth else by_kernel(TIE_TAGS))
    home = lab.mobile.address_on(lab.home)
    session = lab.mobile.connect(lab.correspondent, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(3.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=4.0)
    lab.at(4.0).probe(attacker, source=home)
    requests = Request(Verb.ADD, attacker.address), Request(Verb.DELETE, home)
    lab.at(5.0).hijack(attacker, *requests, source=home)
    lab.at(6.0).hijack(attacker, *requests, source=attacker.address)
    lab.until(20.0)


@scenario(
    "attack-bombing-cookie", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless
)
def attack_bombing_cookie(lab: Lab[WithAttacker], family: Family = 4) -> None:
    """An INIT lists six addresses of a victim's; each time its cookie is sent again they get HEARTBEATs (RFC 5062, 6)."""
    attacker = Attacker(lab, "off-path", family=family, victim=True)
    own = attacker.own_address
    _other_session(lab, family)
    lab.at(2.0).camp(attacker, source=own, addresses=[own, *attacker.victims])
    for again in range(1, _AGAIN + 1):
        lab.at(2.0 + again * _EVERY_S - 0.5).quit(attacker, source=own)
        lab.at(2.0 + again * _EVERY_S).echo(attacker, source=own)
    lab.until(2.0 + (_AGAIN + 1) * _EVERY_S)


@scenario("attack-redirect", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_redirect(
    lab: Lab[WithAttacker], port: Literal["source", "destination"] = "source", family: Family = 4
) -> None:
    """The cookie comes back from or to another port than the INIT's (RFC 5062, 7): it sets up nothing."""
    attacker = Attacker(lab, "off-path", family=family)
    _other_session(lab, family)
    lab.at(3.0).account()
    lab.at(4.0).probe(attacker, source=attacker.address)
    shift = {"sport_shift": 1} if port == "source" else {"dport_shift": 1}
    lab.at(5.0).echo(attacker, source=attacker.address, **shift)
    lab.at(6.0).account()
    lab.until(10.0)


@scenario("attack-reflect", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_reflect(lab: Lab[WithAttacker], family: Family = 4) -> None:
    """An INIT in a victim's name: the INIT-ACK that the victim gets is larger than the INIT (RFC 5062, 9)."""
    attacker = Attacker(lab, "off-path", family=family, victim=True)
    _other_session(lab, family)
    lab.at(3.0).reflect(attacker, source=attacker.address)
    lab.until(8.0)
