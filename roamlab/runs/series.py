"""Runs of one seed that share a guest: it boots and imports once, which is nearly half of a short run.

Each run is played by a process of its own in network namespaces of its own, but the kernel's clock, random numbers and tables
go on. So a run's plan names those that were played before it, and playing it again means playing these first
(docs/virtual-time.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from roamlab.kernels.job import Kernel, KernelError, Unsupported
from roamlab.kernels.supervise import CONSOLE_LOG
from roamlab.record import guarded, ours, run_directory
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import Plan, Scenario
from roamlab.runs import bytecode, orchestrator
from roamlab.runs.orchestrator import Planned, Shared

_PLAYED: Final = re.compile(r"roamlab: played (\d+) (\d+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run of a series, with what was planned before it in the same guest."""

    scenario: Scenario
    parameters: Mapping[str, Any]
    before: tuple[Plan, ...] = ()


@dataclass(slots=True)
class _Heard:
    """What the inside says: the exit status of each run by its place in the guest, and the lines of each."""

    status: dict[int, int] = field(default_factory=dict)
    lines: dict[int, list[str]] = field(default_factory=dict)

    def line(self, text: str) -> None:
        if played := _PLAYED.fullmatch(text):
            self.status[int(played[1])] = int(played[2])
        else:
            self.lines.setdefault(len(self.status), []).append(text)


def run(wanted: Sequence[Wanted], *, seed: int, kernel: Kernel, runs: Path, maker: str) -> list[Result]:
    """Play runs in one guest, in their order, each with as much before it as it says; their results.

    A run that did not come to its end there is played again in a guest of its own, with nothing before it. ``maker`` is who may
    remove the run directories again (roamlab.record.ours). The scenarios must be roamlab's own.

    Raises LabError for what prevents a run directory.
    """
    start = bytecode.prepare()
    with ExitStack() as stack:
        planned: list[Planned] = []
        for one in wanted:
            directory = RunDirectory.create(runs, one.scenario.name)
            stack.enter_context(directory.held())
            ours.mark(directory.path, maker)
            planned.append(
                orchestrator.prepare(
                    directory, one.scenario, one.parameters, seed, kernel, Shared(one.before)
                )
            )
        heard = _Heard()
        try:
            wall_s = kernel.execute(orchestrator.job_of(planned, start), heard.line).wall_s
        except (Unsupported, KernelError):
            wall_s = 0.0
        results = [_result(one, n, kernel, heard, wall_s / len(planned)) for n, one in enumerate(planned)]
    return [
        done or _alone(one, plan, seed=seed, kernel=kernel, runs=runs, maker=maker)
        for one, plan, done in zip(wanted, planned, results, strict=True)
    ]


def _result(planned: Planned, place: int, kernel: Kernel, heard: _Heard, wall_s: float) -> Result | None:
    """What a run came to; None where it has to be played again by itself."""
    if heard.status.get(place) != 0:
        return None
    if not guarded.exists(planned.directory.path, CONSOLE_LOG):
        said = "\n".join([*heard.lines.get(place, ()), ""])
        guarded.write(planned.directory.path, CONSOLE_LOG, said.encode())
    judgement, status = orchestrator.judged(planned.directory, planned.scenario)
    return orchestrator.record(planned, kernel, judgement, status, wall_s)


def _alone(wanted: Wanted, planned: Planned, *, seed: int, kernel: Kernel, runs: Path, maker: str) -> Result:
    ours.remove(planned.directory.path, maker, run_directory.FILES, run_directory.FOLDERS)
    return orchestrator.run(
        wanted.scenario,
        wanted.parameters,
        seed=seed,
        kernel=kernel,
        runs=runs,
        on_line=lambda _line: None,
        maker=maker,
        shared=Shared(),
    )
