"""The home agent dies after the move: what hangs on it, and what doesn't."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.lab.mobile_ip import CareOf, Terms
from roamlab.parameters import Lifetime, Seconds
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "ha-failure",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.BROKE,
    needs=frozenset({"sctp", "ipip"}),
)
def ha_failure(
    lab: Lab, transport: Transport = "tcp", care_of: CareOf = "foreign-agent", lifetime: Lifetime = 18000
) -> None:
    """The home agent fails: a session over Mobile IP needs it for every packet, and ends."""
    lab.without_asconf()
    mobile_ip = lab.mobile_ip(Terms(care_of, lifetime))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(9.0).fail(mobile_ip.home_agent)
    lab.until(20.0)


@scenario(
    "ha-failure-asconf",
    figure="FIG. 9",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}),
)
def ha_failure_asconf(lab: Lab, gap: Annotated[Seconds, Meta(le=4.9)] = 0.0, family: Family = 4) -> None:
    """The home agent fails after a move by ASCONF: the association does not notice."""
    agents = lab.mobility_agents(Terms())
    session = lab.mobile.connect(lab.correspondent, family=family, announce=Announce.KERNEL)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.at(9.0).fail(agents.home_agent)
    lab.until(20.0)
