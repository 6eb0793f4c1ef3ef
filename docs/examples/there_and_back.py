"""A host leaves its network and comes back."""

from roamlab.lab.lab import Lab
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("there-and-back", figure="", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def there_and_back(lab: Lab, stay: Seconds = 5.0) -> None:
    """A host moves to another network and returns after a while."""
    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    nic = lab.mobile.nic("wlan0")
    lab.at(5.0).move(nic, to=lab.visited)
    lab.at(5.0 + stay).move(nic, to=lab.home)
    lab.until(15.0 + stay)
