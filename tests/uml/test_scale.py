"""A crowd of mobile nodes in one guest, all moving at once, and what bench says of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.record.result import Judgement
from roamlab.repeat import scale
from roamlab.repeat.bench import Figure, run_by_step

needs_kernel = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)


def names(figures: list[Figure]) -> set[str]:
    return {figure.name for figure in figures}


@needs_kernel
def test_every_node_of_a_crowd_keeps_its_association_while_all_move_at_once(
    tmp_path: Path, more_captures: list[Path]
) -> None:
    figures, total, memory = scale.run(select("uml"), 7, tmp_path)
    assert {"network", "scenario", "judge", "command to verdict"} <= names(figures)
    assert total > 0
    assert memory > 0
    (run,) = (tmp_path / "crowd").glob("*/verdict.json")
    sessions = msgspec.json.decode(run.read_bytes(), type=Judgement).sessions
    assert [(s.mobile, s.verdict) for s in sessions] == [(f"m{n}", "survived") for n in range(7)]
    more_captures.append(run.with_name("capture.pcapng"))


@needs_kernel
def test_a_run_is_measured_by_step(tmp_path: Path) -> None:
    figures = run_by_step("control", {}, select("uml"), tmp_path)
    steps = ["boot", "imports", "network", "agents", "scenario", "collect", "judge"]
    assert [figure.name for figure in figures][: len(steps)] == steps
    total = next(figure.value for figure in figures if figure.name == "all steps")
    assert sum(figure.value for figure in figures[: len(steps)]) == pytest.approx(total, rel=0.01)
