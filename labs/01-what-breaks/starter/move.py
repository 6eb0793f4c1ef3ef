"""Lab 1: a host moves in the middle of a transfer, with any transport."""

from roamlab.lab.lab import Lab, Transport
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("move", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def move(lab: Lab, transport: Transport = "tcp", at: float = 5.0, gap: float = 0.0) -> None:
    """The only NIC leaves its network, and comes to another one ``gap`` seconds later."""
    session = lab.mobile.connect(lab.correspondent, transport=transport)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(at).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.until(20.0)
