"""A crowd: many mobile nodes, a session each, that all move at once."""

from roamlab.lab.lab import Lab
from roamlab.protocols.mobility import Announce
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import Crowd


@scenario("crowd", topology=Crowd, expect=Verdict.SURVIVED, memory_mib=2048, limit_s=600.0)
def crowd(lab: Lab[Crowd], every: Seconds = 1.0) -> None:
    """Each of the mobile nodes sends a message ``every`` second over IPv6; at one instant all go to other networks."""
    for mobile in lab.mobiles:
        mobile.connect(lab.correspondent, family=6, announce=Announce.KERNEL, managed=False)
    for session in lab.sessions:
        lab.at(0.5).start(session.stream(every=every, way="up"))
    away = {mobile: lab.topology.away_from(lab.start(mobile)) for mobile in lab.mobiles}
    for mobile in lab.mobiles:
        lab.at(6.0).move(mobile.nic("wlan0"), to=away[mobile])
    for session in lab.sessions:
        lab.at(8.0).set_primary(session, on=away[session.mobile])
    lab.until(14.5)
