"""Lab 5, solved: listen on all addresses, and ask for the care-of address in the INIT-ACK."""

from roamlab.lab.lab import Lab
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "answer",
    figure="FIG. 10",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}),
)
def answer(lab: Lab, dies: float = 13.0) -> None:
    """Be called at home while away, and need the home agent no more."""
    mobile_ip = lab.mobile_ip(Terms("co-located"))
    lab.at(1.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(8.0)
    lab.mobile.prefers(lab.mobile.address_on(lab.visited))
    session = lab.correspondent.connect(lab.mobile, anywhere=True)
    lab.at(9.0).start(session.stream(every=0.02))
    lab.at(dies).fail(mobile_ip.home_agent)
    lab.until(40.0)
