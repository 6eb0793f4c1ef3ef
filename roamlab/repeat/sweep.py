"""One scenario over many parameters and seeds: the cross product, several at once, each cell once.

    DIR/cells/KEY.json     a finished cell: parameters, seed, verdict, measurements; renamed into place, so whole or not there
    DIR/runs/...           the cells' run directories, unless another machine carried them out
    DIR/results.parquet    all cells of the last sweep that came to its end
    DIR/.lock              held while a sweep is under way

A cell's key is the hash of everything that its result follows from, the kernel and the code included, so a finished cell is
not run again and one of another kernel is not taken for it.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Kernel
from roamlab.record.identity import identity, kernel_name
from roamlab.record.result import Result
from roamlab.record.run_directory import disk_error
from roamlab.registry import Scenario, settings
from roamlab.repeat.workers import Order, each

CELLS: Final = "cells"
RUNS: Final = "runs"
_LOCK: Final = ".lock"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One finished cell; the columns of results.parquet, in which each parameter has one of its own."""

    scenario: str
    parameters: dict[str, Any]
    seed: int
    kernel: str
    variant: str
    verdict: str
    expected: str
    reasons: str = ""
    outage_up_s: float | None
    outage_down_s: float | None
    lower_bound_up_s: float | None
    lower_bound_down_s: float | None
    lost_up: int
    lost_down: int
    duplicated_up: int
    duplicated_down: int
    virtual_s: float
    wall_s: float
    run_dir: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a sweep: every combination of the swept parameters' values with every seed.

    ``swept`` are the parameters with more than one value, in the order they were given.
    """

    scenario: Scenario
    combinations: tuple[dict[str, Any], ...]
    swept: tuple[str, ...]
    seeds: range

    @classmethod
    def parse(cls, scenario: Scenario, pairs: Sequence[str], seeds: int) -> Grid:
        """Read ``KEY=VALUE,VALUE,...`` texts. Raises BadInput for what the scenario does not know."""
        if seeds < 1:
            raise BadInput(f"--seeds {seeds} runs nothing; it takes 1 and more")
        texts = {name: value.split(",") for name, value in settings(pairs).items()}
        products = itertools.product(*texts.values())
        combinations = [scenario.complete(dict(zip(texts, values, strict=True))) for values in products]
        swept = tuple(name for name, values in texts.items() if len(values) > 1)
        return cls(scenario, tuple(combinations), swept, range(1, seeds + 1))

    def cells(self) -> Iterator[tuple[dict[str, Any], int]]:
        """(parameters, seed) of each cell."""
        return itertools.product(self.combinations, self.seeds)

    def __len__(self) -> int:
        return len(self.combinations) * len(self.seeds)


class Sweep:
    """A sweep's directory, held for one sweep at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory, made if need be; what a killed sweep left half-done is removed.

        Raises BadInput when another sweep holds it or it can't be made.
        """
        try:
            for name in (CELLS, RUNS):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            lock = (self.path / _LOCK).open("a+")
        except OSError as error:
            raise BadInput(
                f"cannot write in {self.path}: {error.strerror}; choose another with --out"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadInput(
                    f"another sweep is under way in {self.path}; wait for its end or choose another with --out"
                ) from None
            self._remove_unfinished()
            yield

    def run(
        self,
        grid: Grid,
        kernel: Kernel,
        pool: Executor,
        on_row: Callable[[Row, bool], None],
    ) -> list[Row]:
        """Run the cells that are not finished; the rows of all, in the order of the grid.

        ``on_row`` gets each row, and whether it was finished before. Raises LabError at the end when cells came to nothing;
        they are tried again by the next sweep.
        """
        on = identity(kernel)
        rows: dict[str, Row] = {}
        orders: dict[str, Order] = {}
        for parameters, seed in grid.cells():
            key = _key(grid.scenario, parameters, seed, on)
            if row := self._finished(key):
                rows[key] = row
                on_row(row, True)
            else:
                runs = str(self.path.absolute() / RUNS)
                orders[key] = Order(grid.scenario.name, seed, runs, kernel_name(kernel), parameters, on)
        keys = {id(order): key for key, order in orders.items()}
        failures = []
        for order, result in each(pool, list(orders.values())):
            if result.status not in (0, 1, 4):
                failures.append(f"seed {order.seed}: {'; '.join(result.judgement.reasons)}")
                continue
            key = keys[id(order)]
            rows[key] = _row(order, result)
            self._finish(key, rows[key])
            on_row(rows[key], False)
        if failures:
            raise LabError(
                f"{len(failures)} of {len(grid)} cells came to nothing, the first with {failures[0]}; run the same again"
            )
        return [rows[_key(grid.scenario, parameters, seed, on)] for parameters, seed in grid.cells()]

    def _finished(self, key: str) -> Row | None:
        try:
            return msgspec.json.decode((self.path / CELLS / f"{key}.json").read_bytes(), type=Row)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def _finish(self, key: str, row: Row) -> None:
        place = self.path / CELLS / f"{key}.json"
        try:
            with place.with_suffix(".new").open("wb") as file:
                file.write(msgspec.json.encode(row))
                file.flush()
                os.fsync(file.fileno())
            place.with_suffix(".new").rename(place)
        except OSError as error:
            raise disk_error(error, self.path) from None

    def _remove_unfinished(self) -> None:
        """Remove cells that were never renamed, and run directories that no cell speaks of."""
        cells = self.path / CELLS
        for path in cells.glob("*.new"):
            path.unlink()
        finished = {row.run_dir for path in cells.glob("*.json") if (row := self._finished(path.stem))}
        for run in (self.path.absolute() / RUNS).glob("*/*"):
            if str(run) not in finished:
                shutil.rmtree(run, ignore_errors=True)


def medians(rows: Sequence[Row], swept: Sequence[str]) -> list[dict[str, Any]]:
    """One line for each combination of the swept parameters: how many runs, as expected, and the medians over seeds."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.parameters[name] for name in swept), []).append(row)
    return [
        {
            **dict(zip(swept, values, strict=True)),
            "runs": len(group),
            "as_expected": sum(row.verdict == row.expected for row in group),
            **{name: _median([getattr(row, name) for row in group]) for name in _MEASURED},
        }
        for values, group in groups.items()
    ]


_MEASURED: Final = (
    "outage_up_s",
    "outage_down_s",
    "lower_bound_up_s",
    "lower_bound_down_s",
    "lost_up",
    "lost_down",
)


def _median(values: list[float | None]) -> float | None:
    """The median; None, an outage without an end, is larger than any number."""
    ordered = sorted(values, key=lambda value: (value is None, value or 0.0))
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return None if low is None or high is None else (low + high) / 2


def _key(scenario: Scenario, parameters: Mapping[str, Any], seed: int, on: Mapping[str, Any]) -> str:
    parts = {"scenario": scenario.name, "parameters": parameters, "seed": seed, "identity": on}
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:24]


def _row(order: Order, result: Result) -> Row:
    judgement = result.judgement
    return Row(
        scenario=order.scenario,
        parameters=order.parameters,
        seed=order.seed,
        kernel=result.kernel["version"],
        variant=result.kernel["variant"],
        verdict=judgement.verdict,
        expected=judgement.expected,
        reasons="; ".join(judgement.reasons),
        outage_up_s=judgement.outage_s.up,
        outage_down_s=judgement.outage_s.down,
        lower_bound_up_s=judgement.lower_bound_s.up,
        lower_bound_down_s=judgement.lower_bound_s.down,
        lost_up=judgement.lost.up,
        lost_down=judgement.lost.down,
        duplicated_up=judgement.duplicated.up,
        duplicated_down=judgement.duplicated.down,
        virtual_s=judgement.virtual_s,
        wall_s=result.wall_s,
        run_dir=result.run_dir,
    )
