"""Lab 3: a second NIC joins the association. Write your steps where it says so."""

from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 7", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, attach: float = 5.0, prefer: float = 7.0, remove: float = 9.0) -> None:
    """Add at ``attach``, prefer at ``prefer``, remove at ``remove``: each in a message of its own."""
    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    # Your steps: lab.at(attach)...
    lab.until(14.0)
