"""FIG. 6: the conventional way."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, SctpStack
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("fig06", figure="FIG. 6", topology=HomeAndVisited, expect=Verdict.BROKE)
def fig06(
    lab: Lab,
    pause: Annotated[Seconds, Meta(le=6)] = 0.2,
    family: Family = 4,
    transport: SctpStack = "sctp",
) -> None:
    """The mobile node disconnects, adds a NIC and connects again."""
    session = lab.mobile.connect(lab.correspondent, family=family, managed=False, transport=transport)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).reconnect(session, over="wlan1", to=lab.visited, pause=pause)
    lab.until(12.0)
