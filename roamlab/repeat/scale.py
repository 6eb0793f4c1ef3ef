"""How far it scales: the scenario ``crowd`` with 1 to 500 mobile nodes that all move at once; built, run and judged."""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from roamlab.errors import LabError
from roamlab.kernels.job import Kernel
from roamlab.record.run_directory import CAPTURE
from roamlab.registry import Verdict, find
from roamlab.repeat.bench import Figure, OnStep, StepWatch
from roamlab.runs import orchestrator

NODES: Final = (1, 10, 100, 500)


def measure(kernel: Kernel, on_step: OnStep) -> list[Figure]:
    """Run each size; wall time by step, memory and capture, and what a further node costs."""
    figures: list[Figure] = []
    totals: list[tuple[int, float, float]] = []
    for nodes in NODES:
        on_step(f"{nodes} mobile nodes")
        with tempfile.TemporaryDirectory(prefix="roamlab-scale-") as directory:
            part, total, peak = run(kernel, nodes, Path(directory))
        figures += part
        totals.append((nodes, total, peak))
    for (fewer, less_s, less_mib), (more, more_s, more_mib) in pairwise(totals):
        growth, added = f"growth, {fewer} to {more}", more - fewer
        figures.append(Figure(growth, "wall time a node", 1000 * (more_s - less_s) / added, "ms"))
        figures.append(Figure(growth, "memory a node", (more_mib - less_mib) / added, "MiB"))
    return figures


def run(kernel: Kernel, nodes: int, directory: Path) -> tuple[list[Figure], float, float]:
    """One size: its figures, wall time (s) and the guest's memory (MiB). Raises LabError when not all sessions survived."""
    scenario = find("crowd")
    watch = StepWatch(time.perf_counter(), [("boot", 0.0)])
    result = orchestrator.run(
        scenario,
        scenario.complete({"nodes": str(nodes)}),
        seed=1,
        kernel=kernel,
        runs=directory,
        on_line=watch.line,
    )
    total = time.perf_counter() - watch.began
    if result.judgement.verdict != Verdict.SURVIVED.value:
        raise LabError(f"of {nodes} sessions not all survived: {'; '.join(result.judgement.reasons)}")
    part = f"{nodes} mobile nodes"
    figures = [
        *(Figure(part, name, seconds, "s") for name, seconds in watch.steps(total)),
        Figure(part, "command to verdict", total, "s"),
        Figure(part, "memory of the guest", watch.peak_mib, "MiB"),
        Figure(part, "capture", (Path(result.run_dir) / CAPTURE).stat().st_size / 2**20, "MiB"),
    ]
    return figures, total, watch.peak_mib
