"""FIG. 7: a NIC is added in service."""

from typing import Literal

from experiments.lab import Family, Lab
from experiments.scenario import Verdict, scenario
from topologies import HomeAndVisited


@scenario("fig07", figure="FIG. 7", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig07(lab: Lab, steps: Literal["add", "primary", "remove"] = "remove", family: Family = 4) -> None:
    """A second NIC joins the association: ADD, then SET PRIMARY, then DELETE of the first."""
    session = lab.mobile.connect(
        lab.correspondent, family=family, set_primary=steps != "add", delete=steps == "remove"
    )
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).attach(lab.mobile, "wlan1", to=lab.visited)
    lab.until(12.0)
