"""A run as a ladder diagram, before it is drawn: which nodes are columns, and what stands on each row.

Packets that set up, change or end an association get an arrow each; stretches of DATA and SACK between them may be counted
in one row, but for the first data on each path, the first lost packet and the packets around a silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roamlab.record.event import Event
from roamlab.record.events import (
    AgentReady,
    Data,
    Listening,
    NicEvent,
    PathState,
    RadioLevel,
    RunEnd,
    RunStart,
    SessionStart,
)
from roamlab.record.mobile_ip_events import MipTable
from roamlab.record.stimuli import Stimulus
from roamlab.record.words import words
from roamlab.reports import network
from roamlab.reports.journeys import Journey, Leg, addresses, for_a_group, journeys, legs, tunnel_ends
from roamlab.reports.packets import Kind, carries_data, kind, label, tunnel_label
from roamlab.reports.story import Story
from roamlab.transports import find
from roamlab.transports.base import Tells, Told

SILENCE_NS: Final = 200_000_000
"""A pause of this length is a silence: it is folded, and the packets beside it are shown."""
FEWEST: Final = 3
"""Fewer packets than this are not worth folding."""
_UNTOLD: Final = (
    Data,
    RunStart,
    RunEnd,
    AgentReady,
    SessionStart,
    NicEvent,
    MipTable,
    PathState,
    RadioLevel,
    Listening,
)
"""Counted and routine events, which are no rows."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A packet's leg between two columns. ``told`` says that folding leaves it; ``path`` is set on the first of a path."""

    leg: Leg
    journey: Journey
    kind: Kind
    label: str
    told: bool
    path: str

    @property
    def time_ns(self) -> int:
        """When the leg began (the capture's clock)."""
        return self.leg.from_ns


@dataclass(frozen=True, slots=True)
class Notice:
    """An event on a column."""

    time_ns: int
    node: str
    text: str
    stimulus: bool


@dataclass(frozen=True, slots=True)
class Fold:
    """A stretch of packets that are counted and not drawn."""

    time_ns: int
    until_ns: int
    packets: int
    data: int
    lost: int
    again: int

    @property
    def words(self) -> str:
        """The count."""
        parts = [f"{self.packets} packets", f"{self.data} with data"]
        parts += [f"{self.again} sent again"] if self.again else []
        parts += [f"{self.lost} lost"] if self.lost else []
        return ", ".join(parts)


Row = Arrow | Notice
FoldedRow = Arrow | Notice | Fold


@dataclass(frozen=True, slots=True)
class Ladder:
    """Columns from left to right, and rows by time."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    journeys: tuple[Journey, ...]

    @property
    def arrows(self) -> list[Arrow]:
        """The rows that are packets."""
        return [row for row in self.rows if isinstance(row, Arrow)]

    def folded(self) -> Iterator[FoldedRow]:
        """The rows with quiet stretches counted."""
        quiet: list[Arrow] = []
        for row in self.rows:
            if isinstance(row, Arrow) and not row.told:
                quiet.append(row)
                continue
            yield from _fold(quiet)
            quiet = []
            yield row
        yield from _fold(quiet)


def ladder(story: Story) -> Ladder:
    """The ladder of a story; without packets and events it has columns and no rows."""
    owners = addresses(story.events, network.configured_addresses(story.topology))
    found = journeys(story.trace.sightings, owners) if story.trace else []
    columns = _columns(story, found)
    shown = set(columns)
    arrows = list(_arrows(found, legs(found, columns, owners), _told(story)))
    notices = [
        Notice(event.t + story.epoch_ns, event.node, words(event), isinstance(event, Stimulus))
        for event in story.events
        if told(event) and event.node in shown
    ]
    rows: list[Row] = [*arrows, *notices]
    rows.sort(key=lambda row: row.time_ns)
    return Ladder(columns, tuple(rows), tuple(found))


def told(event: Event) -> bool:
    """Whether an event is a row of a ladder: counted and routine ones are not."""
    return not isinstance(event, _UNTOLD)


def _columns(story: Story, found: Sequence[Journey]) -> tuple[str, ...]:
    """The nodes that packets come from or are for, and those where tunnels begin or end, from left to right."""
    wanted = {story.mobile, story.correspondent} | tunnel_ends(found)
    for journey in found:
        if for_a_group(journey.packet):
            continue
        if not journey.appeared:
            wanted.add(journey.packet.node)
        if journey.arrived:
            wanted.add(journey.seen[-1].node)
    drawn = network.lay_out(story)
    places = drawn.places if drawn else {}

    def order(node: str) -> tuple[int, float, float, str]:
        place = places.get(node)
        end = -1 if node == story.mobile else 1 if node == story.correspondent else 0
        return end, place.column if place else 0.0, place.row if place else 0.0, node

    return tuple(sorted(wanted, key=order))


def _told(story: Story) -> dict[int, Told]:
    """What transports tell of packets that nobody else can read, by the packets' numbers in the capture."""
    names = sorted({event.transport for event in story.events if isinstance(event, SessionStart)})
    readers = [reader for name in names if isinstance(reader := find(name).reader_of(story.events), Tells)]
    if not readers or story.trace is None:
        return {}
    found = ((p.index, reader.told(p)) for p in story.trace.sightings for reader in readers)
    return {index: told for index, told in found if told is not None}


def _arrows(found: Sequence[Journey], drawn: Iterable[Leg], said: Mapping[int, Told]) -> Iterator[Arrow]:
    by_time = sorted(drawn, key=lambda leg: leg.from_ns)
    packets = [journey.packet for journey in found]
    kinds = [Kind(said[p.index].kind) if p.index in said else kind(p) for p in packets]
    paths: set[tuple[str, ...]] = set()
    trouble: dict[tuple[str, str], int] = {}
    times = sorted({leg.from_ns for leg in by_time})
    beside = {
        time for before, after in pairwise(times) if after - before > SILENCE_NS for time in (before, after)
    }
    for leg in by_time:
        journey = found[leg.journey]
        packet, what = journey.packet, kinds[leg.journey]
        path = (str(packet.source), str(packet.destination))
        stretch = (*path, leg.start, leg.end or "", tunnel_label(leg.tunnels))
        first = stretch not in paths and (carries_data(packet) or what is Kind.ADVERTISEMENT)
        new_path = path not in paths and carries_data(packet)
        if first:
            paths |= {stretch, path}
        silent = leg.from_ns in beside and what is not Kind.ADVERTISEMENT
        telling = first or silent or not what.quiet or journey.appeared
        for name, troubled in (("lost", journey.lost), ("again", journey.again)):
            if troubled and what.quiet:
                since = trouble.get((packet.node, name))
                telling = telling or since is None or leg.from_ns - since > 10**9
                trouble[packet.node, name] = leg.from_ns
        yield Arrow(
            leg,
            journey,
            what,
            said[packet.index].words if packet.index in said else label(packet),
            telling,
            " → ".join(path) if new_path else "",
        )


def _fold(quiet: Sequence[Arrow]) -> Iterator[Arrow | Fold]:
    if len(quiet) < FEWEST:
        yield from quiet
        return
    counted = {arrow.leg.journey: arrow for arrow in quiet}.values()
    yield Fold(
        quiet[0].time_ns,
        quiet[-1].time_ns,
        len(counted),
        sum(arrow.kind is Kind.DATA for arrow in counted),
        sum(arrow.journey.lost for arrow in counted),
        sum(arrow.journey.again for arrow in counted),
    )
