"""A ladder in text: nodes as columns, packets as arrows, time downwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.text import Text

from roamlab.record.run_directory import RunDirectory
from roamlab.reports import story as stories
from roamlab.reports.ladder import Arrow, Fold, Ladder, Notice, ladder
from roamlab.reports.packets import Kind, tunnel_label

_TIME: Final = 12
_MARGIN: Final = 14
_STYLES: Final = {Kind.CONFIGURATION: "cyan", Kind.MOBILE_IP: "cyan", Kind.END: "magenta"}


def draw(run: RunDirectory, width: int = 120) -> Iterator[Text]:
    """The lines of a run's ladder; what the run lacks is said first."""
    story = stories.read(run)
    for lack in story.missing:
        yield Text(lack, "yellow")
    drawn = ladder(story)
    if not drawn.rows:
        yield Text("there is nothing to draw; the run ended too early", "yellow")
        return
    places = _places(drawn, width)
    yield _heads(drawn, places)
    for row in drawn.folded():
        line = _Line(places, row.time_ns - story.epoch_ns)
        match row:
            case Arrow():
                yield line.arrow(row)
            case Fold():
                yield line.fold(row)
            case Notice():
                yield line.notice(row)


def _places(drawn: Ladder, width: int) -> Mapping[str, int]:
    left, right = _TIME + 8, width - _MARGIN
    step = (right - left) / max(1, len(drawn.columns) - 1)
    return {node: left + round(step * number) for number, node in enumerate(drawn.columns)}


def _heads(drawn: Ladder, places: Mapping[str, int]) -> Text:
    line = Text(style="bold")
    for node in drawn.columns:
        line.append(" " * max(1, places[node] - len(node) // 2 - len(line.plain)))
        line.append(node)
    return line


class _Line:
    """One line: the time, the columns' bars, and what is written over them."""

    def __init__(self, places: Mapping[str, int], time_ns: int) -> None:
        self._places = places
        ends = max(places.values()) + 1
        self._cells = list(f"{time_ns / 1e9:{_TIME}.6f}".ljust(ends))
        for place in places.values():
            self._cells[place] = "│"

    def arrow(self, row: Arrow) -> Text:
        leg = row.leg
        columns = list(self._places)
        at = columns.index(leg.start)
        ahead = leg.end if leg.end is not None else columns[at - 1 if at == len(columns) - 1 else at + 1]
        left, right = sorted((self._places[leg.start], self._places[ahead]))
        room = right - left - 1
        tunnel = f" [{tunnel_label(leg.tunnels)}]" if leg.tunnels else ""
        words = f" {'again: ' if row.journey.again else ''}{row.label}{tunnel}"[: room - 5] + " "
        shaft = "═" if leg.tunnels else "─"
        rightward = self._places[leg.start] < self._places[ahead]
        if leg.end is None:
            mark = "✗" if row.journey.lost else "…"
            drawn = (words + shaft + mark).ljust(room) if rightward else (mark + shaft + words).rjust(room)
        else:
            drawn = words.center(room - 1, shaft)
            drawn = drawn + "▶" if rightward else "◀" + drawn
        style = "red" if row.journey.lost else "yellow" if row.journey.again else _STYLES.get(row.kind, "")
        line = self._with(left + 1, drawn, style)
        if leg.end is not None:
            line.append(f" +{(leg.until_ns - leg.from_ns) / 1e6:.1f} ms", "dim")
        return line

    def fold(self, row: Fold) -> Text:
        left, right = min(self._places.values()), max(self._places.values())
        seconds = (row.until_ns - row.time_ns) / 1e9
        words = f"· {row.words} in {seconds:.3f} s ·"[: right - left - 1]
        return self._with(left + 1, words.center(right - left - 1), "red" if row.lost else "dim")

    def notice(self, row: Notice) -> Text:
        place = self._places[row.node]
        words = f"● {row.text}"
        end = max(self._places.values())
        if place == end:
            words = words[: end - min(self._places.values()) - 1]
            return self._with(end - len(words), words, "yellow")
        return self._with(place + 1, words[: end - place - 1], "yellow")

    def _with(self, start: int, words: str, style: str) -> Text:
        self._cells[start : start + len(words)] = words
        line = Text("".join(self._cells).rstrip())
        line.stylize("dim", 0, _TIME)
        if style:
            line.stylize(style, start, start + len(words))
        return line
