"""Typical: quick, but nobody was told before the move."""

from roamlab.lab.lab import Lab
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 9", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, move: float = 5.0) -> None:
    """ADD a second before the move; the manager's own ASCONF after it then finds a peer that knows the address."""
    session = lab.mobile.connect(lab.correspondent, announce=Announce.REWRITING)
    lab.at(1.0).start(session.stream(every=0.02))

    lab.at(move).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(16.0)
