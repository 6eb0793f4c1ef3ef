"""A lab kernel in virtual time: sleeping is free, the same seed gives the same bits, spinning is found out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Job, Outcome
from roamlab.kernels.spin import SPIN_CPU_S
from roamlab.kernels.uml import VIRTUAL_START_NS

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
Run = Callable[..., tuple[Outcome, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def runner(program: str, seed: int = 1, limit_s: float = 60.0) -> tuple[Outcome, list[str]]:
        lines: list[str] = []
        job = Job((sys.executable, "-c", program), tmp_path, seed=seed, limit_s=limit_s)
        return select("uml").execute(job, lines.append), lines

    return runner


def test_an_hour_passes_at_once(run: Run) -> None:
    outcome, lines = run("import time; a = time.time(); time.sleep(3600); print(round(time.time() - a, 3))")
    assert lines == ["3600.0"]
    assert outcome.wall_s < 30.0


def test_time_starts_at_a_constant_and_runs_alike_each_time(run: Run) -> None:
    program = "import time; print(time.time_ns()); time.sleep(0.1); print(time.time_ns())"
    first, second = run(program)[1], run(program)[1]
    assert first == second
    assert 0 <= int(first[0]) - VIRTUAL_START_NS < 1_000_000_000


def test_the_seed_decides_what_is_random(run: Run) -> None:
    program = "import os; print(os.urandom(16).hex(), hash('word'), os.getpid())"
    same, again, other = run(program, seed=1)[1], run(program, seed=1)[1], run(program, seed=2)[1]
    assert same == again
    assert same != other


def test_a_program_that_spins_is_ended_and_named(run: Run) -> None:
    outcome, _lines = run("print('roamlab: step spin', flush=True)\nwhile True: pass")
    assert outcome.step == "spin"
    assert outcome.reason.startswith("hang at step spin: python")
    assert f"{SPIN_CPU_S:g} s of CPU went by, and no virtual time" in outcome.reason
