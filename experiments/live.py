"""The live lab: a session, and a network in which a person does everything else."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("live", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def live(
    lab: Lab,
    transport: Transport = "sctp",
    every: Annotated[float, Meta(ge=0.002, le=10)] = 0.02,
    family: Family = 4,
    mobile_ip: bool = False,
) -> None:
    """A session between the mobile node and its correspondent, and nothing that happens by itself."""
    if mobile_ip:
        lab.without_asconf()
        lab.mobile_ip(Terms())
    session = lab.mobile.connect(lab.correspondent, transport=transport, family=family, managed=not mobile_ip)
    lab.at(1.0).start(session.stream(every=every))
    lab.until(10.0)
