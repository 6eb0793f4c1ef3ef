"""Bombing (RFC 5062, 5; RFC 5061, 5.3, F1): a mobile node has a correspondent send to a victim that never answers."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from roamlab.lab.attack_acts import Flood
from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Announce, Verb
from roamlab.registry import REWRITING, Verdict, scenario
from roamlab.topologies import WithAttacker

Chunks: TypeAlias = Annotated[int, Meta(ge=1, le=180)]
_NEEDS: Final = frozenset({"sctp"}) | REWRITING


@scenario(
    "attack-bombing",
    figure="none",
    topology=WithAttacker,
    expect=Verdict.SURVIVED,
    needs=_NEEDS,
    sense=lossless,
)
def attack_bombing(lab: Lab, family: Family = 4) -> None:
    """ADD V and SET PRIMARY V: both are granted, and nothing but HEARTBEATs reaches V."""
    victim = Attacker(lab, "inside", family=family, victim=True).address
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.REWRITING, set_primary=False, delete=False
    )
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).ask(lab.mobile, Request(Verb.ADD, victim), Request(Verb.SET_PRIMARY, victim))
    lab.until(14.0)


@scenario(
    "attack-bombing-last",
    figure="none",
    topology=WithAttacker,
    expect=Verdict.BROKE,
    needs=_NEEDS,
    sense=lossless,
)
def attack_bombing_last(lab: Lab, family: Family = 4) -> None:
    """ADD V, then DELETE A with source V: data goes to V, the only address left, though V never answered (R11)."""
    ended = ("requests", "denials")  # of its own session: what a malicious mobile node gives for it
    known = by_kernel(
        dict.fromkeys(("6.1", "6.12", "7.3"), ("data", *ended)), ended, mended_by="verify-first"
    )
    attacker = Attacker(lab, "inside", family=family, victim=True, concedes=known)
    victim, home = attacker.address, lab.mobile.address_on(lab.home)
    session = lab.mobile.connect(
        lab.correspondent, family=family, announce=Announce.REWRITING, set_primary=False, delete=False
    )
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).ask(lab.mobile, Request(Verb.ADD, victim))
    lab.at(5.0).forge(attacker, Request(Verb.DELETE, home), source=victim, signing="key")
    lab.until(14.0)


@scenario(
    "attack-bombing-sacks", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless
)
def attack_bombing_sacks(lab: Lab, sacks: bool = True, family: Family = 4) -> None:
    """A stream that an attacker asked for, turned to V, and kept going by SACKs in V's name; or, without ``sacks``, not."""
    known = by_kernel(dict.fromkeys(("6.1", "6.12", "7.3"), ("data",)), mended_by="verify-first")
    attacker = Attacker(lab, "off-path", family=family, victim=True, concedes=known)
    victim, own = attacker.address, attacker.own_address
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=0.1))
    lab.at(2.0).camp(attacker, source=own, addresses=[own])
    lab.at(3.0).subscribe(attacker, every=0.005, size=1000)
    lab.at(4.0).claim(attacker, Request(Verb.ADD, victim), source=own)
    lab.at(5.0).claim(attacker, Request(Verb.DELETE, own), source=victim)
    if sacks:  # for as many chunks as the stream has: more would be found out
        lab.at(5.5).feed(attacker, source=victim, every=0.04, most=8)
    lab.until(15.0)


@scenario(
    "attack-bombing-chunks", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless
)
def attack_bombing_chunks(
    lab: Lab[WithAttacker], what: Flood = "heartbeats", count: Chunks = 150, family: Family = 4
) -> None:
    """One packet in a victim's name has many chunks that call for an answer each (RFC 5062, 8)."""
    attacker = Attacker(lab, "off-path", family=family, victim=True)
    victim, own = attacker.address, attacker.own_address
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=0.1))
    lab.at(2.0).camp(attacker, source=own, addresses=[own, victim])
    lab.at(4.0).flood(attacker, source=victim, what=what, count=count)
    lab.until(10.0)
