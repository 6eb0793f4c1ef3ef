"""A sweep on the terminal: how far it is while it goes on, and the medians at its end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from roamlab.repeat.sweep import Row, medians
from roamlab.reports.terminal import WIDE, console, verdict_text
from roamlab.reports.words import ratio

_SHOWN: Final = 12  # combinations in the live table
_QUIET_S: Final = 2.0


class SweepProgress:
    """Cells done, and the combinations that changed last with their medians so far."""

    def __init__(self, name: str, total: int, swept: Sequence[str]) -> None:
        self._console = console(stderr=True)
        self._name, self._total, self._swept = name, total, swept
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(name, total=total)
        self._groups: dict[tuple[Any, ...], list[Row]] = {}
        self._recent: deque[tuple[Any, ...]] = deque(maxlen=_SHOWN)
        self._live = (
            Live(self._bar, console=self._console, transient=True) if self._console.is_terminal else None
        )
        self._done, self._said = 0, time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def row(self, row: Row, _before: bool) -> None:
        """A cell is finished, now or before."""
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        group = tuple(row.parameters[name] for name in self._swept)
        self._groups.setdefault(group, []).append(row)
        if group not in self._recent:
            self._recent.append(group)
        if self._live:
            rows = [row for shown in sorted(self._recent) for row in self._groups[shown]]
            self._live.update(Group(median_table(rows, self._swept, self._console.width), self._bar))
        elif time.monotonic() - self._said > _QUIET_S:
            self._said = time.monotonic()
            self._console.print(f"{self._name}: {self._done} of {self._total} cells", markup=False)


def show_sweep(rows: Sequence[Row], swept: Sequence[str], path: str) -> None:
    """The table of medians, and where the rows are."""
    out = console()
    out.print(median_table(rows, swept, out.width))
    out.print(Text(f"{len(rows)} rows: {path}", "dim"), soft_wrap=True)


def median_table(rows: Sequence[Row], swept: Sequence[str], width: int = WIDE) -> Table:
    """A line for each combination of the swept parameters; outages and bounds are medians over the seeds, as up/down."""
    wide = width >= WIDE
    made = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
    for name in swept:
        made.add_column(name, justify="right")
    made.add_column("verdict", no_wrap=True)
    for heading in ("runs", "as expected", "outage s", "lost", *(["bound s", "ratio"] if wide else [])):
        made.add_column(heading, justify="right", no_wrap=heading != "as expected")
    by_group = _verdicts(rows, swept)
    for line in medians(rows, swept):
        made.add_row(
            *(str(line[name]) for name in swept),
            by_group[tuple(line[name] for name in swept)],
            str(line["runs"]),
            str(line["as_expected"]),
            _both(line, "outage_{}_s", 3),
            _both(line, "lost_{}", 0),
            *([_both(line, "lower_bound_{}_s", 3), _ratio(line)] if wide else []),
        )
    return made


def _verdicts(rows: Sequence[Row], swept: Sequence[str]) -> dict[tuple[Any, ...], Text]:
    """The verdicts of each combination: one in its colour where all agree, otherwise all of them."""
    found: dict[tuple[Any, ...], dict[str, None]] = {}
    for row in rows:
        found.setdefault(tuple(row.parameters[name] for name in swept), {})[row.verdict] = None
    return {
        group: verdict_text(*words) if len(words) == 1 else Text("/".join(sorted(words)))
        for group, words in ((group, list(verdicts)) for group, verdicts in found.items())
    }


def _ratio(line: Mapping[str, Any]) -> str:
    """How many times the median bound the median outage is, up/down."""
    pairs = ((line[f"outage_{way}_s"], line[f"lower_bound_{way}_s"]) for way in ("up", "down"))
    return "/".join(ratio(outage, bound, "-") for outage, bound in pairs)


def _both(line: Mapping[str, Any], name: str, digits: int) -> str:
    values = (line[name.format(direction)] for direction in ("up", "down"))
    return "/".join("-" if value is None else f"{value:.{digits}f}" for value in values)
