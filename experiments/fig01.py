"""FIG. 1: Mobile IP, the baseline, with the mobile node away from home."""

from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "fig01",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
)
def fig01(lab: Lab, transport: Transport = "udp", *, terms: Terms) -> None:
    """The correspondent reaches the mobile node at its home address, through the home agent's tunnel."""
    lab.without_asconf()
    lab.mobile_ip(terms)
    session = lab.correspondent.connect(lab.mobile, transport=transport)
    lab.at(3.2).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(8.0).start(session.stream(every=0.02))
    lab.until(14.0)
