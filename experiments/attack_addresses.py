"""Attacks by addresses (RFC 5062, 2 to 4): camping, stealing, taking over one that was left, restart; and an old cookie."""

from typing import Final, Literal

from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.known import by_kernel
from roamlab.lab.lab import Family, Lab, Session, Style
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker

UNVERIFIED: Final = dict.fromkeys(("6.1", "6.12", "7.3"), ("denials",))
"""An address that an association merely claims has its packets already (docs/findings.md)."""

REPLAYED: Final = dict.fromkeys(("6.1", "6.12", "7.3"), ("associations",))
"""A cookie is good for as many set-ups as fit into its lifetime (RFC 9260, 5.1.5 asks for no more)."""


def _session(lab: Lab, family: Family, *, managed: bool = False) -> Session:
    session = lab.mobile.connect(lab.correspondent, family=family, managed=managed)
    lab.at(1.0).start(session.stream(every=0.02))
    return session


@scenario("attack-camping", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_camping(
    lab: Lab, listening: Style = "one-to-one", how: Literal["move", "attach"] = "move", family: Family = 4
) -> None:
    """An attacker's association lists the address that the mobile node is about to move to, or to get on a second NIC."""
    lab.correspondent.style = listening
    withstood = how == "attach" and listening == "one-to-one"
    attacker = Attacker(lab, "off-path", family=family, concedes=() if withstood else by_kernel(UNVERIFIED))
    _session(lab, family, managed=True)
    lab.at(3.0).camp(
        attacker, source=attacker.address, addresses=[attacker.address, lab.mobile.address_on(lab.visited)]
    )
    if how == "move":
        lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    else:
        lab.at(5.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.until(20.0)


@scenario("attack-stealing", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_stealing(
    lab: Lab, how: Literal["init", "add"] = "add", listening: Style = "one-to-one", family: Family = 4
) -> None:
    """An attacker's association claims the mobile node's address, by its INIT or by ADD."""
    lab.correspondent.style = listening
    open_to_it = how == "add" and listening == "one-to-one"
    known = by_kernel(UNVERIFIED, mended_by="one-owner") if open_to_it else ()
    attacker = Attacker(lab, "off-path", family=family, concedes=known)
    _session(lab, family)
    home, here = lab.mobile.address_on(lab.home), attacker.address
    lab.at(3.0).camp(attacker, source=here, addresses=[here, home] if how == "init" else [here])
    if how == "add":
        lab.at(4.0).claim(attacker, Request(Verb.ADD, home), source=here)
    lab.until(14.0)


@scenario("attack-restart", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_restart(lab: Lab, family: Family = 4) -> None:
    """An INIT from the attacker's address lists the mobile node's: the answer is ABORT, since a restart may add no address."""
    attacker = Attacker(lab, "off-path", family=family)
    _session(lab, family)
    lab.at(4.0).restart(
        attacker, source=attacker.address, addresses=[attacker.address, lab.mobile.address_on(lab.home)]
    )
    lab.until(10.0)


@scenario(
    "attack-restart-spoofed", figure="none", topology=WithAttacker, expect=Verdict.BROKE, sense=lossless
)
def attack_restart_spoofed(lab: Lab, family: Family = 4) -> None:
    """On the path, with the mobile node's own address: the association restarts, and the attacker has it (RFC 9260, 5.2.4)."""
    attacker = Attacker(lab, "on-path", family=family, concedes=("data", "associations", "denials"))
    _session(lab, family)
    home = lab.mobile.address_on(lab.home)
    attacker.own(home)
    lab.at(4.0).camp(attacker, source=home, addresses=[home])
    lab.until(10.0)


@scenario("attack-reuse", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_reuse(lab: Lab, family: Family = 4) -> None:
    """The mobile node has moved, and an attacker uses its old address and port: it gets an association of its own, no more."""
    attacker = Attacker(lab, "on-path", family=family)
    _session(lab, family, managed=True)
    home = lab.mobile.address_on(lab.home)
    lab.at(3.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(7.0).camp(attacker, source=home, addresses=[home])
    lab.until(14.0)


@scenario("attack-cookie", figure="FIG. 5", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_cookie(lab: Lab, source: Literal["own", "mobile"] = "mobile", family: Family = 4) -> None:
    """Replay the set-up's COOKIE-ECHO from the mobile node's address or the attacker's: it sets up nothing."""
    attacker = Attacker(lab, "on-path", family=family)
    _session(lab, family)
    lab.at(3.0).account()
    lab.at(4.0).replay_cookie(
        attacker, source=lab.mobile.address_on(lab.home) if source == "mobile" else attacker.address
    )
    lab.at(5.0).account()
    lab.until(10.0)


@scenario("attack-cookie-later", figure="FIG. 5", topology=WithAttacker, expect=Verdict.BROKE, sense=lossless)
def attack_cookie_later(lab: Lab, family: Family = 4) -> None:
    """Replay the COOKIE-ECHO of an association that ended and was replaced, within the cookie's lifetime of 60 s."""
    attacker = Attacker(lab, "on-path", family=family, concedes=by_kernel(REPLAYED))
    session = _session(lab, family)
    home = lab.mobile.address_on(lab.home)
    lab.at(3.0).reconnect(session, over="wlan1", to=lab.visited, pause=0.2)
    lab.at(5.0).account()
    lab.at(5.5).replay_cookie(attacker, source=home)
    lab.at(6.0).account()
    lab.until(10.0)
