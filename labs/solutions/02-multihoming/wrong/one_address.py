"""Typical: the program binds one address, and so the INIT lists one."""

from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("answer", figure="FIG. 5", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def answer(lab: Lab, gone: float = 6.0) -> None:
    """Have both NICs and all addresses before the set-up, which then lists them."""
    lab.mobile.attach("wlan1", lab.visited)
    lab.correspondent.add_address()
    session = lab.mobile.connect(lab.correspondent, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(gone).detach(lab.mobile.nic("wlan1"))
    lab.until(16.0)
