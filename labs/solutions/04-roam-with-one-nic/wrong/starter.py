"""Lab 4: one NIC roams. The grader moves it at its own time; ``move`` is that time."""

from roamlab.lab.lab import Lab
from roamlab.lab.request_acts import Request  # noqa: F401 - you may want it
from roamlab.protocols.mobility import Announce, Verb  # noqa: F401
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, move: float = 5.0) -> None:
    """Survive the move with less silence than fig09."""
    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(move).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(16.0)
