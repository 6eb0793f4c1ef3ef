"""A radio as far as handovers see it: how strong a base station's signal is at a place, and what that does to a link.

Signal: log-distance path loss with shadowing that is correlated over distance (M. Gudmundson, "Correlation model for shadow
fading in mobile radio systems", Electronics Letters 27(23), 1991). Randomness comes from the generator passed in.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

SILENCE: Final = -120.0
"""The level (dBm) of what is not heard at all."""
_RATES: Final = ((-67.0, 20.0), (-73.0, 12.0), (-79.0, 6.0), (-85.0, 2.0))  # dBm and better: Mbit/s
_SLOWEST: Final = 1.0
_HALF_LOST: Final = -90.0  # dBm at which every second packet is lost
_STEEPNESS: Final = 1.2  # dB that change the odds of a loss by a factor of e


@dataclass(frozen=True, slots=True)
class Station:
    """A base station at ``position`` (m along the path of movement) and ``offset`` (m beside it), heard by one NIC."""

    nic: str
    position: float
    offset: float = 10.0


@dataclass(frozen=True, slots=True)
class Model:
    """``power`` is the level at 1 m (dBm), ``exponent`` that of the path loss.

    Shadowing has a standard deviation of ``shadowing`` dB and is forgotten over ``correlation`` m.
    """

    power: float = -30.0
    exponent: float = 3.0
    shadowing: float = 3.0
    correlation: float = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The levels (dBm) by NIC at a time (s since the run's start)."""

    time_s: float
    levels: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Quality:
    """What a level does to a link: loss in percent, rate in Mbit/s."""

    loss: float
    rate: float


def walk(
    model: Model,
    stations: Sequence[Station],
    *,
    start_s: float,
    end_s: float,
    every_s: float,
    speed: float,
    random: Random,
) -> list[Sample]:
    """The levels along a straight path from 0 m at ``start_s``, at ``speed`` m/s, sampled ``every_s``."""
    step = speed * every_s
    kept = math.exp(-step / model.correlation)
    fresh = model.shadowing * math.sqrt(1 - kept * kept)
    shadows = {station.nic: random.gauss(0, model.shadowing) for station in stations}
    samples = []
    for number in range(int((end_s - start_s) / every_s) + 1):
        levels = {}
        for station in stations:
            distance = math.hypot(number * step - station.position, station.offset)
            loss = 10 * model.exponent * math.log10(max(distance, 1.0))
            levels[station.nic] = round(model.power - loss + shadows[station.nic], 2)
            shadows[station.nic] = kept * shadows[station.nic] + fresh * random.gauss(0, 1)
        samples.append(Sample(round(start_s + number * every_s, 9), levels))
    return samples


class Walker:
    """Hears stations from wherever it is; shadowing changes with the way that it goes, not while it stands."""

    def __init__(self, model: Model, stations: Sequence[Station], random: Random) -> None:
        self._model = model
        self._random = random
        self._stations = stations
        self._position = 0.0
        self._shadows = {station.nic: random.gauss(0, model.shadowing) for station in stations}

    def hear(self, position: float) -> dict[str, float]:
        """The levels (dBm) by NIC at ``position`` (m along the path)."""
        model = self._model
        kept = math.exp(-abs(position - self._position) / model.correlation)
        fresh = model.shadowing * math.sqrt(1 - kept * kept)
        self._position = position
        levels = {}
        for station in self._stations:
            shadow = kept * self._shadows[station.nic] + fresh * self._random.gauss(0, 1)
            self._shadows[station.nic] = shadow
            distance = math.hypot(position - station.position, station.offset)
            loss = 10 * model.exponent * math.log10(max(distance, 1.0))
            levels[station.nic] = round(model.power - loss + shadow, 2)
        return levels


def link(level: float) -> Quality:
    """What a level does to a link: the loss rises steeply about -90 dBm, the rate falls in steps as coding gets robust."""
    odds = math.exp(min(50.0, (_HALF_LOST - level) / _STEEPNESS))
    rate = next((rate for least, rate in _RATES if level >= least), _SLOWEST)
    return Quality(round(100 * odds / (1 + odds), 2), rate)


def read_csv(text: str) -> list[Sample]:
    """A signal trace: columns ``time_s``, ``nic``, ``dbm`` in any order. A NIC keeps its level until its next line.

    ValueError with the line for what is not such a trace.
    """
    rows = csv.DictReader(io.StringIO(text))
    if rows.fieldnames is None or not {"time_s", "nic", "dbm"} <= set(rows.fieldnames):
        raise ValueError("a signal trace begins with the line time_s,nic,dbm")
    levels: dict[str, float] = {}
    samples: list[Sample] = []
    for row in rows:
        try:
            time_s, level = float(row["time_s"]), float(row["dbm"])
        except (TypeError, ValueError):
            raise ValueError(f"line {rows.line_num} of the signal trace is not time_s,nic,dbm") from None
        if not (math.isfinite(time_s) and math.isfinite(level) and time_s >= 0 and row["nic"]):
            raise ValueError(f"line {rows.line_num} of the signal trace has no usable time, NIC or level")
        if samples and time_s < samples[-1].time_s:
            raise ValueError(f"line {rows.line_num} of the signal trace goes back in time")
        levels[row["nic"]] = level
        if samples and samples[-1].time_s == time_s:
            samples.pop()
        samples.append(Sample(time_s, dict(levels)))
    if not samples:
        raise ValueError("the signal trace is empty")
    return samples
