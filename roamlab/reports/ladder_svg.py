"""A ladder as an SVG file for papers, slides and printed pages: folded, on white, with every row on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from roamlab.reports import svg
from roamlab.reports.ladder import SILENCE_NS, Arrow, Fold, FoldedRow, Ladder, Notice
from roamlab.reports.packets import tunnel_label
from roamlab.reports.story import Story
from roamlab.reports.words import seconds

STYLE: Final = """
.l{font:11px system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1c2430}
.l .head{font-weight:600;font-size:13px}.l .time{fill:#6a7585;font-size:10px}.l .dim{fill:#5b6676}
.l .axis{stroke:#b6bfca;stroke-width:1.2}.l .halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
.l .shaft{fill:none;stroke:#5b6676;stroke-width:1.3}.l .tip{fill:#5b6676}
.l .data .shaft{stroke:#2f6fb3}.l .data .tip{fill:#2f6fb3}
.l .asconf .shaft,.l .mobileip .shaft{stroke:#7a3fb0;stroke-width:2}.l .asconf .tip,.l .mobileip .tip{fill:#7a3fb0}
.l .again .shaft{stroke:#9a6200}.l .again .tip{fill:#9a6200}
.l .lost .shaft{stroke:#b3261e;stroke-dasharray:4 3}.l .lost text,.l .lost .cross{fill:#b3261e;stroke:none}
.l .cross{font-size:14px;font-weight:700}
.l .tunnel{stroke:#d9c9ec;stroke-width:9;stroke-linecap:round}
.l .fold rect{fill:#f1f3f6}.l .notice text{fill:#1f6b4a}.l .notice circle{fill:#1f6b4a}
.l .stimulus text{font-weight:700}.l .stimulus line{stroke:#1f6b4a;stroke-dasharray:2 3}
.l .badge circle{fill:#1c2430}.l .badge text{fill:#fff;font-weight:600;font-size:10px}
"""
_TOP: Final = 48
_GUTTER: Final = 110
_RIGHT: Final = 60
_ROW: Final = 20
_NEXT: Final = 7
_LONGEST_STEP: Final = 46
_FOLD: Final = 30
_CHARACTER: Final = 6.1  # px, of the average letter of a label

Marks = Mapping[tuple[str, int, bool], Sequence[int]]
"""Numbers of a figure's steps by the row that shows them: ("arrow" or "notice", its number, whether at its arrival)."""


@dataclass(frozen=True, slots=True)
class _Instant:
    """A time that needs a place: a row's begin (``part`` 0) or its end (1)."""

    time_ns: int
    row: int
    part: int


def draw(
    ladder: Ladder,
    story: Story,
    *,
    width: float = 860,
    window: tuple[int, int] | None = None,
    marks: Marks | None = None,
) -> str:
    """The ladder as a file; ``window`` is a stretch of it in ns since the run's start."""
    body, height = content(ladder, story.epoch_ns, width=width, window=window, marks=marks or {})
    title = f"{story.scenario}: packets between {' and '.join(ladder.columns)}"
    return svg.picture(width, height, title, STYLE, body)


def content(
    ladder: Ladder,
    epoch_ns: int,
    *,
    width: float,
    window: tuple[int, int] | None = None,
    marks: Marks,
) -> tuple[Markup, float]:
    """The ladder's group and its height, for a picture of several."""
    start, end = window or (-(2**63), 2**63)
    rows = [row for row in ladder.folded() if start <= row.time_ns - epoch_ns <= end]
    places = _columns(ladder.columns, width)
    instants, ys, silences = _lay_out(rows, places)
    height = (ys[-1] if ys else _TOP) + 36
    at = {(i.row, i.part): y for i, y in zip(instants, ys, strict=True)}
    numbers = _numbers(ladder, marks)
    parts = [svg.line(x, _TOP - 14, x, height - 14, class_="axis") for x in places.values()]
    parts += [svg.text(x, 20, node, text_anchor="middle", class_="head") for node, x in places.items()]
    parts += [_silence(y, length, places) for y, length in silences]
    drawn: list[Markup] = []
    said = float(-_ROW)
    for number, row in enumerate(rows):
        top = at[number, 0]
        bottom = at.get((number, 1), top)
        if top - said >= _ROW * 0.7:
            drawn.append(
                svg.text(
                    62,
                    top + 4,
                    f"{(row.time_ns - epoch_ns) / 1e9:.6f}",
                    class_="time",
                    text_anchor="end",
                )
            )
            said = top
        drawn += _row(row, top, bottom, places)
        for arrival, y in ((False, top), (True, bottom)):
            drawn += [
                _badge(78 + 17 * n, y, label) for n, label in enumerate(numbers.get((id(row), arrival), ()))
            ]
    backs = [_tunnel(row, at, number, places) for number, row in enumerate(rows) if _tunnelled(row)]
    return svg.element("g", *parts, *backs, *drawn, class_="l"), height


def _columns(nodes: Sequence[str], width: float) -> dict[str, float]:
    step = (width - _GUTTER - _RIGHT) / max(1, len(nodes) - 1)
    return {node: _GUTTER + 10 + step * number for number, node in enumerate(nodes)}


def _lay_out(
    rows: Sequence[FoldedRow], places: Mapping[str, float]
) -> tuple[list[_Instant], list[float], list[tuple[float, int]]]:
    """A place for each instant: true to time where that is readable, with room for labels, and with silences folded."""
    instants: list[_Instant] = []
    for number, row in enumerate(rows):
        instants.append(_Instant(row.time_ns, number, 0))
        if isinstance(row, Arrow):
            instants.append(_Instant(row.leg.until_ns, number, 1))
        elif isinstance(row, Fold):
            instants.append(_Instant(row.until_ns, number, 1))
    instants.sort(key=lambda instant: instant.time_ns)
    labelled: dict[str, float] = {}
    ys: list[float] = []
    silences: list[tuple[float, int]] = []
    y, before, folding = float(_TOP), instants[0].time_ns if instants else 0, 0
    for instant in instants:
        row = rows[instant.row]
        step_ns = instant.time_ns - before
        step = min(step_ns / 1e6, float(_LONGEST_STEP)) if step_ns and not folding else 0.0
        if step_ns > SILENCE_NS and not folding:
            silences.append((y + _LONGEST_STEP / 2 + 4, step_ns))
            step = _LONGEST_STEP + 8
        step = max(step, _NEXT if step_ns else 0)
        y += step
        if isinstance(row, Fold):
            y += _FOLD if instant.part else _ROW / 2
            folding += -1 if instant.part else 1
            labelled = dict.fromkeys(places, y - _ROW / 4)
        elif not instant.part:
            sides = _sides(row, places)
            y = max([y, *(labelled.get(side, -_ROW) + _ROW for side in sides)])
            labelled.update(dict.fromkeys(sides, y))
        ys.append(y)
        before = instant.time_ns
    return instants, ys, silences


def _sides(row: FoldedRow, places: Mapping[str, float]) -> tuple[str, ...]:
    """The columns beside which a row's label needs room: its own, and every other one for a long label."""
    if isinstance(row, Arrow):
        room = abs(places[row.leg.start] - places[_ahead(row, places)]) / 2
        return (row.leg.start,) if len(_label(row)) * _CHARACTER < room else tuple(places)
    return (row.node,) if isinstance(row, Notice) and len(row.text) * _CHARACTER < 200 else tuple(places)


def _ahead(row: Arrow, places: Mapping[str, float]) -> str:
    """Where an arrow points; for a lost packet the column on the way."""
    if row.leg.end is not None and row.leg.end != row.leg.start:
        return row.leg.end
    columns = list(places)
    at = columns.index(row.leg.start)
    return columns[at - 1] if at == len(columns) - 1 and at else columns[min(at + 1, len(columns) - 1)]


def _label(row: Arrow) -> str:
    again = "↻ " if row.journey.again else ""
    tunnel = f"  [{tunnel_label(row.leg.tunnels)}]" if row.leg.tunnels else ""
    path = f"  ({row.path})" if row.path else ""
    return f"{again}{row.label}{tunnel}{path}"


def _row(row: FoldedRow, top: float, bottom: float, places: Mapping[str, float]) -> list[Markup]:
    match row:
        case Arrow():
            return [_arrow(row, top, bottom, places)]
        case Fold():
            return [_fold(row, top, bottom, places)]
        case Notice():
            return [_notice(row, top, places)]


def _arrow(row: Arrow, top: float, bottom: float, places: Mapping[str, float]) -> Markup:
    x1, x2 = places[row.leg.start], places[_ahead(row, places)]
    way = 1 if x2 > x1 else -1
    classes = [row.kind.value, "again" if row.journey.again else ""]
    if row.leg.end is None:
        x2 = x1 + (x2 - x1) * 0.62
        bottom = min(bottom, top + 10)
        classes.append("lost" if row.journey.lost else "")
        end = svg.text(
            x2 + 5 * way, bottom + 5, "✗" if row.journey.lost else "…", class_="cross", text_anchor="middle"
        )
    else:
        points = f"{svg.number(x2)},{svg.number(bottom)} {svg.number(x2 - 9 * way)},{svg.number(bottom - 4)}"
        end = svg.element(
            "polygon", points=f"{points} {svg.number(x2 - 9 * way)},{svg.number(bottom + 4)}", class_="tip"
        )
    edge = max(places.values()) + _RIGHT if way > 0 else min(places.values())
    room = int(abs(edge - x1) / _CHARACTER) - 3
    words = _label(row)
    words = words if len(words) <= room else words[: room - 1] + "…"
    return svg.element(
        "g",
        svg.line(x1, top, x2, bottom, class_="shaft"),
        end,
        svg.text(x1 + 9 * way, top - 4, words, class_="halo", text_anchor="start" if way > 0 else "end"),
        class_=" ".join(filter(None, classes)),
    )


def _tunnelled(row: FoldedRow) -> bool:
    return isinstance(row, Arrow) and bool(row.leg.tunnels)


def _tunnel(
    row: FoldedRow, at: Mapping[tuple[int, int], float], number: int, places: Mapping[str, float]
) -> Markup:
    assert isinstance(row, Arrow)
    x1, x2 = places[row.leg.start], places[_ahead(row, places)]
    return svg.line(x1, at[number, 0], x2, at[number, 1], class_="tunnel")


def _fold(row: Fold, top: float, bottom: float, places: Mapping[str, float]) -> Markup:
    left, right = min(places.values()), max(places.values())
    words = f"{row.words}, in {seconds((row.until_ns - row.time_ns) / 1e9)}"
    middle = (top + bottom) / 2
    return svg.element(
        "g",
        svg.element("rect", x=left - 6, y=middle - 12, width=right - left + 12, height=24, rx=6),
        svg.text((left + right) / 2, middle + 4, words, class_="dim", text_anchor="middle"),
        class_="fold",
    )


def _notice(row: Notice, top: float, places: Mapping[str, float]) -> Markup:
    x = places[row.node]
    last = x > (min(places.values()) + max(places.values())) / 2
    across = [svg.line(min(places.values()), top, max(places.values()), top)] if row.stimulus else []
    return svg.element(
        "g",
        *across,
        svg.element("circle", cx=x, cy=top, r=4),
        svg.text(
            x + (-9 if last else 9), top + 4, row.text, class_="halo", text_anchor="end" if last else "start"
        ),
        class_="notice stimulus" if row.stimulus else "notice",
    )


def _silence(y: float, length_ns: int, places: Mapping[str, float]) -> Markup:
    left, right = min(places.values()), max(places.values())
    breaks = [
        svg.line(x - 6, y + dy + 3, x + 6, y + dy - 3, class_="axis")
        for x in places.values()
        for dy in (-3, 3)
    ]
    words = f"{seconds(length_ns / 1e9)} of silence"
    return svg.element(
        "g", *breaks, svg.text((left + right) / 2, y + 4, words, class_="dim", text_anchor="middle")
    )


def _badge(x: float, y: float, number: int) -> Markup:
    return svg.element(
        "g",
        svg.element("circle", cx=x, cy=y, r=8),
        svg.text(x, y + 3.5, str(number), text_anchor="middle"),
        class_="badge",
    )


def _numbers(ladder: Ladder, marks: Marks) -> dict[tuple[int, bool], Sequence[int]]:
    notices = [row for row in ladder.rows if isinstance(row, Notice)]
    rows: dict[str, Sequence[Arrow | Notice]] = {"arrow": ladder.arrows, "notice": notices}
    return {(id(rows[what][number]), arrival): labels for (what, number, arrival), labels in marks.items()}
