"""Lab 3, solved."""

from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 7", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, attach: float = 5.0, prefer: float = 7.0, remove: float = 9.0) -> None:
    """Add, prefer and remove, each in a message of its own."""
    session = lab.mobile.connect(lab.correspondent, set_primary=False, delete=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(attach).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(prefer).set_primary(session, on=lab.visited)
    lab.at(remove).release(lab.mobile, lab.mobile.address_on(lab.home))
    lab.until(14.0)
