"""FIG. 10: the correspondent node calls a mobile node that is away."""

from functools import partial
from typing import Final

from roamlab.lab.lab import Lab
from roamlab.lab.mobile_ip import Terms
from roamlab.registry import REWRITING, Verdict, scenario
from roamlab.topologies import HomeAndVisited
from roamlab.topologies.addresses import CORRESPONDENTS, VISITED

_UNDER_WAY_S: Final = 0.2  # what had passed the router by then has arrived


@scenario(
    "fig10",
    figure="FIG. 10",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}) | REWRITING,
)
def fig10(lab: Lab, dies: bool = True) -> None:
    """INIT to the home address, through the tunnel; INIT-ACK with SET PRIMARY of the care-of address; then direct."""
    site = lab.site
    lab.mobile_ip(Terms("co-located"))
    lab.at(1.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(8.0)
    lab.agents.command(lab.mobile.name, "prefer", address=site.address_on(lab.visited), family=4)
    session = lab.correspondent.connect(lab.mobile, anywhere=True)
    lab.at(9.0).start(session.stream(every=0.02))
    if dies:
        ends = (str(CORRESPONDENTS.ipv4), str(VISITED.ipv4))
        for source, destination in (ends, ends[::-1]):
            lab.timeline.at(14.0, partial(site.block, "internet", source, destination))
        lab.timeline.at(14.0 + _UNDER_WAY_S, partial(_blocked, lab))
    lab.until(40.0)


def _blocked(lab: Lab) -> None:
    """What is sent to the care-of address directly arrives no more."""
    lab.stimulus("block", lab.mobile.nic("wlan0"), old=lab.site.address_on(lab.visited), expects=[])
