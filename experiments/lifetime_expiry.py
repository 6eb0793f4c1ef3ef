"""A registration that nobody renews."""

from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.parameters import Lifetime
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "lifetime-expiry",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.BROKE,
    needs=frozenset({"sctp", "ipip"}),
)
def lifetime_expiry(lab: Lab, transport: Transport = "udp", lifetime: Lifetime = 8) -> None:
    """The mobile node stops renewing its registration: binding, tunnel and session end with the lifetime."""
    lab.without_asconf()
    lab.mobile_ip(Terms(lifetime=lifetime))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(3.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(12.0).halt(lab.mobile)
    lab.until(16.0 + 2 * lifetime)
