"""Registrations by an attacker (RFC 5944, 5.7): forged, badly authenticated, replayed; and deregistrations likewise."""

from typing import Literal

from roamlab.lab.attacks import Attacker, lossless
from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import ReplayProtection, Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import WithAttacker


@scenario(
    "attack-registration",
    figure="FIG. 1",
    topology=WithAttacker,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
    sense=lossless,
)
def attack_registration(
    lab: Lab,
    how: Literal["unauthenticated", "wrong-key", "replayed"] = "wrong-key",
    deregister: bool = False,
    replay: ReplayProtection = "timestamps",
    transport: Transport = "udp",
) -> None:
    """An attacker registers or deregisters in the mobile node's name; the home agent denies it, its binding stays."""
    attacker = Attacker(lab, "on-path" if how == "replayed" else "off-path", target=lab.home.router)
    home = lab.mobile.address_on(lab.home)
    lab.without_asconf()
    lab.mobile_ip(Terms(replay=replay))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.05))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    if how == "replayed":
        if deregister:  # the mobile node must have deregistered from afar once, and then registered again
            lab.at(7.0).withdraw(lab.mobile)
            lab.at(8.0).move(lab.mobile.nic("wlan0"), to=lab.visited2)
        lab.at(12.0).replay_registration(attacker, deregistration=deregister)
    else:
        lab.at(12.0).register(
            attacker,
            care_of=home if deregister else attacker.address,
            lifetime=0 if deregister else 1800,
            authenticated=how == "wrong-key",
        )
    lab.until(18.0)
