"""FIG. 9: one NIC roams."""

from typing import Literal, TypeAlias

from roamlab.lab.lab import Family, Lab
from roamlab.protocols.mobility import Announce
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited

RoamingWay: TypeAlias = Literal["kernel", "socket", "rewriting"]


@scenario("fig09", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig09(
    lab: Lab,
    gap: Seconds = 0.0,
    family: Family = 4,
    way: RoamingWay = "kernel",
    length: Seconds = 20.0,
    cadence: Seconds = 0.02,
) -> None:
    """A mobile node with one NIC moves to another subnet in the middle of a transfer."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce(way))
    lab.at(1.0).start(session.stream(every=cadence))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(length)


@scenario("fig09-fixed", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.BROKE)
def fig09_fixed(lab: Lab, gap: Seconds = 0.0, family: Family = 4) -> None:
    """The same move without ASCONF: the association's addresses stay what they were."""
    lab.without_asconf()
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(20.0)
