"""FIG. 8: a second NIC, and signals that decide."""

from typing import Annotated

from msgspec import Meta

from roamlab.lab import radio
from roamlab.lab.lab import Family, Lab
from roamlab.parameters import Seconds, TextFile, file_content
from roamlab.protocols.mobility import Verb
from roamlab.protocols.radio import read_csv
from roamlab.protocols.signals import Thresholds
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("fig08", figure="FIG. 8", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def fig08(
    lab: Lab,
    speed: Annotated[float, Meta(ge=0.1, le=100)] = 5.0,
    apart: Annotated[float, Meta(ge=1, le=2000)] = 90.0,
    hysteresis: Annotated[float, Meta(ge=0, le=100)] = 5.0,
    dwell: Seconds = 0.5,
    trace: Annotated[str, TextFile(read_csv)] = "",
    family: Family = 4,
) -> None:
    """A mobile node walks between two base stations; signals (modelled, or from a CSV) trigger ADD, SET PRIMARY, DELETE."""
    session = lab.mobile.connect(lab.correspondent, family=family, set_primary=False, delete=False)
    lab.at(1.0).start(session.stream(every=0.02))
    places = {"wlan0": lab.home, "wlan1": lab.visited}
    end_s = 2.0 + 1.2 * apart / speed
    samples = (
        read_csv(file_content(trace))
        if trace
        else radio.walked([*places], seed=lab.seed, start_s=2.0, end_s=end_s, speed=speed, apart=apart)
    )
    end_s = samples[-1].time_s
    limits = Thresholds(hysteresis=hysteresis, dwell_ns=round(dwell * 1e9))
    expects = [Verb.ADD] if trace else [*Verb]
    radio.Radio(lab, places, samples, limits, expects).play(end_s)
    lab.until(end_s + 6.0)
