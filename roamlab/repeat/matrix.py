"""Every kind of session against every move: which combinations there are, and what a combination's runs say together.

The runs are a sweep's (`roamlab.repeat.sweep`), several grids of them in one directory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from statistics import median_low
from typing import Any, Final

from roamlab.errors import BadInput
from roamlab.kernels.job import Kernel
from roamlab.registry import Scenario, find, nearest
from roamlab.repeat.sweep import Grid, Row, Sweep
from roamlab.transports import find as find_transport

_MOBILE_IP: Final = "-mip"
SESSIONS: Final = (
    "sctp",
    "mptcp",
    "mptcp-eager",
    "quic",
    "quic-streams",
    "quic-passive",
    "wireguard-tcp",
    "wireguard-udp",
    "tcp",
    "udp",
    f"tcp{_MOBILE_IP}",
    f"udp{_MOBILE_IP}",
)
"""The rows, unless others are asked for: a transport's name, with ``-mip`` over Mobile IP."""


@dataclass(frozen=True, slots=True)
class Move:
    """A column: a scenario that any transport can play, with its settings.

    ``home_address`` is why a session over Mobile IP has no part in it, or empty.
    """

    name: str
    words: str
    scenario: str
    settings: dict[str, str] = field(default_factory=dict)
    home_address: str = ""


_ONE_NIC: Final = "roamlab's Mobile IP client keeps one NIC's care-of address"
_STAYS: Final = "an address that changes on the home network is the home address itself"
MOVES: Final = {
    move.name: move
    for move in (
        *(
            Move(f"one-nic-{gap}", f"one NIC, gap {gap} s", "move-one-nic", {"gap": gap})
            for gap in ("0", "0.5", "2", "10")
        ),
        Move("two-nics-1", "two NICs, overlap 1 s", "move-two-nics", {"overlap": "1"}, _ONE_NIC),
        Move("two-nics-0", "two NICs, overlap 0", "move-two-nics", {"overlap": "0"}, _ONE_NIC),
        Move(
            "ping-pong",
            "ping-pong, 6 moves, one a second",
            "move-back-and-forth",
            {"moves": "6", "every": "1"},
        ),
        Move("return", "away, and back after 5 s", "move-back-and-forth", {"moves": "2", "every": "5"}),
        Move("address", "the address changes where the NIC is", "move-address", {}, _STAYS),
    )
}
"""The columns, by name."""


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What a matrix is made of: the kinds of session and the moves, by name, and the seeds."""

    sessions: tuple[str, ...]
    moves: tuple[Move, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, sessions: str, moves: str, seeds: tuple[int, ...]) -> Plan:
        """Read lists of names with commas between them; empty is all. Raises BadInput for a name that there is not."""
        chosen = tuple(dict.fromkeys(sessions.split(","))) if sessions else SESSIONS
        for name in chosen:
            find_transport(name.removesuffix(_MOBILE_IP))
        named = tuple(dict.fromkeys(moves.split(","))) if moves else tuple(MOVES)
        for name in named:
            if name not in MOVES:
                raise BadInput(f"there is no move {name!r}{nearest(name, MOVES)}")
        return cls(chosen, tuple(MOVES[name] for name in named), seeds)

    def unsupported(self, session: str, move: Move) -> str:
        """Why a kind of session has no part in a move; empty where it has."""
        return move.home_address if session.endswith(_MOBILE_IP) else ""

    def grids(self) -> Iterator[tuple[Grid, list[tuple[str, Move]]]]:
        """The sweeps that it takes, one a scenario, each with the session and the move of every combination."""
        for name in dict.fromkeys(move.scenario for move in self.moves):
            scenario = find(name)
            places = [
                (session, move)
                for move in self.moves
                if move.scenario == name
                for session in self.sessions
                if not self.unsupported(session, move)
            ]
            combinations = tuple(_parameters(scenario, session, move) for session, move in places)
            if places:
                yield Grid(scenario, combinations, ("transport",), self.seeds), places

    def __len__(self) -> int:
        return sum(len(grid) for grid, _ in self.grids())


def play(
    plan: Plan,
    sweep: Sweep,
    kernel: Kernel,
    pool: Executor,
    on_row: Callable[[Row, bool], None],
) -> tuple[list[Cell], list[Row]]:
    """Play what is not finished on one kernel; the cells in the order of the plan, and the rows of all runs.

    Raises LabError at the end of a scenario's runs when some of them came to nothing.
    """
    cells: dict[tuple[str, str], Cell] = {}
    everything: list[Row] = []
    name = ""
    for grid, places in plan.grids():
        rows = sweep.run(grid, kernel, pool, on_row)
        everything += rows
        of_each = len(plan.seeds)
        for number, (session, move) in enumerate(places):
            own = rows[number * of_each : (number + 1) * of_each]
            name = _kernel(own[0])
            cells[session, move.name] = _cell(session, move, own)
    for session in plan.sessions:
        for move in plan.moves:
            if reason := plan.unsupported(session, move):
                nothing = Spread(None, None, None)
                cells[session, move.name] = Cell(
                    session,
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
    return [cells[session, move.name] for session in plan.sessions for move in plan.moves], everything


def _parameters(scenario: Scenario, session: str, move: Move) -> dict[str, Any]:
    over = {"mobile_ip": "true"} if session.endswith(_MOBILE_IP) else {}
    return scenario.complete({"transport": session.removesuffix(_MOBILE_IP), **over, **move.settings})


def _kernel(row: Row) -> str:
    return (
        row.kernel
        if row.variant in ("", row.kernel) or row.variant in row.kernel
        else f"{row.kernel} {row.variant}"
    )


def _cell(session: str, move: Move, rows: Sequence[Row]) -> Cell:
    verdicts = list(dict.fromkeys(row.verdict for row in rows))
    longest = sorted(rows, key=_longer)
    return Cell(
        session=session,
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
    )


def _longer(row: Row) -> float:
    return max(float("inf") if o is None else o for o in (row.outage_up_s, row.outage_down_s))
