"""A timeline as an SVG file: deliveries both ways with outage and bound, data by path, primary paths, the kernel's figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from roamlab.record.result import Outage
from roamlab.reports import svg
from roamlab.reports.story import Story
from roamlab.reports.timeline import DIRECTIONS, Curve, Lane, Span, Timeline, scale
from roamlab.reports.words import seconds

STYLE: Final = """
.t{font:11px system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1c2430}
.t .dim{fill:#5b6676}.t .rule{stroke:#dfe3e8}.t .curve{fill:none;stroke:currentColor;stroke-width:1.6}
.t{color:#2f6fb3}.t .c1{color:#7a3fb0}.t .c2{color:#1f6b4a}.t .c3{color:#8a5800}.t .dot{fill:currentColor}
.t .d1{stroke-dasharray:6 3}.t .d2{stroke-dasharray:1.5 3}.t .d3{stroke-dasharray:9 3 2 3}
.t .ticks{stroke:#2f6fb3;stroke-width:.8}.t .primary rect{fill:#f1f3f6;stroke:#b6bfca}
.t .outage rect{fill:url(#outage-hatch);stroke:#b3261e}.t .outage text{fill:#b3261e;font-weight:600}
.t .outage .bound{fill:none;stroke:#1c2430;stroke-width:1.6}.t .outage .of-bound{fill:#1c2430;font-weight:400}
.t .stimulus line{stroke:#1f6b4a;stroke-dasharray:4 3}.t .stimulus text{fill:#1f6b4a;font-weight:600}
"""
_LEFT: Final = 190
_RIGHT: Final = 16
_TOP: Final = 26
_TALL: Final = 60
_LOW: Final = 16
_LEGEND: Final = 16
_SAMPLE: Final = 24
_CHARACTER: Final = 6.4  # px, of the widest of the fonts
_LOOKS: Final = 4  # colours, and as many kinds of line
_GAP: Final = 10
_STEPS: Final = (1, 2, 5, 10)
_HEAD: Final = 14  # a row of stimuli's names
_HEADS: Final = 3  # and how many rows at most
_LAST: Final = "last recorded"


@dataclass(frozen=True, slots=True)
class _Axis:
    """From time to pixels; ``window`` in ns since the run's start."""

    window: tuple[int, int]
    width: float

    def x(self, time_ns: float) -> float:
        start, end = self.window
        share = (min(max(time_ns, start), end) - start) / (end - start)
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def shows(self, time_ns: float) -> bool:
        return self.window[0] <= time_ns <= self.window[1]

    def ticks(self) -> Iterator[int]:
        start, end = self.window
        rough = (end - start) / 8
        power = 10 ** (len(str(int(rough))) - 1)
        step = next(factor * power for factor in _STEPS if factor * power >= rough)
        yield from range(-(-start // step) * step, end + 1, step)


def draw(
    timeline: Timeline, story: Story, *, width: float = 860, window: tuple[int, int] | None = None
) -> str:
    """The timeline as a file; ``window`` is a stretch of it in ns since the run's start."""
    axis = _Axis(window or (0, timeline.end_ns), width)
    parts: list[Markup] = [_hatch()]
    stimuli = [_stimulus_at(*stimulus, axis) for stimulus in timeline.stimuli if axis.shows(stimulus[0])]
    rows = _rows([(left, right) for _, left, right, _ in stimuli])
    y = float(_TOP + _HEAD * max([0, *(row for row in rows if row < _HEADS)]))
    for direction in DIRECTIONS:
        times = timeline.deliveries[direction]
        if not times:
            continue
        parts += [_name(f"delivered {direction}", y, _TALL), _rule(axis, y + _TALL)]
        parts += [_outage(o, axis, y) for o in timeline.outages if o.direction == direction]
        parts.append(_staircase(times, axis, y))
        y += _TALL + _GAP
    for lane in timeline.lanes:
        parts += [_name(_lane(lane, story.mobile), y, _LOW), _ticks(lane.times_ns, axis, y)]
        y += _LOW + _GAP
    for node in dict.fromkeys(span.node for span in timeline.primaries):
        parts.append(_name(f"primary path of {node}", y, _LOW))
        parts += [_primary(span, axis, y) for span in timeline.primaries if span.node == node]
        y += _LOW + _GAP
    looks = {of: _look(n) for n, of in enumerate(dict.fromkeys(curve.of for curve in timeline.curves))}
    explained: list[str] = []
    for quantity in dict.fromkeys(curve.quantity for curve in timeline.curves):
        curves = [curve for curve in timeline.curves if curve.quantity == quantity]
        if (needed := [curve.of for curve in curves]) != explained:
            legend, height = _legend({of: looks[of] for of in needed}, axis, y)
            parts += legend
            y += height
            explained = needed
        parts += [_rule(axis, y), *_curves(curves, looks, axis, y), _rule(axis, y + _TALL)]
        y += _TALL + _GAP
    parts += [
        _stimulus(x, left, words, row, y) for (x, left, _, words), row in zip(stimuli, rows, strict=True)
    ]
    parts += [
        svg.text(axis.x(t), y + 12, f"{t / 1e9:g} s", class_="dim", text_anchor="middle")
        for t in axis.ticks()
    ]
    title = f"{story.scenario}: deliveries and paths over time"
    return svg.picture(width, y + 24, title, STYLE, svg.element("g", *parts, class_="t"))


def _hatch() -> Markup:
    stroke = svg.line(0, 0, 0, 6, stroke="#b3261e", stroke_opacity="0.45")
    pattern = svg.element(
        "pattern",
        stroke,
        id="outage-hatch",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return svg.element("defs", pattern)


def _name(words: str, y: float, height: float) -> Markup:
    return svg.text(_LEFT - 10, y + height / 2 + 4, words, class_="dim", text_anchor="end")


def _lane(lane: Lane, mobile: str) -> str:
    """A path by the address that tells it from others: the one at the mobile node's end."""
    source, _, destination = lane.path.partition(" → ")
    return f"{lane.node} from {source}" if lane.node == mobile else f"{lane.node} to {destination}"


def _rule(axis: _Axis, y: float) -> Markup:
    return svg.line(_LEFT, y, axis.width - _RIGHT, y, class_="rule")


def _staircase(times: Sequence[int], axis: _Axis, y: float) -> Markup:
    """The number delivered by each instant, one step a pixel at most."""
    shown = [time for time in times if axis.shows(time)]
    path, before = [f"M{_LEFT} {svg.number(y + _TALL)}"], ""
    for count, time in enumerate(shown, start=1):
        x = svg.number(axis.x(time))
        if x != before:
            path.append(f"H{x}")
        path.append(f"V{svg.number(y + _TALL - count / len(shown) * (_TALL - 4))}")
        before = x
    path.append(f"H{svg.number(axis.width - _RIGHT)}")
    return svg.element("path", d="".join(path), class_="curve")


def _ticks(times: Sequence[int], axis: _Axis, y: float) -> Markup:
    xs = dict.fromkeys(svg.number(axis.x(time)) for time in times if axis.shows(time))
    return svg.element("path", d="".join(f"M{x} {svg.number(y)}v{_LOW}" for x in xs), class_="ticks")


def _primary(span: Span, axis: _Axis, y: float) -> Markup:
    left, right = axis.x(span.from_ns), axis.x(span.until_ns)
    words = [svg.text(left + 6, y + 12, span.name)] if right - left > len(span.name) * 6 else []
    box = svg.element("rect", x=left, y=y, width=max(2.0, right - left), height=_LOW, rx=4)
    return svg.element("g", box, *words, class_="primary")


def _outage(outage: Outage, axis: _Axis, y: float) -> Markup:
    left = axis.x(outage.from_ns)
    right = axis.x(axis.window[1] if outage.until_ns is None else outage.until_ns)
    length = None if outage.until_ns is None else (outage.until_ns - outage.from_ns) / 1e9
    x = right + 6 if right + 90 < axis.width else left + 8
    words = "never delivered again" if length is None else seconds(length)
    parts = [
        svg.element("rect", x=left, y=y, width=max(1.0, right - left), height=_TALL),
        svg.text(x, y + 14, words),
    ]
    if outage.bound_ns:
        end, low = axis.x(outage.from_ns + outage.bound_ns), y + _TALL - 7
        ends = "".join(f"M{svg.number(at)} {svg.number(low - 4)}v8" for at in (left, end))
        parts.append(
            svg.element(
                "path",
                d=f"{ends}M{svg.number(left)} {svg.number(low)}H{svg.number(end)}",
                class_="bound",
            )
        )
        parts.append(
            svg.text(
                x,
                low + 4 if x > right else low - 8,
                f"bound {seconds(outage.bound_ns / 1e9)}",
                class_="of-bound",
            )
        )
    return svg.element("g", *parts, class_="outage")


def _look(number: int) -> str:
    """The classes of the number-th curve: neighbours differ in colour and in the kind of line, none of 16 are the same."""
    return f"curve c{number % _LOOKS} d{(number + number // _LOOKS) % _LOOKS}"


def _legend(looks: Mapping[str, str], axis: _Axis, y: float) -> tuple[list[Markup], float]:
    """A line's look and its name, for all lines of the tracks below; and the height that this takes."""
    parts: list[Markup] = []
    x, row = float(_LEFT), y
    for of, look in (*looks.items(), (_LAST, "")):
        sample = _SAMPLE if look else _SAMPLE / 2
        wide = sample + 6 + len(of) * _CHARACTER + 14
        if x > _LEFT and x + wide > axis.width - _RIGHT:
            x, row = float(_LEFT), row + _LEGEND
        middle = row + 8
        parts.append(
            svg.line(x, middle, x + sample, middle, class_=look) if look else _dot("", x + 6, middle)
        )
        parts.append(svg.text(x + sample + 6, row + 12, of, class_="dim"))
        x += wide
    return parts, row - y + _LEGEND + 8


def _curves(curves: Sequence[Curve], looks: Mapping[str, str], axis: _Axis, y: float) -> Iterator[Markup]:
    """One quantity's curves over one another, with the scale that they share."""
    shown = [point for curve in curves for point in curve.within(*axis.window)]
    low, high = scale([value for _, value in shown if value is not None])
    for end, at in ((high, y + 8), (low, y + _TALL)):
        yield svg.text(_LEFT - 10, at, f"{end:,.10g}", class_="dim", text_anchor="end")
    yield _name(curves[0].quantity, y, _TALL)
    for curve in curves:
        path, drawing = "", False
        for time, value in curve.within(*axis.window):
            x, at = axis.x(time), y + _TALL - ((value or 0) - low) / (high - low) * (_TALL - 4)
            path += f"H{svg.number(x)}" if drawing else ""
            if value is not None:
                path += f"V{svg.number(at)}" if drawing else f"M{svg.number(x)} {svg.number(at)}"
            drawing = value is not None
            if drawing and (time, value) == curve.points[-1]:
                yield _dot(looks[curve.of], x, at)
        if drawing and axis.window[1] < curve.points[-1][0]:
            path += f"H{svg.number(axis.width - _RIGHT)}"
        yield svg.element("path", d=path or None, class_=looks[curve.of])


def _dot(look: str, x: float, y: float) -> Markup:
    """Where a figure was recorded for the last time."""
    return svg.element("circle", cx=x, cy=y, r=2.6, class_=f"{look} dot".removeprefix("curve "))


def _stimulus_at(time_ns: int, words: str, axis: _Axis) -> tuple[float, float, float, str]:
    """Where a stimulus has its line, where its name begins and ends, and the name."""
    x, wide = axis.x(time_ns), len(words) * _CHARACTER * 1.15
    left = x + 5 if x + 5 + wide < axis.width else x - 5 - wide
    return x, left, left + wide, words


def _rows(spans: Sequence[tuple[float, float]]) -> list[int]:
    """For each span the first row in which it lies over none before it; _HEADS where no row has room."""
    ends: list[float] = []
    rows = []
    for left, right in spans:
        row = next((n for n, end in enumerate(ends) if end + 3 <= left), len(ends))
        if row < _HEADS:
            ends[row : row + 1] = [right]
        rows.append(row)
    return rows


def _stimulus(x: float, left: float, words: str, row: int, bottom: float) -> Markup:
    """A line, with its name at its head where a row has room for it."""
    name = [svg.text(left, 14 + _HEAD * row, words)] if row < _HEADS else []
    return svg.element("g", svg.line(x, 16 + _HEAD * row, x, bottom), *name, class_="stimulus")
