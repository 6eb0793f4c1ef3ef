"""The way back: the mobile node returns home and deregisters."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import CareOf, Terms, Wrapping
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "return-home",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
)
def return_home(
    lab: Lab,
    transport: Transport = "tcp",
    gap: Annotated[Seconds, Meta(le=4.9)] = 0.0,
    care_of: CareOf = "foreign-agent",
    encapsulation: Wrapping = "ipip",
    reverse: bool = False,
) -> None:
    """The mobile node moves away and comes home: it deregisters, sends gratuitous ARP, and needs no tunnel any more."""
    lab.without_asconf()
    lab.mobile_ip(Terms(care_of, encapsulation=encapsulation, reverse=reverse))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    lab.at(9.0).move(lab.mobile.nic("wlan0"), to=lab.home, gap=gap)
    lab.until(16.0)
