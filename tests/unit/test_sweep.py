"""A sweep runs each cell once, keeps what is finished and takes nothing half-done for whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from roamlab.errors import BadInput, LabError
from roamlab.record import ours
from roamlab.record.result import Both, Judgement, Measure, Result
from roamlab.record.run_directory import MANIFEST, PLAN, RunDirectory
from roamlab.registry import find
from roamlab.repeat import sweep as module
from roamlab.repeat import table_file, workers
from roamlab.repeat.sweep import Grid, Row, Sweep, medians, parse_seeds
from roamlab.repeat.workers import Order

SETTINGS = ["gap=0,0.5", "edge_delay_ms=5,20"]


class Played:
    """Stands in for playing a cell, and counts."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.status: Callable[[Order], int] = lambda _order: 0

    def __call__(self, order: Order) -> Result:
        self.orders.append(order)
        run = Path(order.runs) / order.scenario / f"{len(self.orders)}"
        run.mkdir(parents=True)
        ours.mark(run, order.maker)
        (run / MANIFEST).write_text("{}")
        gap = order.parameters["gap"]
        return Result(
            judgement=Judgement(
                scenario=order.scenario,
                figure="FIG. 9",
                verdict="survived",
                expected="survived",
                reasons=["so it was"],
                outage_s=Both(gap + order.seed, None),
                measures=[Measure("path_stretch_up", 1.0 + order.seed, "", "less")],
            ),
            parameters=order.parameters,
            kernel={"version": "7.3.4", "variant": "", "kind": "uml"},
            seed=order.seed,
            run_dir=str(run),
            wall_s=0.5,
            status=self.status(order),
        )


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    stand_in = Played()
    monkeypatch.setattr(workers, "carry_out", stand_in)
    monkeypatch.setattr(module, "kernel_name", lambda kernel: kernel)
    monkeypatch.setattr(module, "identity", lambda kernel, _scenario: {"kernel": kernel})
    return stand_in


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def grid(seeds: int = 2, settings: list[str] = SETTINGS) -> Grid:
    return Grid.parse(find("fig09"), settings, str(seeds))


def run(directory: Path, pool: Executor, kernel: str = "7.3.4", cells: Grid | None = None) -> list[Row]:
    sweep: Any = Sweep(directory)
    with sweep.held():
        return sweep.run(cells or grid(), kernel, pool, lambda _row, _before: None)


def test_a_grid_is_the_cross_product_with_the_seeds() -> None:
    cells = [(p["gap"], p["edge_delay_ms"], seed) for p, seed in grid().cells()]
    assert cells == [(gap, delay, seed) for gap in (0.0, 0.5) for delay in (5.0, 20.0) for seed in (1, 2)]
    assert len(grid()) == 8
    assert grid().swept == ("gap", "edge_delay_ms")


def test_a_parameter_with_one_value_is_set_and_not_swept() -> None:
    one = grid(settings=["gap=2"])
    assert one.swept == ()
    assert [p["gap"] for p in one.combinations] == [2.0]


@pytest.mark.parametrize("bad", [["gap=0,much"], ["gap=0,"], ["gape=1"], ["gap"]])
def test_bad_values_are_refused_before_anything_runs(bad: list[str]) -> None:
    with pytest.raises(BadInput):
        grid(settings=bad)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", (1, 2, 3)), ("7,7919", (7, 7919)), ("1-3", (1, 2, 3)), ("9,1-3,2", (9, 1, 2, 3)), ("7-7", (7,))],
)
def test_seeds_are_counted_or_named(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "",
        "a",
        "3-1",
        "1,",
        "1e3",
        "\u0661",
        "1000000000000",
        "1-2000000",
        str(1 << 64),
        "9" * 4301,
    ],
)
def test_seeds_that_no_sweep_can_take_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--seeds"):
        parse_seeds(text)


def test_a_value_given_twice_is_one_cell() -> None:
    cells = grid(seeds=1, settings=["edge_delay_ms=5,5,5.0", "gap=1,1.0"])
    assert len(cells) == 1
    assert cells.swept == ()
    with pytest.raises(BadInput, match="gap is given twice"):
        grid(settings=["gap=1", "gap=2"])


def test_rows_come_in_the_order_of_the_grid(tmp_path: Path, played: Played, pool: Executor) -> None:
    rows = run(tmp_path, pool)
    assert [(row.parameters, row.seed) for row in rows] == list(grid().cells())
    assert len(played.orders) == 8


def test_a_finished_cell_is_not_run_again(tmp_path: Path, played: Played, pool: Executor) -> None:
    first = run(tmp_path, pool)
    assert run(tmp_path, pool) == first
    assert len(played.orders) == 8


def test_a_larger_grid_runs_only_what_is_new(tmp_path: Path, played: Played, pool: Executor) -> None:
    run(tmp_path, pool)
    rows = run(tmp_path, pool, cells=grid(seeds=3))
    assert len(rows) == 12
    assert [order.seed for order in played.orders[8:]] == [3, 3, 3, 3]


def test_a_cell_of_another_kernel_is_another_cell(tmp_path: Path, played: Played, pool: Executor) -> None:
    run(tmp_path, pool, kernel="7.3.4")
    run(tmp_path, pool, kernel="7.3.4+asconf-lookup-delete")
    assert len(played.orders) == 16


def test_a_cell_file_cut_off_is_run_again(tmp_path: Path, played: Played, pool: Executor) -> None:
    run(tmp_path, pool)
    cell = next((tmp_path / "cells").iterdir())
    cell.write_bytes(cell.read_bytes()[:-10])
    run(tmp_path, pool)
    assert len(played.orders) == 9


def test_what_a_killed_sweep_left_half_done_is_removed(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    rows = run(tmp_path, pool)
    half = half_done(tmp_path, played)
    cell = tmp_path / "cells" / f".{'a' * 24}.json.{'b' * 12}.new"
    cell.write_text("{")
    run(tmp_path, pool)
    assert not half.exists()
    assert not cell.exists()
    assert all((tmp_path / row.run_dir).is_dir() for row in rows)


def half_done(sweep: Path, played: Played) -> Path:
    """What a killed worker leaves: a run directory with this sweep's mark and without a manifest."""
    half = sweep / "runs" / "fig09" / "half-done"
    half.mkdir()
    ours.mark(half, played.orders[-1].maker)
    (half / PLAN).write_text("{}")
    return half


def files(place: Path) -> dict[Path, bytes]:
    return {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_directory_with_other_things_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    for name in ("runs/photos/2019/p.jpg", "runs/fig09/20260101-000000/plan.json", "cells/a.new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(BadInput, match="not empty and no sweep"), Sweep(tmp_path).held():
        pass
    assert files(tmp_path) == before


def test_a_sweep_goes_on_under_another_name_of_its_directory(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    place = tmp_path / "sw" / "a"
    rows = run(place, pool)
    before = files(place)
    (tmp_path / "link").symlink_to(place)
    for name in (tmp_path / "sw" / ".." / "sw" / "a", tmp_path / "link", place.relative_to(tmp_path)):
        with contextlib.chdir(tmp_path):
            assert run(name, pool) == rows
        assert files(place) == before
    place.rename(tmp_path / "sw" / "c")
    assert run(tmp_path / "sw" / "c", pool) == rows
    assert files(tmp_path / "sw" / "c") == before
    assert len(played.orders) == 8


def test_nothing_is_removed_that_the_sweep_did_not_make(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    other = tmp_path / "other"
    run(other, pool)
    strange = half_done(other, played)
    run(tmp_path / "sweep", pool)
    runs = tmp_path / "sweep" / "runs" / "fig09"
    strange = strange.rename(runs / "half-done-of-another-sweep")
    copied = Path(shutil.copytree(half_done(tmp_path / "sweep", played), runs / "copy-under-another-name"))
    annotated = runs / "half-done"
    (annotated / "notes.txt").write_text("mine")
    plain = runs / "mine"
    plain.mkdir()
    (plain / PLAN).write_text("{}")
    linked = runs / "linked"
    linked.symlink_to(runs / "half-done", target_is_directory=True)
    before = files(tmp_path)
    run(tmp_path / "sweep", pool)
    assert files(tmp_path) == before
    assert all(path.exists() for path in (strange, copied, annotated, plain, linked))
    (annotated / "notes.txt").unlink()
    run(tmp_path / "sweep", pool)
    assert not annotated.exists()


def test_a_whole_run_stays_though_no_cell_speaks_of_it(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    rows = run(tmp_path, pool)
    next((tmp_path / "cells").glob("*.json")).unlink()
    run(tmp_path, pool)
    assert all((tmp_path / row.run_dir / MANIFEST).is_file() for row in rows)


def test_a_run_that_is_still_played_stays(tmp_path: Path, played: Played, pool: Executor) -> None:
    run(tmp_path, pool)
    half = half_done(tmp_path, played)
    with RunDirectory(half).held():
        run(tmp_path, pool)
        assert half.is_dir()
    run(tmp_path, pool)
    assert not half.exists()


def test_a_damaged_sweep_json_is_a_sentence(tmp_path: Path, played: Played, pool: Executor) -> None:
    run(tmp_path, pool)
    for content in (b"", b"[]", b"\xff\x00", b'{"sweep": ""}', b'{"sweep": 3}'):
        (tmp_path / "sweep.json").write_bytes(content)
        with pytest.raises(BadInput, match=r"sweep\.json is damaged"):
            run(tmp_path, pool)


def test_a_second_sweep_in_the_directory_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with (
        Sweep(tmp_path).held(),
        pytest.raises(BadInput, match="another sweep is under way"),
        Sweep(tmp_path).held(),
    ):
        pass


def test_cells_that_come_to_nothing_are_named_and_tried_again(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    played.status = lambda order: 3 if order.seed == 2 else 0
    with pytest.raises(LabError, match="4 of 8 cells failed"):
        run(tmp_path, pool)
    played.status = lambda _order: 0
    assert len(run(tmp_path, pool)) == 8
    assert len(played.orders) == 12


def test_a_lost_worker_is_a_sentence_and_what_was_finished_is_kept(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    def die(order: Order) -> int:
        if len(played.orders) == 3:
            raise RuntimeError("gone")
        return 0

    played.status = die
    with pytest.raises(LabError, match="a worker was lost"):
        run(tmp_path, pool)
    assert list((tmp_path / "cells").glob("*.json"))


def test_medians_are_over_the_seeds_of_each_combination(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    rows = run(tmp_path, pool, cells=grid(seeds=3, settings=["gap=0,0.5"]))
    lines = medians(rows, ["gap"])
    assert [(line["gap"], line["runs"], line["outage_up_s"]) for line in lines] == [
        (0.0, 3, 2.0),
        (0.5, 3, 2.5),
    ]
    assert [line["outage_down_s"] for line in lines] == [None, None]
    assert [line["path_stretch_up"] for line in lines] == [3.0, 3.0]


def test_the_parquet_file_has_a_column_for_each_parameter(
    tmp_path: Path, played: Played, pool: Executor
) -> None:
    rows = run(tmp_path, pool)
    table = pq.read_table(table_file.write(tmp_path, rows, find("fig09").parameters()))
    assert table.num_rows == 8
    assert {"scenario", "gap", "edge_delay_ms", "family", "seed", "kernel", "variant"} <= set(
        table.column_names
    )
    assert {"verdict", "expected", "outage_up_s", "lost_down", "virtual_s", "run_dir"} <= set(
        table.column_names
    )
    assert str(table.schema.field("gap").type) == "double"
    assert table.column("outage_down_s").null_count == 8
    assert table.column("path_stretch_up").to_pylist() == [row.measures["path_stretch_up"] for row in rows]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="choose another with --out"), Sweep(tmp_path / "file").held():
        pass


def test_a_worker_with_another_kernel_or_code_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "select", lambda choice: choice)
    monkeypatch.setattr(
        workers, "identity", lambda _kernel, _scenario: {"code_sha256": "b", "cpu": "another"}
    )
    order = Order("fig09", 1, "/nowhere", "7.3.4", {}, {"code_sha256": "a", "cpu": "ours"})
    with pytest.raises(LabError, match=r"not like the machine that asks: code_sha256 differ"):
        workers.carry_out(order)
