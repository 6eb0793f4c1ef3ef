"""The control: a session with which nothing happens, so that what the others show is the move's doing."""

from roamlab.lab.lab import Family, Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("control", figure="none", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def control(lab: Lab, family: Family = 4) -> None:
    """Nothing moves."""
    session = lab.mobile.connect(lab.correspondent, family=family)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.until(10.0)
