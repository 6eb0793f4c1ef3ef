"""Many runs at a glance: scenarios against kernels and variants, each cell what became of the session there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab.errors import LabError
from roamlab.record import verified
from roamlab.record.result import Judgement
from roamlab.record.run_directory import PLAN, REPORT, VERDICT, RunDirectory
from roamlab.registry import Plan, scenarios
from roamlab.reports.page import fill, save

UNJUDGED: Final = "none"


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: its verdict, what was expected, its outages, and where its report is (relative to the page)."""

    verdict: str
    expected: str
    judgement: Judgement | None
    reason: str
    link: str

    @property
    def as_expected(self) -> bool:
        """Whether the run came out as its scenario says."""
        return self.verdict == self.expected


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows are scenarios with their settings, columns kernels with their variants; of several runs the latest counts."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]


def write(runs: Sequence[RunDirectory], path: Path) -> Path:
    """Write the matrix of runs as one HTML file, each cell a link to its run's report.

    Raises LabError when the file cannot be written.
    """
    save(path, fill("matrix.html", matrix=matrix(runs, path.absolute().parent)))
    return path


def matrix(runs: Iterable[RunDirectory], base: Path) -> Matrix:
    """The matrix of runs; ``base`` is the directory that links are relative to."""
    cells: dict[tuple[str, str], Cell] = {}
    for run in sorted(runs, key=lambda run: run.path.name):
        plan, verdict = (_read(run, name) for name in (PLAN, VERDICT))
        row = " ".join((str(plan.get("scenario", run.path.parent.name)), *_settings(plan)))
        cells[row, _kernel(run)] = _cell(run, verdict, base)
    return Matrix(
        tuple(sorted({row for row, _ in cells})), tuple(sorted({column for _, column in cells})), cells
    )


def _cell(run: RunDirectory, verdict: dict[str, Any], base: Path) -> Cell:
    report = run.path / REPORT
    link = os.path.relpath(report if report.exists() else run.path / PLAN, base)
    try:
        judgement = msgspec.convert(verdict, Judgement)
    except msgspec.ValidationError:
        return Cell(UNJUDGED, "", None, "the run has no verdict", link)
    return Cell(judgement.verdict, judgement.expected, judgement, "; ".join(judgement.reasons), link)


def _kernel(run: RunDirectory) -> str:
    try:
        kernel = verified.manifest(run).kernel
    except LabError:
        return "unknown kernel"
    words = [kernel.version, "" if kernel.variant in kernel.version else kernel.variant]
    words.append("" if kernel.virtual_time else "real time")
    return " · ".join(filter(None, words))


def _settings(plan: dict[str, Any]) -> list[str]:
    scenario = scenarios().get(plan.get("scenario", ""))
    if scenario is None:
        return []
    known = {k: v for k, v in plan.get("parameters", {}).items() if k in scenario.parameters()}
    return [f"{name}={value}" for name, value in scenario.changed(known).items()]


_SHAPES: Final[dict[str, Any]] = {PLAN: Plan}


def _read(run: RunDirectory, name: str) -> dict[str, Any]:
    try:
        content = run.read(name)
    except LabError:
        return {}
    try:
        msgspec.convert(content, _SHAPES.get(name, dict[str, Any]))
    except msgspec.ValidationError:
        return {}
    return content if isinstance(content, dict) else {}
