"""The live lab: a session, and a network in which a person does everything else."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab.lab import Family, Lab, Transport
from roamlab.lab.mobile_ip import Terms
from roamlab.lab.radio import Radio, Stroll
from roamlab.protocols.mobility import Verb
from roamlab.protocols.signals import Thresholds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


def _sense(mobile_ip: bool, radio: bool, transport: str, **_: object) -> str | None:
    if radio and (mobile_ip or transport != "sctp"):
        return "with radio=true the node changes networks by SCTP's own means, not by Mobile IP or another transport"
    return None


@scenario(
    "live",
    topology=HomeAndVisited,
    expect=Verdict.SURVIVED,
    sense=_sense,
)
def live(
    lab: Lab,
    transport: Transport = "sctp",
    every: Annotated[float, Meta(ge=0.002, le=10)] = 0.02,
    family: Family = 4,
    mobile_ip: bool = False,
    radio: bool = False,
    speed: Annotated[float, Meta(ge=0.1, le=100)] = 5.0,
    apart: Annotated[float, Meta(ge=1, le=2000)] = 90.0,
) -> None:
    """A session between the mobile node and its correspondent, and nothing that happens by itself.

    With ``radio`` the node walks between two base stations, and decides by their signals as in FIG. 8.
    """
    if mobile_ip:
        lab.without_asconf()
        lab.mobile_ip(Terms())
    session = lab.mobile.connect(
        lab.correspondent,
        transport=transport,
        family=family,
        managed=not mobile_ip,
        set_primary=not radio,
        delete=not radio,
    )
    lab.at(1.0).start(session.stream(every=every))
    if radio:
        places = {"wlan0": lab.home, "wlan1": lab.visited}
        heard = Radio(lab, places, [], Thresholds(hysteresis=5.0, dwell_ns=500_000_000), [Verb.ADD])
        lab.stroll = Stroll(heard, lab, [*places], speed=speed, apart=apart)
        lab.stroll.begin(2.0)
    lab.until(10.0)
