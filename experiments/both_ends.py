"""Two mobile nodes with a session between them: one moves, or both at once."""

from roamlab.lab.lab import Family, Lab
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import TwoMobiles


@scenario("mobile-to-mobile", topology=TwoMobiles, expect=Verdict.SURVIVED)
def mobile_to_mobile(lab: Lab[TwoMobiles], gap: Seconds = 0.0, family: Family = 4) -> None:
    """Two mobile nodes talk to each other, and one of them moves."""
    mn, mn2 = lab.mobiles
    session = mn.connect(mn2, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(mn.nic("wlan0"), to=lab.topology.visited, gap=gap)
    lab.until(20.0)


@scenario("called-mobile-moves", topology=TwoMobiles, expect=Verdict.SURVIVED)
def called_mobile_moves(lab: Lab[TwoMobiles], gap: Seconds = 0.0, family: Family = 4) -> None:
    """Two mobile nodes talk to each other, and the one that was called moves."""
    mn, mn2 = lab.mobiles
    session = mn.connect(mn2, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(mn2.nic("wlan0"), to=lab.topology.abroad, gap=gap)
    lab.until(20.0)


@scenario("both-move", topology=TwoMobiles, expect=Verdict.BROKE)
def both_move(lab: Lab[TwoMobiles], family: Family = 4) -> None:
    """Both ends of a session move at once: each announces its new address to one that the other has left."""
    mn, mn2 = lab.mobiles
    session = mn.connect(mn2, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(mn.nic("wlan0"), to=lab.topology.visited)
    lab.at(5.0).move(mn2.nic("wlan0"), to=lab.topology.abroad)
    lab.until(20.0)


@scenario("both-move-overlap", topology=TwoMobiles, expect=Verdict.SURVIVED)
def both_move_overlap(lab: Lab[TwoMobiles], overlap: Seconds = 3.0, family: Family = 4) -> None:
    """Both ends move at once, each with a second NIC before the first one goes (make before break)."""
    mn, mn2 = lab.mobiles
    session = mn.connect(mn2, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    for node, there in ((mn, lab.topology.visited), (mn2, lab.topology.abroad)):
        lab.at(5.0).attach(node, "wlan1", to=there)
        lab.at(5.0 + overlap).detach(node.nic("wlan0"))
    lab.until(25.0)
