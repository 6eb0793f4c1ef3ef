"""Forged ASCONFs (RFC 5061, 6): off the path and on it, with AUTH and without, and with the key that INIT and INIT-ACK tell."""

from typing import Literal

from roamlab.lab.attack_acts import Sign
from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.lab import Family, Lab
from roamlab.lab.request_acts import Request
from roamlab.protocols.mobility import Verb
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker


def _redirect(lab: Lab, attacker: Attacker, signing: Sign, family: Family, *, spoof: bool = False) -> None:
    """Have the correspondent add the attacker's address and prefer it, and then forget the mobile node's.

    The requests come from the attacker's address, or with ``spoof`` from the mobile node's.
    """
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    home, here = lab.mobile.address_on(lab.home), attacker.address
    lab.at(1.0).start(session.stream(every=0.02))
    source = home if spoof else here
    wanted = Request(Verb.ADD, here), Request(Verb.SET_PRIMARY, here)
    lab.at(4.0).forge(attacker, *wanted, source=source, signing=signing)
    lab.at(5.0).forge(attacker, Request(Verb.DELETE, home), source=source, signing=signing)
    lab.until(10.0)


def _on_path(lab: Lab, family: Family) -> Attacker:
    """The attacker takes the whole session."""
    return Attacker(lab, "on-path", family=family, concedes=("data", "requests", "denials"))


@scenario("attack-asconf", figure="none", topology=WithAttacker, expect=Verdict.SURVIVED, sense=lossless)
def attack_asconf(
    lab: Lab,
    position: Literal["off-path", "on-path"] = "off-path",
    signing: Literal["none", "junk"] = "none",
    spoof: bool = False,
    family: Family = 4,
) -> None:
    """Forge ASCONFs off the path or on it, without AUTH or with a made-up HMAC: they are discarded silently."""
    _redirect(lab, Attacker(lab, position, family=family), signing, family, spoof=spoof)


@scenario("attack-asconf-noauth", figure="none", topology=WithAttacker, expect=Verdict.BROKE, sense=lossless)
def attack_asconf_noauth(lab: Lab, family: Family = 4) -> None:
    """Forge an ASCONF on the path, with AUTH switched off at both ends: the session's data goes to the attacker."""
    lab.without_auth()
    _redirect(lab, _on_path(lab, family), "none", family)


@scenario("attack-asconf-key", figure="none", topology=WithAttacker, expect=Verdict.BROKE, sense=lossless)
def attack_asconf_key(lab: Lab, family: Family = 4) -> None:
    """Forge an ASCONF with AUTH, having seen INIT and INIT-ACK and so the key (RFC 4895, 6.1): data goes to the attacker."""
    _redirect(lab, _on_path(lab, family), "key", family)
