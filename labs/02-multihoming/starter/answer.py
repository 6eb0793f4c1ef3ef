"""Lab 2: a host with two NICs sets up a session and loses one of them. The grader takes ``wlan1`` away; ``gone`` is when."""

from roamlab.lab.lab import Lab
from roamlab.protocols.mobility import Announce  # noqa: F401 - you may want it
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 5", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, gone: float = 6.0) -> None:
    """Set up so that the session does not need wlan1."""
    session = lab.mobile.connect(lab.correspondent, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(2.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.at(gone).detach(lab.mobile.nic("wlan1"))
    lab.until(16.0)
