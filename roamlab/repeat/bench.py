"""What things cost on this machine: building networks, and a run from command to verdict, step by step.

Wall times are measured from outside a guest: its own clock is virtual, or as slow as the machine. Nothing here is a test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab.errors import LabError
from roamlab.kernels.job import Job, Kernel
from roamlab.kernels.spin import cpu_seconds, guest_process
from roamlab.kernels.uml import UmlKernel
from roamlab.network.bench import build_time
from roamlab.record.identity import cpu_model, kernel_name
from roamlab.record.run_directory import CAPTURE
from roamlab.registry import find
from roamlab.repeat import matrix
from roamlab.repeat.sweep import Sweep
from roamlab.repeat.workers import Order, cores, each, processes
from roamlab.runs import demonstration, orchestrator
from roamlab.where import COMMAND

HOSTS: Final = (10, 100)
_BUILD_NEEDS: Final = frozenset({"bridge", "netns", "packet", "veth"})
_LAB: Final = Path(__file__).parents[2] / "lab"
_LONG: Final = {"length": "60"}
_CELLS_A_CORE: Final = 4
_ROWS, _COLUMNS = "sctp,mptcp,tcp,udp", "one-nic-0,one-nic-0.5,one-nic-2,requests"
_SHARED: Final = 8
OnStep = Callable[[str], None]


class Figure(msgspec.Struct, frozen=True):
    """One measured number: of what, in which unit, and the issue's target where there is one."""

    part: str
    name: str
    value: float
    unit: str
    target: float | None = None


def measure(kernel: Kernel, on_step: OnStep) -> list[Figure]:
    """Measure everything but scale; ``on_step`` gets what is measured next."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="roamlab-bench-") as directory:
        runs = Path(directory)
        for hosts in HOSTS:
            if os.geteuid() == 0:
                on_step(f"{hosts} hosts on this machine's kernel")
                figures += _build("native", build_time(hosts))
            if isinstance(kernel, UmlKernel):
                on_step(f"{hosts} hosts in a guest")
                figures += _build("uml", _build_in_guest(kernel, hosts, runs))
        on_step("fig09, step by step")
        figures += run_by_step("fig09", {}, kernel, runs)
        figures += run_by_step("fig09", _LONG, kernel, runs)
        figures += whole_command("fig09", _LONG, kernel, runs)
        on_step("cells of a sweep")
        figures += _cells(kernel, runs)
        on_step("cells of a matrix")
        figures += _matrix(kernel, runs)
        on_step("the demonstration")
        began = time.perf_counter()
        demonstration.play(
            kernel,
            seed=1,
            runs=runs,
            on_line=lambda _part, _line: None,
            on_result=lambda _part, _result: None,
        )
        figures.append(Figure("demo", "all parts", time.perf_counter() - began, "s"))
    return figures


def conditions(kernel: Kernel) -> dict[str, Any]:
    """What the figures hold for: machine, kernel, and how busy it was."""
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "load_1min": os.getloadavg()[0],
        "kernel": kernel_name(kernel),
        "python": sys.version.split()[0],
    }


def _build(where: str, measured: Mapping[str, float]) -> Iterator[Figure]:
    hosts = round(measured["hosts"])
    part = f"build, {where}"
    target = 1.0 if where == "uml" and hosts == 100 else None
    yield Figure(part, f"{hosts} hosts", measured["ours_s"], "s", target)
    yield Figure(part, f"{hosts} hosts, stock Mininet", measured["stock_s"], "s")
    yield Figure(part, f"{hosts} hosts, times faster", measured["ratio"], "x")


def _build_in_guest(kernel: UmlKernel, hosts: int, directory: Path) -> dict[str, float]:
    """The same measurement inside a guest that keeps real time."""
    real = replace(kernel, real_time=True)
    found: dict[str, dict[str, float]] = {}
    for kind in ("ours", "stock"):
        lines: list[str] = []
        argv = (sys.executable, "-m", "roamlab.network.bench", kind, str(hosts))
        outcome = real.execute(Job(argv, directory, seed=1, needs=_BUILD_NEEDS, limit_s=300), lines.append)
        if outcome.status or not lines:
            raise LabError(
                f"building {hosts} hosts ({kind}) in a guest failed: {outcome.reason or lines[-1:]}"
            )
        found[kind] = msgspec.json.decode(lines[-1])
    ours, stock = found["ours"]["build_s"], found["stock"]["build_s"]
    return {"hosts": hosts, "ours_s": ours, "stock_s": stock, "ratio": stock / ours}


@dataclass(slots=True)
class StepWatch:
    """Takes the time, the guest's CPU time and its memory at each step that a run announces.

    ``marks`` are (step, seconds since ``began``, a time of perf_counter), in order.
    """

    began: float
    marks: list[tuple[str, float]]
    cpu_s: float = 0.0
    peak_mib: float = 0.0

    def mark(self, step: str) -> None:
        """A step of our own begins."""
        self.marks.append((step, time.perf_counter() - self.began))

    def steps(self, end: float) -> list[tuple[str, float]]:
        """Each step with its length (s), the last until ``end``."""
        ends = [when for _, when in self.marks[1:]] + [end]
        return [(step, until - since) for (step, since), until in zip(self.marks, ends, strict=True)]

    def line(self, line: str) -> None:
        """Take a line that a run printed."""
        if not line.startswith("roamlab: step "):
            return
        self.mark(line.removeprefix("roamlab: step "))
        if guest := _guest():
            self.cpu_s = cpu_seconds(guest)
            self.peak_mib = max(self.peak_mib, _resident_mib(guest))


def run_by_step(scenario: str, settings: Mapping[str, str], kernel: Kernel, runs: Path) -> list[Figure]:
    """One run of a scenario, with our Python warm: wall time by step, CPU time, memory, and how fast virtual time went."""
    chosen = find(scenario)
    watch = StepWatch(time.perf_counter(), [("boot", 0.0)])
    result = orchestrator.run(
        chosen, chosen.complete(settings), seed=1, kernel=kernel, runs=runs, on_line=watch.line
    )
    total = time.perf_counter() - watch.began
    if result.status not in (0, 1):
        raise LabError(f"{scenario} failed: {'; '.join(result.judgement.reasons)}")
    part = f"{scenario}, {result.judgement.virtual_s:.0f} s virtual"
    capture = (Path(result.run_dir) / CAPTURE).stat().st_size
    return [
        *(Figure(part, name, seconds, "s") for name, seconds in watch.steps(total)),
        Figure(part, "all steps", total, "s"),
        Figure(part, "boot to first packet", dict(watch.marks)["scenario"], "s", 1.0),
        Figure(part, "CPU of the guest", watch.cpu_s, "s"),
        Figure(part, "memory of the guest", watch.peak_mib, "MiB", 150.0),
        Figure(part, "capture", capture / 2**20, "MiB"),
        Figure(part, "virtual seconds a second", result.judgement.virtual_s / total, "x"),
    ]


def whole_command(scenario: str, settings: Mapping[str, str], kernel: Kernel, runs: Path) -> list[Figure]:
    """The same as somebody at a terminal has it: from the command to the verdict, and to the end with its page written."""
    words = [f"--set={name}={value}" for name, value in settings.items()]
    began = time.perf_counter()
    command = [str(_LAB), "run", scenario, *words, f"--kernel={kernel_name(kernel)}", f"--runs={runs}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()  # progress goes to standard error, so the first line is the verdict
        verdict_s = time.perf_counter() - began
        process.stdout.read()
    if process.returncode not in (0, 1):
        raise LabError(f"`{COMMAND} run {scenario}` ended with status {process.returncode}")
    part = f"{COMMAND} run {' '.join([scenario, *words])}"
    return [
        Figure(part, "command to verdict", verdict_s, "s", 2.5),
        Figure(part, "command to end, page written", time.perf_counter() - began, "s"),
    ]


def _cells(kernel: Kernel, runs: Path) -> list[Figure]:
    """How long a hundred cells of a sweep take: some are run, several at once, with the workers warm."""
    chosen = find("fig09")
    orders = [
        Order("fig09", seed, str(runs), kernel_name(kernel), chosen.complete({}))
        for seed in range(1, (_CELLS_A_CORE + 1) * cores() + 1)
    ]
    with processes(cores()) as pool:
        for _ in each(pool, orders[: cores()]):
            pass
        began = time.perf_counter()
        for _ in each(pool, orders[cores() :]):
            pass
        each_s = (time.perf_counter() - began) / (len(orders) - cores())
    return [Figure("sweep", "100 cells of fig09", 100 * each_s, "s", 60.0)]


def _matrix(kernel: Kernel, runs: Path) -> list[Figure]:
    """How many cells of a matrix are played in a minute, each in a guest of its own and several in one, one after the other."""
    plan = matrix.Plan.parse(_ROWS, _COLUMNS, (1,))
    found: dict[int, float] = {}
    with processes(cores()) as pool:
        for guest in (1, _SHARED):
            warm = matrix.Plan.parse(_ROWS, "address", (1,))  # what a worker imports is not the cells'
            for cells, measured in ((warm, False), (plan, True)):
                sweep = Sweep(runs / f"matrix-{guest}-{measured}")
                began = time.perf_counter()
                with sweep.held():
                    matrix.play(cells, sweep, kernel, pool, lambda _row, _before: None, guest)
                found[guest] = 60 * len(cells) / (time.perf_counter() - began)
    part = f"matrix, {len(plan)} cells of 20 s virtual"
    return [
        Figure(part, "cells a minute, a guest each", found[1], "cells", 120.0),
        Figure(part, f"cells a minute, {_SHARED} in a guest", found[_SHARED], "cells", 120.0),
        Figure(part, "times faster", found[_SHARED] / found[1], "x"),
    ]


def _guest() -> int:
    """Our guest's UML process; 0 where the run has none."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return guest_process(int(children[-1])) if children else 0


def _resident_mib(guest: int) -> float:
    """The guest's memory that is really there: what its UML process has mapped of it."""
    try:
        status = Path(f"/proc/{guest}/status").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))
