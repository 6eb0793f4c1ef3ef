"""One scenario over many parameters and seeds: the cross product, several at once, each cell once.

    DIR/sweep.json         the sweep's random name, with which its run directories are marked
    DIR/cells/KEY.json     a finished cell: parameters, seed, verdict, measurements; renamed into place, so whole or not there
    DIR/runs/...           the cells' run directories, unless another machine carried them out
    DIR/results.parquet    all cells of the last sweep that came to its end
    DIR/.lock              held while a sweep is under way

A cell's key is the hash of everything that its result follows from, the kernel and the code included, so a finished cell is
not run again and one of another kernel is not taken for it. Paths in it are relative to DIR: a sweep may be moved or copied.
What is removed is what a killed sweep left half-done: run directories that carry this sweep's mark and never got a manifest.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Kernel
from roamlab.parameters import shorten, shown
from roamlab.record import ours
from roamlab.record.identity import identity, kernel_name
from roamlab.record.result import Result
from roamlab.record.run_directory import FILES, FOLDERS, MANIFEST, RunDirectory, disk_error
from roamlab.registry import Plan, Scenario, check_seed, settings
from roamlab.repeat.workers import Order, together

CELLS: Final = "cells"
RUNS: Final = "runs"
ABOUT: Final = "sweep.json"
_LOCK: Final = ".lock"
_CELL: Final = re.compile(r"[0-9a-f]{24}\.json")
_UNFINISHED: Final = re.compile(r"\.([0-9a-f]{24}\.json|sweep\.json|results\.parquet)\.[0-9a-f]{12}\.new")
_SEEDS: Final = re.compile(r"\d{1,20}(-\d{1,20})?(,\d{1,20}(-\d{1,20})?)*", re.ASCII)
_MOST_CELLS: Final = 1_000_000


class About(msgspec.Struct, frozen=True):
    """``sweep.json``: ``sweep`` is the random name that the sweep's run directories are marked with."""

    sweep: str


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
    run_dir: str  # relative to the sweep's directory
    measures: dict[str, float] = {}
    """what the scenario measures besides, by key (roamlab.record.result.Measure); a column each"""


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of a sweep: every combination of the swept parameters' values with every seed.

    ``swept`` are the parameters with more than one value, in the order they were given.
    """

    scenario: Scenario
    combinations: tuple[dict[str, Any], ...]
    swept: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, scenario: Scenario, pairs: Sequence[str], seeds: str) -> Grid:
        """Read ``KEY=VALUE,VALUE,...`` texts, and which seeds (``parse_seeds``).

        A value or seed that is given twice is one. Raises BadInput for what the scenario does not know.
        """
        numbers = parse_seeds(seeds)
        texts = {name: value.split(",") for name, value in settings(pairs).items()}
        size = math.prod(map(len, texts.values())) * len(numbers)
        if size > _MOST_CELLS:
            raise BadInput(f"that makes {size:,} cells; a sweep takes up to {_MOST_CELLS:,}")
        products = itertools.product(*texts.values())
        combinations: dict[bytes, dict[str, Any]] = {}
        for values in products:
            complete = scenario.complete(dict(zip(texts, values, strict=True)))
            combinations.setdefault(msgspec.json.encode(complete), complete)
        cells = tuple(combinations.values())
        swept = tuple(name for name in texts if len({msgspec.json.encode(c[name]) for c in cells}) > 1)
        return cls(scenario, cells, swept, numbers)

    def cells(self) -> Iterator[tuple[dict[str, Any], int]]:
        """(parameters, seed) of each cell."""
        return itertools.product(self.combinations, self.seeds)

    def __len__(self) -> int:
        return len(self.combinations) * len(self.seeds)


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds that a text names: ``20`` is 1 to 20, ``7,7919`` these two, ``1-50`` a range; each once, in their order.

    Raises BadInput for any other text, and for a seed that no run takes.
    """
    if not _SEEDS.fullmatch(text):
        raise BadInput(
            f"--seeds {shorten(text)} is not a set of seeds; write 20 for 1 to 20, 7,7919 for these two, or 1-50"
        )
    parts = [part.partition("-") for part in text.split(",")]
    if len(parts) == 1 and not parts[0][1]:
        parts = [("1", "-", parts[0][0])]
    seeds: dict[int, None] = {}
    for first, _, last in parts:
        low, high = check_seed(int(first), "--seeds"), check_seed(int(last or first), "--seeds")
        if low > high:
            raise BadInput(f"--seeds {text} is empty: {low} is more than {high}")
        if high - low >= _MOST_CELLS:
            raise BadInput(
                f"--seeds {text} are {high - low + 1:,} seeds; a sweep takes up to {_MOST_CELLS:,}"
            )
        seeds |= dict.fromkeys(range(low, high + 1))
    return tuple(seeds)


class Sweep:
    """A sweep's directory, held for one sweep at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._name = ""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory, made if need be; what a killed sweep left half-done is removed.

        Raises BadInput when another sweep holds it, it can't be made, or it is not empty and no sweep's.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_what_is_no_sweep()
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
            try:
                self._name = self._named()
                for name in (CELLS, RUNS):
                    (self.path / name).mkdir(exist_ok=True)
            except OSError as error:
                raise BadInput(
                    f"cannot write in {self.path}: {error.strerror}; choose another with --out"
                ) from None
            self._remove_unfinished()
            yield

    def _refuse_what_is_no_sweep(self) -> None:
        """Raise BadInput for a directory with something in it that no sweep began."""
        there = [
            path
            for path in self.path.iterdir()
            if path.name != _LOCK and not _UNFINISHED.fullmatch(path.name)
        ]
        if there and not (self.path / ABOUT).is_file():
            raise BadInput(
                f"{self.path} is not empty and no sweep of this version (it has no {ABOUT}); choose another with --out"
            )

    def _named(self) -> str:
        """The sweep's random name, given to it when it begins. Raises BadInput for a damaged ``sweep.json``."""
        about = self.path / ABOUT
        if not about.exists():
            self._refuse_what_is_no_sweep()
            ours.replace(about, msgspec.json.encode(About(ours.new_maker())) + b"\n", safe=True)
        try:
            name = msgspec.json.decode(about.read_bytes(), type=About).sweep
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"{about} is damaged ({error}); choose another directory with --out") from None
        if not name:
            raise BadInput(f"{about} is damaged (it names no sweep); choose another directory with --out")
        return name

    def run(
        self,
        grid: Grid,
        kernel: Kernel,
        pool: Executor,
        on_row: Callable[[Row, bool], None],
        guest: int = 1,
    ) -> list[Row]:
        """Run the cells that are not finished; the rows of all, in the order of the grid.

        ``on_row`` gets each row, and whether it was finished before. ``guest`` is how many cells of a seed share one, in a
        kernel of virtual time; what came before a cell in its guest is a part of what its result follows from.

        Raises LabError at the end when cells came to nothing; they are tried again by the next sweep.
        """
        on = identity(kernel, grid.scenario)
        rows: dict[str, Row] = {}
        places: dict[tuple[int, int], str] = {}
        groups: list[list[Order]] = []
        keys: dict[int, str] = {}
        for chunk in self._chunks(grid, kernel, guest):
            for seed in grid.seeds:
                orders: list[Order] = []
                last = 0
                before: tuple[Plan, ...] = ()
                for place in chunk:
                    parameters = grid.combinations[place]
                    shared = before if len(chunk) > 1 else None
                    key = places[place, seed] = _key(grid.scenario, parameters, seed, on, shared)
                    order = Order(
                        grid.scenario.reference,
                        seed,
                        str(self.path / RUNS),
                        kernel_name(kernel),
                        parameters,
                        on,
                        self._name,
                        grid.scenario.topology_name,
                        shared,
                    )
                    orders.append(order)
                    keys[id(order)] = key
                    if row := self._finished(key):
                        rows[key] = row
                        on_row(row, True)
                    else:
                        last = len(orders)
                    plan = Plan(scenario=grid.scenario.name, parameters=parameters, seed=seed, shared=True)
                    before = (*before, plan)
                if last:  # what is finished and comes first in the guest has to be played again
                    groups.append(orders[:last])
        failures = []
        for order, result in together(pool, groups):
            if result.status not in (0, 1, 4):
                failures.append(f"seed {order.seed}: {'; '.join(result.judgement.reasons)}")
                continue
            key = keys[id(order)]
            if key in rows:
                ours.remove(Path(result.run_dir), self._name, FILES, FOLDERS)
                continue
            rows[key] = _row(order, result, self.path)
            self._finish(key, rows[key])
            on_row(rows[key], False)
        if failures:
            raise LabError(
                f"{len(failures)} of {len(grid)} cells failed, the first with {failures[0]}; run the same again"
            )
        return [rows[places[number, seed]] for number in range(len(grid.combinations)) for seed in grid.seeds]

    def _chunks(self, grid: Grid, kernel: Kernel, guest: int) -> Iterator[Sequence[int]]:
        """The places of the combinations that share a guest; those that the kernel cannot play have one of their own."""
        own = grid.scenario.file is not None or bool(grid.scenario.topology_name)
        shares = guest > 1 and not own and kernel.virtual_time
        held: list[int] = []
        for place, parameters in enumerate(grid.combinations):
            if not shares or not grid.scenario.needs_for(parameters) <= kernel.abilities:
                yield [place]
                continue
            held.append(place)
            if len(held) == guest:
                yield held
                held = []
        if held:
            yield held

    def _finished(self, key: str) -> Row | None:
        try:
            return msgspec.json.decode((self.path / CELLS / f"{key}.json").read_bytes(), type=Row)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError):
            return None

    def _finish(self, key: str, row: Row) -> None:
        try:
            ours.replace(self.path / CELLS / f"{key}.json", msgspec.json.encode(row), safe=True)
        except OSError as error:
            raise disk_error(error, self.path) from None

    def _remove_unfinished(self) -> None:
        """Remove files that were never renamed, and run directories of this sweep that never came to their end."""
        for path in [*self.path.iterdir(), *(self.path / CELLS).iterdir()]:
            if _UNFINISHED.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                path.unlink(missing_ok=True)
        spoken_of = {
            row.run_dir
            for path in (self.path / CELLS).iterdir()
            if _CELL.fullmatch(path.name) and (row := self._finished(path.stem))
        }
        for run in (self.path / RUNS).glob("*/*"):
            if ours.maker_of(run) != self._name or (run / MANIFEST).exists():
                continue
            if str(run.relative_to(self.path)) not in spoken_of and not RunDirectory(run).is_held():
                ours.remove(run, self._name, FILES, FOLDERS)


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
            **{
                key: _median([row.measures[key] for row in group if key in row.measures])
                for key in _keys(group)
            },
        }
        for values, group in groups.items()
    ]


def _keys(rows: Sequence[Row]) -> dict[str, None]:
    """The measures that any of the rows has, in their order."""
    return {key: None for row in rows for key in row.measures}


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


def _key(
    scenario: Scenario,
    parameters: Mapping[str, Any],
    seed: int,
    on: Mapping[str, Any],
    before: tuple[Plan, ...] | None,
) -> str:
    which = {"scenario": scenario.name, "topology": scenario.topology_name}
    parts: dict[str, Any] = {**which, "parameters": parameters, "seed": seed, "identity": on}
    if before is not None:
        parts["before"] = before
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:24]


def _row(order: Order, result: Result, sweep: Path) -> Row:
    run = Path(result.run_dir)
    judgement = result.judgement
    return Row(
        scenario=judgement.scenario,
        parameters={name: shown(value) for name, value in order.parameters.items()},
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
        run_dir=str(run.relative_to(sweep) if run.is_relative_to(sweep) else run),
        measures=judgement.figures,
    )
