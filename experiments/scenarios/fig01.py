"""FIG. 1: Mobile IP, the baseline, with the mobile node away from home."""

from experiments.playing.lab import Lab, Transport
from experiments.playing.mobile_ip import Algorithm, CareOf, ReplayProtection, Terms, Wrapping
from experiments.scenario import Seconds, Verdict, scenario
from topologies import HomeAndVisited


@scenario(
    "fig01",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
)
def fig01(
    lab: Lab,
    transport: Transport = "udp",
    care_of: CareOf = "foreign-agent",
    lifetime: int = 18000,
    granted: int = 10800,
    algorithm: Algorithm = "md5",
    replay: ReplayProtection = "timestamps",
    encapsulation: Wrapping = "ipip",
    reverse: bool = False,
    skew: Seconds = 0.0,
) -> None:
    """The correspondent reaches the mobile node at its home address, through the home agent's tunnel."""
    lab.without_asconf()
    lab.mobile_ip(Terms(care_of, lifetime, granted, algorithm, replay, encapsulation, reverse, skew))
    session = lab.correspondent.connect(lab.mobile, transport=transport)
    lab.at(3.2).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(8.0).start(session.stream(every=0.02))
    lab.until(14.0)
