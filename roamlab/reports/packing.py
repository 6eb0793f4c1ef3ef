"""A story as compact JSON for a page: columns in place of objects, repeated text once, fields by shape and value.

What comes out can stand inside a ``script`` element: ``<``, ``>`` and ``&`` are written as escapes, so nothing in a capture can
end the element or begin another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
from markupsafe import Markup

from roamlab.protocols.trace import IpDatagram
from roamlab.record.result import CausalStep, FigureStep
from roamlab.reports.journeys import Fate, Journey
from roamlab.reports.ladder import Arrow, Ladder, Notice
from roamlab.reports.network import Map
from roamlab.reports.packets import Kind, fields, tunnel_label
from roamlab.reports.timeline import Timeline

KINDS: Final = tuple(Kind)
TOLD, LOST, AGAIN, UNDER_WAY, APPEARED, UNHEARD = 1, 2, 4, 8, 16, 32
_ESCAPES: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Texts:
    """Texts that are written once and named by their number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def __call__(self, text: object) -> int:
        """The number of a text."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def all(self) -> list[Any]:
        """The texts in the order of their numbers."""
        return list(self._numbers)


def script(content: object) -> Markup:
    """JSON that is safe inside a ``script`` element."""
    return Markup(msgspec.json.encode(content).decode().translate(_ESCAPES))  # noqa: S704 - escaped here


def pack_ladder(ladder: Ladder, epoch_ns: int, drawn: Map | None) -> dict[str, Any]:
    """Arrows as one list a property, in the order of time; instants and durations in ns."""
    columns = {node: number for number, node in enumerate(ladder.columns)}
    labels, tunnels, routes = Texts(), Texts(), Texts()
    arrows = ladder.arrows
    route_of = [routes(tuple(dict.fromkeys(s.node for s in journey.seen))) for journey in ladder.journeys]
    begun = [arrow.time_ns - epoch_ns for arrow in arrows]
    return {
        "columns": list(ladder.columns),
        "kinds": [kind.value for kind in KINDS],
        "t": _steps(begun),
        "d": [arrow.leg.until_ns - arrow.leg.from_ns for arrow in arrows],
        "a": [columns[arrow.leg.start] for arrow in arrows],
        "b": [-1 if arrow.leg.end is None else columns[arrow.leg.end] for arrow in arrows],
        "k": [KINDS.index(arrow.kind) for arrow in arrows],
        "f": [_flags(arrow) for arrow in arrows],
        "l": [labels(arrow.label) for arrow in arrows],
        "w": [tunnels(tunnel_label(arrow.leg.tunnels)) if arrow.leg.tunnels else -1 for arrow in arrows],
        "j": [arrow.leg.journey for arrow in arrows],
        "paths": {str(number): arrow.path for number, arrow in enumerate(arrows) if arrow.path},
        "labels": labels.all,
        "tunnels": tunnels.all,
        "route": route_of,
        "routes": [[list(link) for link in drawn.links(route)] if drawn else [] for route in routes.all],
        "notices": [
            [row.time_ns - epoch_ns, columns[row.node], row.text, int(row.stimulus)]
            for row in ladder.rows
            if isinstance(row, Notice)
        ],
    }


def pack_fields(found: Iterable[Journey]) -> dict[str, Any]:
    """Every field of every packet, and where it was seen: (NIC, ns since it left, number in the capture from 1)."""
    shapes, values, nics = Texts(), Texts(), Texts()
    packets, seen = [], []
    known: dict[int, list[int]] = {}
    for journey in found:
        packet = journey.packet
        lines = known.get(id(packet))
        if lines is None:
            parts = list(fields(packet))
            lines = [shapes(tuple((part.depth, part.name, part.value is not None) for part in parts))]
            lines += [values(part.value) for part in parts if part.value is not None]
            known[id(packet)] = lines
        packets.append(lines)
        start = packet.time_ns
        seen.append(
            [part for s in journey.seen for part in (_place(nics, s), s.time_ns - start, s.index + 1)]
        )
    return {"shapes": shapes.all, "values": values.all, "packets": packets, "nics": nics.all, "seen": seen}


def pack_timeline(timeline: Timeline) -> dict[str, Any]:
    """The timeline with its instants as steps from one to the next."""
    return {
        "end": timeline.end_ns,
        "deliveries": {name: _steps(times) for name, times in timeline.deliveries.items()},
        "lanes": [[lane.node, lane.path, _steps(lane.times_ns)] for lane in timeline.lanes],
        "primaries": [[s.node, s.name, s.from_ns, s.until_ns] for s in timeline.primaries],
        "curves": [[curve.quantity, curve.of, curve.points] for curve in timeline.curves],
        "outages": [[o.direction, o.from_ns, o.until_ns, _seconds(o.bound_ns)] for o in timeline.outages],
        "stimuli": timeline.stimuli,
    }


def pack_stays(drawn: Map | None) -> dict[str, Any]:
    """Where each roaming node is, from when on."""
    return {
        node: [[stay.since_ns, stay.segments, stay.row] for stay in stays]
        for node, stays in (drawn.stays if drawn else {}).items()
    }


def places(chain: Sequence[CausalStep], ladder: Ladder, epoch_ns: int) -> list[tuple[str, int, bool] | None]:
    """For each step of the chain the row that shows it: ("arrow" or "notice", its number, whether at its arrival)."""
    journey_of: dict[int, tuple[int, bool]] = {}
    for number, journey in enumerate(ladder.journeys):
        for sighting in journey.seen:
            journey_of[sighting.index] = (number, sighting is not journey.seen[0])
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, arrow in enumerate(ladder.arrows):
        first.setdefault(arrow.leg.journey, number)
        last[arrow.leg.journey] = number
    notices = [row for row in ladder.rows if isinstance(row, Notice)]
    told = {(notice.node, notice.time_ns - epoch_ns): number for number, notice in enumerate(notices)}
    found: list[tuple[str, int, bool] | None] = []
    for step in chain:
        place, arrival = journey_of.get(-1 if step.packet is None else step.packet, (-1, False))
        notice = told.get((step.node, round(step.t * 1e9)))
        if place in first:
            found.append(("arrow", last[place] if arrival else first[place], arrival))
        elif step.packet is None and notice is not None:
            found.append(("notice", notice, False))
        else:
            found.append(None)
    return found


def marks(
    taken: Iterable[FigureStep], where: Sequence[tuple[str, int, bool] | None]
) -> list[tuple[int, str, int, bool]]:
    """The numbers of a figure's steps at the rows that show them."""
    return [
        (step.number, *place)
        for step in taken
        if step.place is not None and (place := where[step.place]) is not None
    ]


def _place(nics: Texts, sighting: IpDatagram) -> int:
    """The number of (NIC, direction, tunnel) of a sighting."""
    return nics((f"{sighting.node}.{sighting.nic}", sighting.direction.name, tunnel_label(sighting.outer)))


def _steps(times: Sequence[int]) -> list[int]:
    return [time - before for before, time in pairwise((0, *times))]


def _flags(arrow: Arrow) -> int:
    journey = arrow.journey
    lost = journey.lost and arrow.leg.end is None
    unheard = journey.fate is Fate.UNHEARD
    under_way = arrow.leg.end is None and not lost and not unheard
    return (
        TOLD * arrow.told
        | LOST * lost
        | AGAIN * journey.again
        | UNDER_WAY * under_way
        | APPEARED * journey.appeared
        | UNHEARD * unheard
    )


def _seconds(time_ns: int | None) -> float | None:
    return None if time_ns is None else time_ns / 1e9
