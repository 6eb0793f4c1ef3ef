"""Sweeps on real guests: killed in the middle, two at once, on a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roamlab.errors import LabError
from roamlab.kernels.choose import lab_kernels, select
from roamlab.registry import find
from roamlab.repeat.cluster import cluster
from roamlab.repeat.sweep import Grid, Row, Sweep
from roamlab.repeat.workers import processes
from tests.processes import descendants, gone

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = ["edge_delay_ms=5,20"]


def command(out: Path, *more: str) -> list[str]:
    inv = str(Path(sys.executable).parent / "inv")
    return [inv, "sweep", "control", "--set", SETTINGS[0], "--seeds", "2", "--out", str(out), *more]


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(out, *more), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def cells(out: Path) -> list[Path]:
    return sorted((out / "cells").glob("*.json"))


def wait_for_a_cell(out: Path) -> None:
    deadline = time.monotonic() + 120
    while not cells(out) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert cells(out)


def test_a_killed_sweep_leaves_whole_cells_and_no_process_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    first = start(tmp_path, "--jobs", "2")
    wait_for_a_cell(tmp_path)
    children = descendants(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert gone(children)
    kept = {path: path.read_bytes() for path in cells(tmp_path)}
    assert all(json.loads(content)["verdict"] == "survived" for content in kept.values())
    assert not (tmp_path / "results.parquet").exists()

    again = subprocess.run(command(tmp_path), cwd=REPOSITORY, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(cells(tmp_path)) == 4
    assert {path: path.read_bytes() for path in kept} == kept
    assert (tmp_path / "results.parquet").is_file()
    runs = {tmp_path / json.loads(path.read_text())["run_dir"] for path in cells(tmp_path)}
    left = set((tmp_path / "runs").glob("*/*"))
    assert runs <= left
    assert all(
        (run / "manifest.json").is_file() for run in left
    )  # killed before its cell was written, but whole


def test_a_cell_whose_session_never_came_about_is_a_row_and_no_failure(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    grid = Grid.parse(find("control"), ["edge_loss=0,100"], "1")
    with sweep.held(), processes(1) as pool:
        rows = sweep.run(grid, select("uml"), pool, lambda _row, _before: None)
    assert [row.verdict for row in rows] == ["survived", "invalid"]
    assert "no session came up within 20 s" in rows[1].reasons
    assert len(cells(tmp_path)) == 2


def test_two_sweeps_in_one_directory_the_second_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with Sweep(tmp_path).held():
        second = subprocess.run(command(tmp_path), cwd=REPOSITORY, capture_output=True, text=True)
    assert second.returncode == 2
    assert "another sweep is under way in" in second.stderr
    assert "Traceback" not in second.stderr


def test_ctrl_c_ends_a_sweep_and_keeps_what_was_finished(tmp_path: Path) -> None:
    sweep = start(tmp_path)
    wait_for_a_cell(tmp_path)
    children = descendants(sweep.pid)
    os.kill(sweep.pid, signal.SIGINT)
    _, errors = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, errors
    assert "interrupted" in errors
    assert gone(children)
    assert cells(tmp_path)


def test_a_cluster_gives_the_same_rows_as_processes(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs requirements-sweep.txt")
    dask = pytest.importorskip("dask", reason="needs requirements-sweep.txt")
    scenario = find("control")
    grid, kernel = Grid.parse(scenario, SETTINGS, "1"), select("uml")

    def row(each: Row) -> tuple[object, ...]:
        return (each.parameters, each.seed, each.verdict, each.outage_up_s, each.virtual_s)

    with (
        dask.config.set({"temporary-directory": str(tmp_path)}),  # the scheduler's too
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            worker_dashboard_address=None,
        ) as workers,
    ):
        there = Sweep(tmp_path / "there")
        with there.held(), cluster(workers.scheduler_address) as pool:
            on_cluster = there.run(grid, kernel, pool, lambda _row, _before: None)
    here = Sweep(tmp_path / "here")
    with here.held(), processes(1) as pool:
        on_machine = here.run(grid, kernel, pool, lambda _row, _before: None)
    assert [row(each) for each in on_cluster] == [row(each) for each in on_machine]


def test_a_scheduler_that_does_not_answer_is_a_sentence() -> None:
    pytest.importorskip("distributed", reason="needs requirements-sweep.txt")
    with (
        pytest.raises(LabError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        cluster("tcp://127.0.0.1:1"),
    ):
        pass
