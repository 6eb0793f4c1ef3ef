"""A sweep as a page: which moves survive, and how the outage grows, over the parameters that were varied.

A sweep directory holds ``results.parquet``, a row a run: ``scenario``, each parameter in a column of its name, ``seed``,
``kernel``, ``variant``, ``verdict``, ``outage_up_s``, ``outage_down_s``, ``lower_bound_up_s``, ``lower_bound_down_s``,
``run_dir`` (relative ones to the sweep directory).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any, Final

from markupsafe import Markup

from roamlab.errors import BadInput
from roamlab.record.run_directory import REPORT
from roamlab.registry import scenarios
from roamlab.reports import svg
from roamlab.reports.page import fill, save
from roamlab.reports.words import seconds
from roamlab.where import COMMAND

RESULTS: Final = "results.parquet"
_WORLD: Final = ("kernel", "variant")
_LEFT, _TOP, _WIDTH, _HEIGHT = 70.0, 20.0, 640.0, 240.0
_SERIES: Final = 4  # lines of a chart that can be told apart without colour
_NAME: Final = 15  # from one line's name to the next

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """All seeds of one setting: the worst verdict, the median of the longer outage (s), and a run that shows it, if it is here.

    ``share`` is the outage between none (0) and the sweep's longest (1).
    """

    verdict: str
    runs: int
    survived: int
    outage_s: float | None
    share: float
    link: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Two parameters against each other; ``across`` is empty where only one was varied."""

    title: str
    down: str
    across: str
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    cells: dict[tuple[Any, Any], Cell]


@dataclass(frozen=True, slots=True)
class Curves:
    """Median outages over one parameter, a line a value of another, with the lower bounds."""

    title: str
    picture: Markup


def write(directory: Path, path: Path) -> Path:
    """Write a sweep's page. Raises BadInput where there is no sweep, LabError where the file cannot be written."""
    rows = read(directory)
    base = path.absolute().parent
    maps = [m for group in _scenarios(rows) for m in heat_maps(group, directory, base)]
    charts = [c for group in _scenarios(rows) for c in curves(group)]
    save(path, fill("sweep.html", maps=maps, charts=charts, runs=len(rows)))
    return path


def read(directory: Path) -> list[dict[str, Any]]:
    """The rows of a sweep. Raises BadInput where there are none to be read."""
    try:
        import pyarrow  # only who looks at a sweep needs it: requirements-sweep.txt
        import pyarrow.parquet
    except ImportError:
        raise BadInput("to read a sweep: .venv/bin/pip install -r requirements-sweep.lock") from None
    file = directory / RESULTS
    if not file.is_file():
        raise BadInput(f"{directory} is not a sweep (it has no {RESULTS}); `{COMMAND} sweep` makes them")
    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from None
    lacking = {"scenario", "verdict"} - (rows[0].keys() if rows else {"scenario", "verdict"})
    if lacking:
        raise BadInput(f"{file} is no sweep's: it has no column {' and no column '.join(sorted(lacking))}")
    return rows


def heat_maps(rows: Sequence[Row], directory: Path, base: Path) -> list[HeatMap]:
    """A map of the two parameters with the most values, for each setting of all others."""
    varied = _varied(rows)
    down, across = (*varied, "", "")[:2]
    longest = max((o for row in rows if (o := _outage(row)) is not None), default=0.0)
    maps = []
    for title, group in _apart(rows, [*varied[2:], *_WORLD]):
        settings: dict[tuple[Any, Any], list[Row]] = {}
        for row in group:
            settings.setdefault((row.get(down), row.get(across)), []).append(row)
        maps.append(
            HeatMap(
                " · ".join(filter(None, (str(group[0]["scenario"]), title))),
                down,
                across,
                _sorted({key[0] for key in settings}),
                _sorted({key[1] for key in settings}),
                {key: _cell(found, longest, directory, base) for key, found in settings.items()},
            )
        )
    return maps


def curves(rows: Sequence[Row]) -> list[Curves]:
    """For each varied number a chart of outages up and down, a line a value of the parameter with the most other values."""
    varied = _varied(rows)
    charts = []
    for parameter in varied:
        if not all(_is_number(row.get(parameter)) for row in rows):
            continue
        other = next((name for name in varied if name != parameter), "")
        for title, group in _apart(rows, [*(n for n in varied if n not in (parameter, other)), *_WORLD]):
            for direction in ("up", "down"):
                words = (str(group[0]["scenario"]), title, f"outage {direction} over {parameter}")
                picture = _chart(group, parameter, other, direction)
                if picture is not None:
                    charts.append(Curves(" · ".join(filter(None, words)), picture))
    return charts


def _scenarios(rows: Sequence[Row]) -> list[list[Row]]:
    names = dict.fromkeys(str(row["scenario"]) for row in rows)
    return [[row for row in rows if str(row["scenario"]) == name] for name in names]


def _varied(rows: Sequence[Row]) -> list[str]:
    """The scenario's parameters with more than one value, those with the most first."""
    scenario = scenarios().get(str(rows[0]["scenario"]))
    known = scenario.parameters() if scenario else {}
    values = {name: {row[name] for row in rows} for name in known if name in rows[0]}
    return sorted((n for n in values if len(values[n]) > 1), key=lambda n: (-len(values[n]), n))


def _apart(rows: Sequence[Row], names: Sequence[str]) -> list[tuple[str, list[Row]]]:
    """Rows grouped by the values of these columns, each group with its values in words."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in names), []).append(row)
    return [
        (" · ".join(_setting(n, v) for n, v in zip(names, values, strict=True) if v not in (None, "")), group)
        for values, group in groups.items()
    ]


def _setting(name: str, value: object) -> str:
    return str(value) if name in _WORLD else f"{name}={value}"


def _cell(rows: Sequence[Row], longest: float, directory: Path, base: Path) -> Cell:
    verdicts = [str(row["verdict"]) for row in rows]
    measured = sorted((o, n) for n, row in enumerate(rows) if (o := _outage(row)) is not None)
    outage, shown = measured[(len(measured) - 1) // 2] if measured else (None, 0)
    verdict = verdicts[0] if len(set(verdicts)) == 1 else "mixed"
    return Cell(
        verdict,
        len(rows),
        verdicts.count("survived"),
        outage,
        outage / longest if outage is not None and longest else 0.0,
        _link(rows[shown], directory, base),
    )


def _link(row: Row, directory: Path, base: Path) -> str:
    """Where the run is: its report, its directory where it has none, nothing where another machine kept it."""
    run = (directory / str(row.get("run_dir") or "nowhere")).absolute()
    if not run.is_dir():
        return ""
    return os.path.relpath(run / REPORT if (run / REPORT).exists() else run, base)


def _outage(row: Row) -> float | None:
    """The longer of both outages; None where either direction never came back, or nothing was measured."""
    both = (row.get("outage_up_s"), row.get("outage_down_s"))
    return None if None in both else max(float(both[0]), float(both[1]))  # type: ignore[arg-type]


def _chart(rows: Sequence[Row], parameter: str, other: str, direction: str) -> Markup | None:
    outages, bounds = f"outage_{direction}_s", f"lower_bound_{direction}_s"
    lines = _sorted({row.get(other) for row in rows}) if other else (None,)
    of = {value: [row for row in rows if not other or row.get(other) == value] for value in lines}
    highest = max((y for group in of.values() for _, y in _medians(group, parameter, outages)), default=0.0)
    places = [float(row[parameter]) for row in rows]
    least, most = min(places), max(places)
    if not highest or most == least:
        return None

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (x - least) / (most - least) * _WIDTH,
            _TOP + _HEIGHT - y / highest * _HEIGHT,
        )

    parts = [
        svg.element(
            "g",
            svg.line(_LEFT, at(least, y)[1], _LEFT + _WIDTH, at(least, y)[1], class_="rule"),
            svg.text(_LEFT - 8, at(least, y)[1] + 4, seconds(y), text_anchor="end"),
        )
        for y in (0.0, highest / 2, highest)
    ]
    parts += [
        svg.text(at(x, 0)[0], _TOP + _HEIGHT + 18, f"{x:g}", text_anchor="middle")
        for x in sorted(set(places))
    ]
    parts.append(svg.text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 38, parameter, text_anchor="middle"))
    names: list[tuple[float, float, str]] = []
    for number, value in enumerate(lines[:_SERIES]):
        series = of[value]
        found = [at(x, y) for x, y in _medians(series, parameter, outages)]
        parts += [svg.line(*a, *b, class_=f"line series-{number}") for a, b in pairwise(found)]
        parts += [svg.element("circle", cx=x, cy=y, r=4, class_=f"series-{number}") for x, y in found]
        low = [at(x, min(y, highest)) for x, y in _medians(series, parameter, bounds)]
        parts += [svg.line(*a, *b, class_="bound") for a, b in pairwise(low)]
        if found and other:
            names.append((found[-1][1] + 4, found[-1][0] + 9, f"{other}={value}"))
    free = 0.0
    for y, x, name in sorted(names):  # lines that end close together are named below each other
        free = max(y, free) + _NAME
        parts.append(svg.text(x, free - _NAME, name, class_="name"))
    if len(lines) > _SERIES:
        left_out = f"{len(lines) - _SERIES} more values of {other} are in the map only"
        parts.append(svg.text(_LEFT, _TOP + _HEIGHT + 38, left_out))
    title = svg.element("title", f"median outage {direction} over {parameter}; dashed: the lower bound")
    size = f"0 0 {svg.number(_LEFT + _WIDTH + 200)} {svg.number(_TOP + _HEIGHT + 50)}"
    return svg.element("svg", title, *parts, class_="curves", viewBox=size, role="img")


def _medians(rows: Iterable[Row], parameter: str, column: str) -> list[tuple[float, float]]:
    values: dict[float, list[float]] = {}
    for row in rows:
        if row.get(column) is not None:
            values.setdefault(float(row[parameter]), []).append(float(row[column]))
    return [(x, median_low(ys)) for x, ys in sorted(values.items())]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sorted(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(
        sorted(values, key=lambda value: (not _is_number(value), value if _is_number(value) else str(value)))
    )
