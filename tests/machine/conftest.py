"""Runs on distributions' kernels: each boots once, as many at a time as there are processors, whoever asks for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roamlab.kernels.choose import select
from roamlab.kernels.machine.kernel import MachineKernel
from roamlab.kernels.machine.qemu import PROGRAM
from roamlab.kernels.machine.store import fetched
from roamlab.record.result import Result
from roamlab.registry import find
from roamlab.runs import orchestrator


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run that a test looks at: kernel, scenario, settings as `name=value`, seed, and which of several alike."""

    kernel: str
    scenario: str
    settings: tuple[str, ...] = ()
    seed: int = 1
    again: int = 0

    def __str__(self) -> str:
        return "-".join([self.kernel, self.scenario, *self.settings])


@dataclass(slots=True)
class Player:
    """Makes runs; those that the session's tests want are begun with the first that is asked for."""

    runs: Path
    pool: ThreadPoolExecutor
    wanted: list[Wanted] = field(default_factory=list)
    begun: dict[Wanted, Future[Result]] = field(default_factory=dict)

    def __call__(self, run: Wanted) -> Result:
        for other in [run, *self.wanted]:
            if other not in self.begun:
                self.begun[other] = self.pool.submit(self._play, other)
        return self.begun[run].result()

    def _play(self, run: Wanted) -> Result:
        scenario = find(run.scenario)
        settings = dict(setting.split("=") for setting in run.settings)
        return orchestrator.run(
            scenario,
            scenario.complete(settings),
            seed=run.seed,
            kernel=select(run.kernel),
            runs=self.runs,
            on_line=lambda _line: None,
        )


def lacking(kernel: str) -> str:
    """Say why a kernel can't be run here; empty where it can."""
    if shutil.which(PROGRAM) is None:
        return f"needs {PROGRAM}: apt-get install --no-install-recommends qemu-system-x86 seabios"
    if not any(known.name == kernel for known in fetched()):
        return f"needs the kernel of {kernel}: ./lab kernel --distribution {kernel}"
    return ""


@pytest.fixture(scope="session")
def play(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    """The player, who knows all runs that the chosen tests want."""
    parameters = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [run for call in parameters if call for run in call.params.values() if isinstance(run, Wanted)]
    here = [run for run in dict.fromkeys(wanted) if not lacking(run.kernel)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield Player(tmp_path_factory.mktemp("runs"), pool, here)
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def debian_12() -> MachineKernel:
    """Debian 12's kernel."""
    if reason := lacking("debian-12"):
        pytest.skip(reason)
    kernel = select("debian-12")
    assert isinstance(kernel, MachineKernel)
    return kernel
