"""Moves without end: the same NIC back and forth between two subnets, in one session."""

from typing import Annotated

from msgspec import Meta

from roamlab.experiments.fig09 import RoamingWay
from roamlab.lab.lab import Family, Lab
from roamlab.parameters import Cadence, Seconds
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("pingpong", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def pingpong(
    lab: Lab,
    moves: Annotated[int, Meta(ge=1, le=100_000)] = 1000,
    every: Annotated[Seconds, Meta(ge=0.01, le=3600)] = 1.0,
    cadence: Cadence = 0.1,
    family: Family = 4,
    way: RoamingWay = "socket",
) -> None:
    """A mobile node with one NIC moves every second, a thousand times; what the kernels keep for it stays bounded."""
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce(way))
    nic = lab.mobile.nic("wlan0")
    lab.at(1.0).start(session.stream(every=cadence))
    for number in range(moves):
        time_s = 5.0 + number * every
        lab.at(time_s).move(nic, to=lab.home if number % 2 else lab.visited)
        if number % max(1, moves // 20) == 0:
            lab.at(time_s + 0.9 * every).account()
    end_s = 5.0 + moves * every
    lab.at(end_s).account()
    lab.until(end_s + 6.0)
