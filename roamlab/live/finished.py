"""A run that is over, to be stepped through: the same facts as when it went on, by the times at which they were so."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from roamlab.errors import BadInput
from roamlab.live.facts import AnyFact
from roamlab.live.telling import Telling
from roamlab.record.hand import AnyAct
from roamlab.reports.network import configured_addresses
from roamlab.reports.story import Story

_WINDOW_NS = 50_000_000


class FinishedRun:
    """A source whose facts are all there."""

    paced = True

    def __init__(self, story: Story) -> None:
        self._facts = sorted(_facts(story), key=lambda fact: fact.t)
        self._given = 0
        self.over_s = story.end_ns / 1e9
        self.ready_s = 0.0

    def want(self, until_s: float) -> None:
        """Have facts up to a time given out."""
        self.ready_s = min(max(self.ready_s, until_s), self.over_s)

    def take(self) -> list[AnyFact]:
        """The facts that are due."""
        start = self._given
        while self._given < len(self._facts) and self._facts[self._given].t <= self.ready_s:
            self._given += 1
        return self._facts[start : self._given]

    def rewind(self) -> None:
        """Begin again at the run's start."""
        self._given, self.ready_s = 0, 0.0

    def act(self, act: AnyAct) -> float:
        """Nothing can be done to what is over."""
        del act
        raise BadInput("this run is over; it can only be looked at")

    def end(self) -> None:
        """It has ended."""


def _facts(story: Story) -> Iterator[AnyFact]:
    telling = Telling(configured_addresses(story.topology))
    for window, events in groupby(story.events, key=lambda event: event.t // _WINDOW_NS):
        yield from telling.events(events)
        yield from telling.standing((window + 1) * _WINDOW_NS)
    if story.trace is not None:
        yield from telling.packets(story.trace.sightings)
