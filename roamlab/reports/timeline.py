"""What a run looks like over time: deliveries, data by path, primary paths, the kernel's figures, and the outages.

Times are in ns since the run's start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from roamlab.protocols.radio import SILENCE
from roamlab.protocols.trace import SctpPacket
from roamlab.record.events import PathState, RadioLevel
from roamlab.record.result import Outage
from roamlab.reports.journeys import Journey
from roamlab.reports.packets import carries_data
from roamlab.reports.story import Story

DIRECTIONS: Final = ("up", "down")
_CWND, _RTO, _SRTT, _SIGNAL = "cwnd, bytes", "RTO, ms", "SRTT, ms", "signal, dBm"
QUANTITIES: Final = (_CWND, _RTO, _SRTT, _SIGNAL)
"""What curves are drawn of, in their order: the kernel's figures of each path, and what each NIC hears."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The instants at which a node sent data on one path."""

    node: str
    path: str
    times_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time with a name: a node's primary path, by the address at the mobile node's end."""

    node: str
    name: str
    from_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity over time, of one node's path or NIC: what it came to and when; None from where on there is no such figure."""

    quantity: str
    of: str
    points: tuple[tuple[int, float | None], ...]

    def within(self, from_ns: int, until_ns: int) -> tuple[tuple[int, float | None], ...]:
        """The points of a stretch, and the one before it where a later one ends it: behind the last, nothing is known."""
        before = [point for point in self.points if point[0] < from_ns]
        held = before[-1:] if len(before) < len(self.points) else []
        return (*held, *(point for point in self.points if from_ns <= point[0] <= until_ns))


def scale(values: Collection[float]) -> tuple[float, float]:
    """The least and the greatest value of an axis for all of these: from 0 where none is negative, never of no height."""
    if not values or min(values) >= 0:
        return 0.0, max(1.0, *values, 1.0)
    return min(values) - 1, max(values) + 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything over time. ``deliveries`` are the instants of each direction's first deliveries, sorted."""

    end_ns: int
    deliveries: dict[str, tuple[int, ...]]
    lanes: tuple[Lane, ...]
    primaries: tuple[Span, ...]
    curves: tuple[Curve, ...]
    outages: tuple[Outage, ...]
    stimuli: tuple[tuple[int, str], ...]


def timeline(story: Story, found: Sequence[Journey]) -> Timeline:
    """The timeline of a story with its journeys; what the run does not have is empty."""
    deliveries = {
        direction: tuple(time for time, _ in story.messages.deliveries(direction)) for direction in DIRECTIONS
    }
    return Timeline(
        story.end_ns,
        deliveries,
        _lanes(story, found),
        _primaries(story, found),
        tuple(_curves(story)),
        _outages(story),
        tuple((stimulus.t, f"{stimulus.action} {stimulus.nic}".strip()) for stimulus in story.stimuli),
    )


def _lanes(story: Story, found: Iterable[Journey]) -> tuple[Lane, ...]:
    times: dict[tuple[str, str], list[int]] = {}
    for journey in found:
        packet = journey.packet
        if carries_data(packet) and not journey.appeared:
            key = (packet.node, f"{packet.source} → {packet.destination}")
            times.setdefault(key, []).append(packet.time_ns - story.epoch_ns)
    order = {story.mobile: 0, story.correspondent: 1}
    lanes = [Lane(node, path, tuple(instants)) for (node, path), instants in times.items()]
    return tuple(sorted(lanes, key=lambda lane: (order.get(lane.node, 2), lane.times_ns[0])))


def _primaries(story: Story, found: Iterable[Journey]) -> tuple[Span, ...]:
    """Each end's primary path (RFC 9260, 1.3) as far as a capture tells: new data goes to it, data sent again need not."""
    spans: dict[str, list[Span]] = {}
    for journey in found:
        packet = journey.packet
        unknown = journey.appeared or packet.node not in (story.mobile, story.correspondent)
        if unknown or journey.again or not isinstance(packet, SctpPacket) or not carries_data(packet):
            continue
        time_ns = packet.time_ns - story.epoch_ns
        name = str(packet.source if packet.node == story.mobile else packet.destination)
        known = spans.setdefault(packet.node, [])
        if known and known[-1].name == name:
            known[-1] = Span(packet.node, name, known[-1].from_ns, time_ns)
        else:
            known.append(Span(packet.node, name, time_ns, time_ns))
    return tuple(span for known in spans.values() for span in known)


def _curves(story: Story) -> Iterator[Curve]:
    points: dict[tuple[str, str], list[tuple[int, float | None]]] = {}
    states = [event for event in story.events if isinstance(event, PathState)]
    several = len({event.session for event in states}) > 1
    for event in states:
        of = f"{event.node} to {event.address}" + (f", session {event.session}" if several else "")
        # Linux says an SRTT of 0 where it has none: until the first measurement of a path (RFC 9260, 6.3.1).
        srtt = float(event.srtt_ms) if event.srtt_ms else None
        for quantity, value in ((_CWND, float(event.cwnd)), (_RTO, float(event.rto_ms)), (_SRTT, srtt)):
            points.setdefault((quantity, of), []).append((event.t, value))
    for sample in story.events:
        if isinstance(sample, RadioLevel):
            for nic, level in sample.levels.items():
                heard = level if level > SILENCE else None
                points.setdefault((_SIGNAL, f"{story.mobile}.{nic}"), []).append((sample.t, heard))
    for quantity in QUANTITIES:
        for (found, of), series in points.items():
            if found == quantity:
                yield Curve(quantity, of, tuple(series))


def _outages(story: Story) -> tuple[Outage, ...]:
    """The judgement's outages, where something was done that they could follow from."""
    judgement = story.judgement
    if (
        judgement is None
        or not story.stimuli
        or judgement.verdict in ("invalid", "no session", "unsupported")
    ):
        return ()
    return tuple(judgement.outages)
