"""What Mobile IP makes of a move in the middle of a transfer."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


def _fits(onward: bool, gap: float, **_: object) -> str | None:
    return f"gap={gap} lasts beyond the move onward, 7 s later" if onward and gap >= 7 else None


@scenario(
    "mip-move",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
    sense=_fits,
)
def mip_move(
    lab: Lab,
    transport: Transport = "tcp",
    onward: bool = False,
    gap: Annotated[Seconds, Meta(le=14)] = 0.0,
    *,
    terms: Terms,
) -> None:
    """A session of any transport is carried by Mobile IP through a move, and through another one (onward)."""
    lab.without_asconf()
    lab.mobile_ip(terms)
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=gap)
    if onward:
        lab.at(12.0).move(lab.mobile.nic("wlan0"), to=lab.visited2, gap=gap)
    lab.until(20.0)
