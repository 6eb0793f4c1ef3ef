"""Benchmark figures as a table, with the targets that they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from roamlab.repeat.bench import Figure
from roamlab.reports.terminal import console


def show_figures(figures: Sequence[Figure], conditions: Mapping[str, Any]) -> None:
    """A line a figure, grouped by part."""
    table = Table("part", "what", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("value", "unit", "target"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    part = ""
    for figure in figures:
        table.add_row(
            figure.part if figure.part != part else "",
            figure.name,
            _value(figure),
            figure.unit,
            "" if figure.target is None else f"{figure.target:g}",
        )
        part = figure.part
    out = console()
    out.print(table)
    out.print(Text("  ".join(f"{name}: {value}" for name, value in conditions.items()), "dim"))


def _value(figure: Figure) -> Text:
    missed = figure.target is not None and figure.value > figure.target
    return Text(f"{figure.value:.3g}" + (" (!)" if missed else ""), "bold red" if missed else "")
