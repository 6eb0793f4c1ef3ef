"""Every kind of session against every move: which combinations there are, and what a combination's runs say together.

The runs are a sweep's (`roamlab.repeat.sweep`), several grids of them in one directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from roamlab.kernels.job import Kernel
from roamlab.registry import find
from roamlab.repeat.moves import Move, SessionKind, chosen_moves, chosen_sessions
from roamlab.repeat.sweep import Grid, Row, Sweep

_TOLD: Final = "told_"


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the seeds, in s: the least, the median and the most; None where one has no end or is not known."""

    least: float | None
    median: float | None
    most: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        """The spread of figures; one without an end is the most."""
        known = sorted(value for value in values if value is not None)
        if not known:
            return cls(None, None, None)
        whole = len(known) == len(values)
        return cls(known[0], median_low(known) if whole else None, known[-1] if whole else None)


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of session in one move on one kernel, over all seeds.

    ``verdict`` is the runs', or ``mixed``; ``reason`` says why the first run came to it. ``run`` is a run of the median
    outage, relative to the directory.
    """

    session: str
    move: str
    kernel: str
    verdict: str
    expected: str
    reason: str
    runs: int
    up: Spread
    down: Spread
    bound_up: Spread
    bound_down: Spread
    lost: tuple[int, int]
    run: str = ""
    told: tuple[tuple[str, Spread], ...] = ()
    """for each node whose stack said that the session was lost: how long after the first stimulus, in s"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a matrix is made of: the kinds of session, the moves, and the seeds."""

    sessions: tuple[SessionKind, ...]
    moves: tuple[Move, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, sessions: str, moves: str, seeds: tuple[int, ...]) -> Plan:
        """Read lists of names with commas between them; empty is all. Raises BadInput for a name that there is not."""
        return cls(chosen_sessions(sessions), chosen_moves(moves), seeds)

    def grids(self) -> Iterator[tuple[Grid, list[tuple[SessionKind, Move]]]]:
        """The sweeps that it takes, one a scenario, each with the session and the move of every combination."""
        for name in dict.fromkeys(move.scenario for move in self.moves):
            places = [
                (session, move)
                for move in self.moves
                if move.scenario == name
                for session in self.sessions
                if not session.lacks(move)
            ]
            combinations = tuple(session.parameters(move) for session, move in places)
            if places:
                yield Grid(find(name), combinations, ("transport",), self.seeds), places

    def __len__(self) -> int:
        return sum(len(grid) for grid, _ in self.grids())


def play(
    plan: Plan,
    sweep: Sweep,
    kernel: Kernel,
    pool: Executor,
    on_row: Callable[[Row, bool], None],
    guest: int = 1,
) -> tuple[list[Cell], list[Row]]:
    """Play what is not finished on one kernel, up to ``guest`` cells in a guest.

    The cells in the order of the plan, and the rows of all runs.

    Raises LabError at the end of a scenario's runs when some of them came to nothing.
    """
    cells: dict[tuple[str, str], Cell] = {}
    everything: list[Row] = []
    name = ""
    for grid, places in plan.grids():
        rows = sweep.run(grid, kernel, pool, on_row, guest)
        everything += rows
        of_each = len(plan.seeds)
        for number, (session, move) in enumerate(places):
            own = rows[number * of_each : (number + 1) * of_each]
            name = _kernel(own[0])
            cells[session.name, move.name] = _cell(session, move, own)
    for session in plan.sessions:
        for move in plan.moves:
            if reason := session.lacks(move):
                nothing = Spread(None, None, None)
                cells[session.name, move.name] = Cell(
                    session.name,
                    move.name,
                    name,
                    "unsupported",
                    "unsupported",
                    reason,
                    0,
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    (0, 0),
                )
    return [cells[session.name, move.name] for session in plan.sessions for move in plan.moves], everything


def _kernel(row: Row) -> str:
    return (
        row.kernel
        if row.variant in ("", row.kernel) or row.variant in row.kernel
        else f"{row.kernel} {row.variant}"
    )


def _cell(session: SessionKind, move: Move, rows: Sequence[Row]) -> Cell:
    verdicts = list(dict.fromkeys(row.verdict for row in rows))
    longest = sorted(rows, key=_longer)
    return Cell(
        session=session.name,
        move=move.name,
        kernel=_kernel(rows[0]),
        verdict=verdicts[0] if len(verdicts) == 1 else "mixed",
        expected=rows[0].expected,
        reason=rows[0].reasons,
        runs=len(rows),
        up=Spread.of([row.outage_up_s for row in rows]),
        down=Spread.of([row.outage_down_s for row in rows]),
        bound_up=Spread.of([row.lower_bound_up_s for row in rows]),
        bound_down=Spread.of([row.lower_bound_down_s for row in rows]),
        lost=(max(row.lost_up for row in rows), max(row.lost_down for row in rows)),
        run=longest[(len(longest) - 1) // 2].run_dir,
        told=_told(rows),
    )


def _told(rows: Sequence[Row]) -> tuple[tuple[str, Spread], ...]:
    keys = dict.fromkeys(key for row in rows for key in row.measures if key.startswith(_TOLD))
    return tuple(
        (key.removeprefix(_TOLD).removesuffix("_s"), Spread.of([row.measures.get(key) for row in rows]))
        for key in sorted(keys)
    )


def _longer(row: Row) -> float:
    return max(float("inf") if o is None else o for o in (row.outage_up_s, row.outage_down_s))
