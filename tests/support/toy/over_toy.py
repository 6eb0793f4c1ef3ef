"""A session over a transport that roamlab does not have, carried through a move by Mobile IP."""

from roamlab.lab.handles import Transport
from roamlab.lab.lab import Lab
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("over-toy", topology=HomeAndVisited, expect=Verdict.SURVIVED, needs=frozenset({"ipip"}))
def over_toy(lab: Lab[HomeAndVisited], transport: Transport = "toy") -> None:
    """The mobile node moves to another network, and Mobile IP carries its session."""
    lab.mobile_ip(Terms())
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(10.0)
