"""FIG. 10: the correspondent node calls a mobile node that is away."""

from roamlab.lab.lab import Lab
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import REWRITING, Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "fig10",
    figure="FIG. 10",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}) | REWRITING,
)
def fig10(lab: Lab, dies: bool = True) -> None:
    """INIT to the home address, through the tunnel; INIT-ACK with SET PRIMARY of the care-of address; then direct."""
    lab.mobile_ip(Terms("co-located"))
    lab.at(1.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(8.0)
    lab.mobile.prefers(lab.mobile.address_on(lab.visited))
    session = lab.correspondent.connect(lab.mobile, anywhere=True)
    lab.at(9.0).start(session.stream(every=0.02))
    if dies:
        lab.at(14.0).block(lab.node("internet"), lab.mobile.nic("wlan0"), lab.correspondent)
    lab.until(40.0)
