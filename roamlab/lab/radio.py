"""FIG. 8's radio in a run: levels from a model or a trace, what they do to the links, and what the mobile node decides.

Each sample is an event ``radio.level``. The mobile node hears it and decides (``roamlab/protocols/signals.py``); when it
attaches a NIC, the network gives it a link and an address, and when it prefers one, its own traffic takes that NIC, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from roamlab.protocols import radio
from roamlab.protocols.mobility import Verb
from roamlab.protocols.radio import SILENCE, Model, Sample, Station
from roamlab.protocols.signals import Thresholds
from roamlab.record import commands
from roamlab.record.events import RadioAttach, RadioLevel, RadioPrefer
from roamlab.record.stimuli import Attach

if TYPE_CHECKING:
    from roamlab.lab.lab import Lab
    from roamlab.topologies import Segment

EVERY_S: Final = 0.1


class Radio:
    """The radio of a run. ``places`` are the segments that NICs hear, by NIC; the mobile node is on the first one's.

    ``expects`` are the requests that attaching a NIC must lead to, sooner or later.
    """

    def __init__(
        self,
        lab: Lab[object],
        places: Mapping[str, Segment],
        samples: Sequence[Sample],
        thresholds: Thresholds,
        expects: Sequence[Verb],
    ) -> None:
        self._lab = lab
        self._expects = tuple(expects)
        self._places = places
        self._samples = samples
        self._attached = {next(iter(places))}
        lab.on_event(RadioAttach, self._attach)
        lab.on_event(RadioPrefer, self._prefer)
        levels = thresholds.attach, thresholds.fade, thresholds.hysteresis, thresholds.dwell_ns
        lab.agents.command(lab.mobile.name, commands.Radio(next(iter(places)), *levels))

    def play(self, until_s: float) -> None:
        """Set all samples up to a time on the lab's timeline."""
        for sample in self._samples:
            if sample.time_s < until_s:
                self._lab.timeline.at(sample.time_s, partial(self.sound, sample))

    def sound(self, sample: Sample) -> None:
        """Let the mobile node hear a sample now."""
        levels = {nic: sample.levels.get(nic, SILENCE) for nic in self._places}
        self._lab.record(RadioLevel(levels))
        for nic in sorted(self._attached):
            self._impair(nic, levels[nic])
        self._lab.agents.command(self._lab.mobile.name, commands.Hear(levels))

    def _attach(self, event: RadioAttach) -> None:
        nic = event.nic
        if nic in self._attached:
            return
        lab, site, segment = self._lab, self._lab.site, self._places[nic]
        used = next(iter(self._attached))
        new = lab.mobile.address_on(segment)
        lab.stimulus(lab.mobile.name, Attach(to=segment.name, nic=nic, new=new, expects=self._expects))
        site.attach(lab.mobile.name, nic, segment)
        site.route_through(lab.mobile.nic(used))
        self._attached.add(nic)
        self._impair(nic, event.levels[nic])

    def _prefer(self, event: RadioPrefer) -> None:
        self._lab.site.route_through(self._lab.mobile.nic(event.nic))

    def _impair(self, nic: str, level: float) -> None:
        quality = radio.link(level)
        self._lab.site.impair(self._lab.mobile.nic(nic), loss=quality.loss, bw=quality.rate)


class Stroll:
    """The mobile node walks between two base stations, to wherever it is told to (``target_m``)."""

    def __init__(
        self, radio_: Radio, lab: Lab[object], nics: Sequence[str], *, speed: float, apart: float
    ) -> None:
        stations = [Station(nic, place * apart) for place, nic in enumerate(nics)]
        self._walker = radio.Walker(Model(), stations, Random(lab.seed))
        self._radio, self._lab = radio_, lab
        self._step_m = speed * EVERY_S
        self._at_m = self.target_m = 0.0

    def begin(self, start_s: float) -> None:
        """Hear the stations every ``EVERY_S`` from ``start_s`` on."""
        self._lab.timeline.at(start_s, partial(self._hear, start_s))

    def _hear(self, now_s: float) -> None:
        away = self.target_m - self._at_m
        self._at_m += max(-self._step_m, min(self._step_m, away))
        self._radio.sound(Sample(now_s, self._walker.hear(self._at_m)))
        self.begin(round(now_s + EVERY_S, 3))


def walked(
    nics: Sequence[str], *, seed: int, start_s: float, end_s: float, speed: float, apart: float
) -> list[Sample]:
    """Levels on a walk from the first NIC's base station past the second one's, ``apart`` m further."""
    stations = [Station(nic, place * apart) for place, nic in enumerate(nics)]
    generator = Random(seed)  # the radio's own, so that nothing else that is random changes it
    return radio.walk(
        Model(), stations, start_s=start_s, end_s=end_s, every_s=EVERY_S, speed=speed, random=generator
    )
