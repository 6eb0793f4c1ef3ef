"""A run as a ladder diagram, before it is drawn: which nodes are columns, and what stands on each row.

Packets that set up, change or end an association get an arrow each; stretches of DATA and SACK between them may be counted
in one row, but for the first data on each path, the first lost packet and the packets around a silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from roamlab.reports import network
from roamlab.reports.journeys import Journey, Leg, addresses, for_a_group, journeys, legs, tunnel_ends
from roamlab.reports.packets import Kind, carries_data, kind, label, tunnel_label
from roamlab.reports.story import Story

SILENCE_NS: Final = 200_000_000
"""A pause of this length is a silence: it is folded, and the packets beside it are shown."""
FEWEST: Final = 3
"""Fewer packets than this are not worth folding."""
_UNTOLD: Final = (
    "data.",
    "run.",
    "agent.ready",
    "session.start",
    "nic.",
    "mip.table",
    "path.state",
    "signal",
    "listening",
)
_WORDS: Final = {
    "stimulus": "{action} {nic}",
    "link.down": "{nic} down",
    "link.up": "{nic} up",
    "address.down": "{address} gone",
    "address.up": "{address} up",
    "asconf.request": "asks for {verb} {address}",
    "asconf.unasked": "{verb} {address}: {error}",
    "association.up": "association up",
    "association.connect": "connects to {peer}",
    "association.lost": "association lost",
    "association.failed": "association failed",
    "association.closed": "association closed",
    "session.opened": "session opened",
    "path.added": "path added: {address}",
    "path.removed": "path removed: {address}",
    "path.primary": "primary path: {address}",
    "path.confirmed": "path confirmed: {address}",
    "path.unreachable": "path unreachable: {address}",
    "path.available": "path available: {address}",
    "agent.died": "agent died: {how}",
    "mip.agent.found": "found the {place} {agent}",
    "mip.agent.lost": "lost the agent {agent}: {why}",
    "mip.state": "{before} → {state}",
    "mip.request": "asks for a binding at {care_of_address}",
    "mip.registered": "binding: {home_address} at {care_of_address}",
    "mip.reply": "answers with code {code}",
    "mip.relayed": "relays the request of {home_address}",
}


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
    arrows = list(_arrows(found, legs(found, columns, owners)))
    notices = [
        Notice(event["t"] + story.epoch_ns, event["node"], words(event), event["kind"] == "stimulus")
        for event in story.events
        if told(event) and event["node"] in shown
    ]
    rows: list[Row] = [*arrows, *notices]
    rows.sort(key=lambda row: row.time_ns)
    return Ladder(columns, tuple(rows), tuple(found))


def told(event: dict[str, Any]) -> bool:
    """Whether an event is a row of a ladder: counted and routine ones are not."""
    return not str(event["kind"]).startswith(_UNTOLD)


def words(event: dict[str, Any]) -> str:
    """An event in words; one of a kind that is not known here, by its own fields."""
    if event["kind"] == "asconf.acknowledged":
        refused = event.get("refused") or ()
        return "acknowledged" + (f", refused: {', '.join(map(str, refused))}" if refused else "")
    pattern = _WORDS.get(event["kind"])
    if pattern is not None:
        try:
            return pattern.format_map({"nic": "", **event}).strip()
        except (KeyError, IndexError):
            pass
    details = (f"{k}={v}" for k, v in event.items() if k not in ("t", "node", "kind") and v not in ("", None))
    return " ".join((str(event["kind"]), *details))


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


def _arrows(found: Sequence[Journey], drawn: Iterable[Leg]) -> Iterator[Arrow]:
    by_time = sorted(drawn, key=lambda leg: leg.from_ns)
    kinds = [kind(journey.packet) for journey in found]
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
            label(packet),
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
