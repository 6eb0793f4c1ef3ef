"""Handing processors out."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from roamlab.kernels.cpu import emulated, own_cpu, pinned


def test_a_processor_that_qemu_emulates_is_known_by_its_name(tmp_path: Path) -> None:
    real, virtual, none = tmp_path / "real", tmp_path / "virtual", tmp_path / "none"
    real.write_text("model name\t: AMD EPYC 9B45\nflags\t\t: fpu hypervisor xsave\n")
    virtual.write_text("processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\n")
    assert [emulated(path) for path in (real, virtual, none)] == [False, True, False]


def test_guests_at_once_are_spread_evenly() -> None:
    """Other guests may run on this machine meanwhile: ours still differ by no more than one from CPU to CPU."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two processors")
    with ExitStack() as stack:
        taken = [stack.enter_context(own_cpu()) for _ in range(8 * len(cpus))]
    assert set(taken) == set(cpus)


def test_pinning_reaches_the_child_and_not_us() -> None:
    before = os.sched_getaffinity(0)
    cpu = max(before)
    with pinned(cpu):
        code = "import os; print(sorted(os.sched_getaffinity(0)))"
        child = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert child.strip() == f"[{cpu}]"
    assert os.sched_getaffinity(0) == before


def test_without_a_cpu_nothing_is_pinned() -> None:
    before = os.sched_getaffinity(0)
    with pinned(None):
        assert os.sched_getaffinity(0) == before
