"""What a stage shows: a run that goes on under a hand, or one that is over."""

from __future__ import annotations

from typing import Protocol

from roamlab.live.facts import AnyFact
from roamlab.record.hand import AnyAct


class Source(Protocol):
    """A run as the stage sees it. Times are in s since the run's start."""

    @property
    def ready_s(self) -> float:
        """The time up to which all facts are known."""

    @property
    def over_s(self) -> float | None:
        """When the run ended; None while it goes on."""

    @property
    def paced(self) -> bool:
        """Whether its time can be stopped, and run at any speed."""

    def want(self, until_s: float) -> None:
        """Let time go on until all facts up to a time are known, and no further."""

    def take(self) -> list[AnyFact]:
        """The facts that were learnt since the last time."""

    def act(self, act: AnyAct) -> float:
        """Do something as soon as may be; gives when, by the plan's time. Raises BadInput where that cannot be done."""

    def end(self) -> None:
        """End the run, as soon as may be."""
