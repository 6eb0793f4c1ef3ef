"""The matrix of sessions and moves: a page that sorts and filters itself, a Markdown file, a table on the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from rich.table import Table
from rich.text import Text

from roamlab.record import ours
from roamlab.record.run_directory import REPORT, disk_error
from roamlab.repeat.matrix import Cell, Plan, Spread
from roamlab.reports.moves_svg import pictures
from roamlab.reports.page import fill, save
from roamlab.reports.svg import SIGN
from roamlab.reports.terminal import console, verdict_text
from roamlab.reports.words import MARKS, ratio
from roamlab.where import COMMAND

PAGE: Final = "matrix.html"
MARKDOWN: Final = "matrix.md"


About: TypeAlias = Mapping[str, Mapping[str, str]]
"""What a matrix follows from, by kernel: versions and hashes by name (roamlab.record.identity)."""


def write(directory: Path, plan: Plan, cells: Sequence[Cell], about: About) -> list[Path]:
    """Write ``matrix.html``, ``matrix.md`` and a picture for each kernel; their paths.

    LabError where they cannot be written.
    """
    page, text = directory / PAGE, directory / MARKDOWN
    kernels = list(dict.fromkeys(cell.kernel for cell in cells))
    by_place = {(cell.kernel, cell.session, cell.move): cell for cell in cells}
    links = {cell: _link(directory, cell) for cell in cells}
    save(
        page,
        fill(
            "moves.html",
            plan=plan,
            kernels=kernels,
            cells=by_place,
            links=links,
            about=about,
            told=told,
            spread=spread,
            ratio=ratio,
            command=COMMAND,
            directory=directory,
        ),
    )
    try:
        ours.replace(text, markdown(plan, cells, about).encode())
        drawn = pictures(plan, cells)
        for name, picture in drawn.items():
            ours.save(directory / name, picture, SIGN)
    except OSError as error:
        raise disk_error(error, directory) from None
    return [page, text, *(directory / name for name in drawn)]


def markdown(plan: Plan, cells: Sequence[Cell], about: About) -> str:
    """The matrix as Markdown: a table a kernel, outages as up / down in s with their ratios to the bound."""
    parts = []
    for kernel in dict.fromkeys(cell.kernel for cell in cells):
        lines = [
            f"Kernel {kernel}, seeds {_seeds(plan.seeds)}. Outage up / down in s; in brackets times its bound.",
            "",
            "| session | " + " | ".join(move.words for move in plan.moves) + " |",
            "|---" * (len(plan.moves) + 1) + "|",
        ]
        of = {(cell.session, cell.move): cell for cell in cells if cell.kernel == kernel}
        lines += [
            f"| {session.name} | "
            + " | ".join(_in_words(of[session.name, move.name]) for move in plan.moves)
            + " |"
            for session in plan.sessions
        ]
        lines += ["", *(f"* {name}: {value}" for name, value in about.get(kernel, {}).items())]
        parts.append("\n".join(lines) + "\n")
    stacks = [f"| {session.name} | {session.stack} | {session.settings} |" for session in plan.sessions]
    parts.append("\n".join(["| session | stack | configured |", "|---|---|---|", *stacks]) + "\n")
    return "\n".join(parts)


def show(cells: Sequence[Cell], paths: Sequence[Path]) -> None:
    """The matrix on the terminal, and where its files are."""
    out = console()
    for kernel in dict.fromkeys(cell.kernel for cell in cells):
        made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title=kernel, title_justify="left")
        for heading in ("session", "move", "verdict", "outage s up", "down", "ratio up/down"):
            made.add_column(heading)
        for cell in cells:
            if cell.kernel != kernel:
                continue
            made.add_row(
                cell.session,
                cell.move,
                verdict_text(cell.verdict) if cell.verdict in MARKS else Text(cell.verdict),
                spread(cell.up),
                spread(cell.down),
                f"{ratio(cell.up.median, cell.bound_up.median, '-')}/{ratio(cell.down.median, cell.bound_down.median, '-')}",
            )
        out.print(made)
    for path in paths:
        out.print(Text(str(path), "dim"), soft_wrap=True)


def told(cell: Cell) -> str:
    """When who was told that the session was lost; nothing where nobody was."""
    return ", ".join(f"{node} told after {spread(value)} s" for node, value in cell.told)


def spread(value: Spread) -> str:
    """A figure over the seeds: its median, and from where to where it goes where that is not one figure."""
    if value.median is None:
        return "-"
    wide = value.least is not None and value.most is not None and value.most - value.least >= 0.0005
    return f"{value.median:.3f}" + (f" ({value.least:.3f} to {value.most:.3f})" if wide else "")


def _in_words(cell: Cell) -> str:
    surprise = "" if cell.verdict == cell.expected else " (!)"
    if cell.verdict in ("survived", "mixed"):
        ratios = "/".join(
            ratio(outage.median, bound.median, "-")
            for outage, bound in ((cell.up, cell.bound_up), (cell.down, cell.bound_down))
        )
        return f"{cell.verdict}{surprise} {spread(cell.up)} / {spread(cell.down)} [{ratios}]"
    heard = f", {told(cell)}" if cell.told else ""
    return f"{cell.verdict}{surprise}{heard}" + (f": {cell.reason}" if cell.verdict == "unsupported" else "")


def _seeds(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]} to {seeds[-1]}" if whole else ", ".join(map(str, seeds))


def _link(directory: Path, cell: Cell) -> str:
    """Where the run is, relative to the page: its report or its directory; nothing where it is elsewhere."""
    run = directory / cell.run
    if not cell.run or not run.is_dir():
        return ""
    return os.path.relpath(run / REPORT if (run / REPORT).exists() else run, directory)
