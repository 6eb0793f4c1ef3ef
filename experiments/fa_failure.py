"""The foreign agent fails and starts again; and its sequence number does, without a failure."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Lab, Transport
from roamlab.lab.mobile_ip import Terms, Wrapping
from roamlab.parameters import Seconds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario(
    "fa-failure",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip", "gre"}),
)
def fa_failure(
    lab: Lab,
    transport: Transport = "tcp",
    back: Annotated[Seconds, Meta(le=15)] = 1.5,
    encapsulation: Wrapping = "ipip",
) -> None:
    """The foreign agent restarts without its visitor list; the mobile node notices it and registers again."""
    lab.without_asconf()
    mobile_ip = lab.mobile_ip(Terms(encapsulation=encapsulation))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.at(9.0).fail(mobile_ip.foreign_agent(lab.visited), back=back)
    lab.until(25.0)


@scenario(
    "fa-rollover",
    figure="FIG. 1",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    needs=frozenset({"sctp", "ipip"}),
)
def fa_rollover(lab: Lab, transport: Transport = "udp") -> None:
    """The foreign agents have advertised for 18 hours: 256 follows 0xffff, which is not a restart (RFC 5944, 2.3.2)."""
    lab.without_asconf()
    lab.mobile_ip(Terms(changes={"foreign agent": {"sequence": 0xFFFF - 9}}))
    session = lab.mobile.connect(lab.correspondent, transport=transport, managed=False)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(4.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(16.0)
