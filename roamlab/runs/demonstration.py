"""What ``./lab demo`` plays: every way to move a mobile node, the control first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from os import sched_getaffinity
from pathlib import Path
from typing import Final

from roamlab.api import run
from roamlab.kernels.job import Kernel
from roamlab.record.result import Result
from roamlab.registry import Verdict, find


@dataclass(frozen=True, slots=True)
class DemoRun:
    """One run of the demonstration: a scenario and what is set in it, as text."""

    scenario: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The part's name: scenario and settings."""
        return " ".join([self.scenario, *(f"{name}={value}" for name, value in self.settings.items())])


PARTS: Sequence[DemoRun] = (
    DemoRun("control"),
    DemoRun("fig06"),
    DemoRun("fig07", {"steps": "add"}),
    DemoRun("fig07", {"steps": "primary"}),
    DemoRun("fig07"),
    DemoRun("fig07", {"family": "6"}),
    DemoRun("fig09-fixed"),
    DemoRun("fig09-unmanaged"),
    DemoRun("fig09"),
    DemoRun("fig09", {"gap": "2"}),
    DemoRun("fig09", {"family": "6"}),
)


_WAITING: Final = 3
"""Guests in real time that one processor can do: each computes for a sixth of its time, and waits for its clock."""


def play(
    kernel: Kernel,
    *,
    seed: int,
    runs: Path,
    on_line: Callable[[str, str], None],
    on_result: Callable[[str, Result], None],
) -> list[Result]:
    """Run all parts, one a processor at a time, in real time three; the results in the order of the parts.

    ``on_line`` gets (part, line) while they run, ``on_result`` (part, result) as each ends.
    """

    def one(part: DemoRun) -> Result:
        result = run(
            part.scenario,
            kernel=kernel,
            seed=seed,
            runs=runs,
            on_line=lambda line: on_line(part.name, line),
            **part.settings,
        )
        on_result(part.name, result)
        return result

    at_once = len(sched_getaffinity(0)) * (1 if kernel.virtual_time else _WAITING)
    with ThreadPoolExecutor(at_once) as pool:
        # A session that breaks is waited for longest: begun first, it goes on beside the others.
        first = sorted(PARTS, key=lambda part: find(part.scenario).expect is not Verdict.BROKE)
        under_way = {part.name: pool.submit(one, part) for part in first}
        return [under_way[part.name].result() for part in PARTS]
