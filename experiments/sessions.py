"""Several sessions at once: of two mobile nodes, or with two correspondents."""

from roamlab.lab.lab import Family, Lab
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import ThreeVisited, TwoMobiles


@scenario("two-mobiles", topology=TwoMobiles, expect=Verdict.SURVIVED)
def two_mobiles(lab: Lab[TwoMobiles], gap: Seconds = 0.0, family: Family = 4) -> None:
    """Two mobile nodes, each with a session of its own with the correspondent, change their networks one after the other."""
    mn, mn2 = lab.mobiles
    for node in (mn, mn2):
        lab.at(1.0).start(node.connect(lab.correspondent, family=family).stream(every=0.02))
    lab.at(5.0).move(mn.nic("wlan0"), to=lab.topology.visited, gap=gap)
    lab.at(7.0).move(mn2.nic("wlan0"), to=lab.topology.abroad, gap=gap)
    lab.until(20.0)


@scenario("two-correspondents", topology=ThreeVisited, expect=Verdict.SURVIVED)
def two_correspondents(lab: Lab[ThreeVisited], family: Family = 4) -> None:
    """One mobile node with a session with each of two correspondents walks through three foreign networks."""
    for peer in lab.correspondents:
        lab.at(1.0).start(lab.mobile.connect(peer, family=family).stream(every=0.05))
    nic, there = lab.mobile.nic("wlan0"), lab.topology
    for time_s, segment in ((4.0, there.north), (9.0, there.east), (14.0, there.south)):
        lab.at(time_s).move(nic, to=segment)
    lab.until(24.0)
