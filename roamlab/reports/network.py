"""The topology laid out for drawing: where each node stands, and which segment the mobile node's NICs are on when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from roamlab.record.event import Event
from roamlab.record.events import NicAttach, NicDetach, NicMove, NicPlug, NicUnplug
from roamlab.reports.story import Story
from roamlab.topologies import RoamingTopo

_ASIDE: Final = 0.68  # how far beside its segment a host stands that does not move, in columns
_BELOW: Final = 0.5  # and below it, in rows


@dataclass(frozen=True, slots=True)
class Position:
    """Where a node stands, in columns from the left and rows from the top. ``note`` is a segment's prefix."""

    name: str
    role: str
    column: float
    row: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """A wired link; ``delay_s`` is one way."""

    left: str
    right: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Stay:
    """The segments that a roaming node's NICs are on from ``since_ns`` on, and so where it stands."""

    since_ns: int
    segments: tuple[str, ...]
    column: float
    row: float


@dataclass(frozen=True, slots=True)
class Map:
    """A drawn topology. ``stays`` has the history of each node that roams; its first entry is from the run's start on."""

    places: Mapping[str, Position]
    wires: tuple[Wire, ...]
    stays: Mapping[str, tuple[Stay, ...]]
    columns: float
    rows: float

    def links(self, route: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The links that a packet took that was seen at these nodes in turn, through the segments between them."""
        for left, right in pairwise(dict.fromkeys(route)):
            yield from pairwise(self._between(left, right))

    def _between(self, left: str, right: str) -> tuple[str, ...]:
        if right not in self._near(left):
            middle = sorted(self._near(left) & self._near(right))
            if middle:
                return left, middle[0], right
        return left, right

    def _near(self, node: str) -> set[str]:
        near = {w.right if w.left == node else w.left for w in self.wires if node in (w.left, w.right)}
        return near | {segment for stay in self.stays.get(node, ()) for segment in stay.segments}


def configured_addresses(topology: RoamingTopo | None) -> dict[str, str]:
    """The node of each address that the topology configures."""
    owners = {}
    for left, right, info in topology.links(withInfo=True) if topology else ():
        for node, name in ((left, "params1"), (right, "params2")):
            owners.update({str(a).partition("/")[0]: node for a in (info.get(name) or {}).get("ip") or ()})
    return owners


def lay_out(story: Story) -> Map | None:
    """The story's topology from left (the mobile node) to right (its correspondent); None where there is none."""
    return None if story.topology is None else laid_out(story.topology, story.plan, story.events)


def laid_out(topology: RoamingTopo, plan: Mapping[str, Any], events: Sequence[Event] = ()) -> Map:
    """A topology laid out; ``plan`` says of which family prefixes are shown, ``events`` where mobile nodes went."""
    edges = [(left, right, info) for left, right, info in topology.links(withInfo=True)]
    neighbours: dict[str, list[str]] = {}
    for left, right, _ in edges:
        neighbours.setdefault(left, []).append(right)
        neighbours.setdefault(right, []).append(left)
    depths, rows = _tree(topology, neighbours)
    aside = {
        name: neighbours[name][0]
        for name in depths
        if _role(topology, name) == "host" and neighbours[name][0] in topology.segments
    }
    deepest = max(depth for name, depth in depths.items() if name not in aside) + 1
    places = {
        name: Position(
            name, _role(topology, name), deepest - depth, rows[name], _prefix(topology, name, plan)
        )
        for name, depth in depths.items()
    }
    beside: dict[str, int] = {}
    for name, at in aside.items():
        nth = beside[at] = beside.get(at, 0) + 1
        away = _BELOW * ((nth + 1) // 2)  # the first stands below the segment, the second above it, and so on
        row = places[at].row + (away if nth % 2 else -away)
        places[name] = Position(name, "host", places[at].column - _ASIDE, row)
    stays = _stays(events, topology, places)
    wires = tuple(
        Wire(left, right, float(info.get("delay", 0.0)))
        for left, right, info in edges
        if left in places and right in places
    )
    return Map(places, wires, stays, deepest, max(place.row for place in places.values()) + 1)


def _tree(
    topology: RoamingTopo, neighbours: Mapping[str, list[str]]
) -> tuple[dict[str, int], dict[str, float]]:
    """Distance from the correspondent node, and a row for each node: leaves one each, others amid their own."""
    depths: dict[str, int] = {}
    rows: dict[str, float] = {}
    leaves = 0

    def visit(node: str, depth: int) -> float:
        nonlocal leaves
        depths[node] = depth
        below = [
            visit(other, depth + 1)
            for other in neighbours.get(node, ())
            if other not in depths and other not in topology.mobiles
        ]
        if not below:
            leaves += 1
        rows[node] = sum(below) / len(below) if below else float(leaves - 1)
        return rows[node]

    visit(topology.correspondent, 0)
    return depths, rows


def _role(topology: RoamingTopo, name: str) -> str:
    if name == topology.correspondent:
        return "correspondent"
    if name in topology.segments:
        return "segment"
    return "router" if topology.nodeInfo(name).get("forward") else "host"


def _prefix(topology: RoamingTopo, name: str, plan: Mapping[str, Any]) -> str:
    if name not in topology.segments:
        return ""
    subnet = topology.segments[name].subnet
    return str(subnet.ipv6 if plan.get("parameters", {}).get("family") == 6 else subnet)


def _stays(
    events: Sequence[Event], topology: RoamingTopo, places: Mapping[str, Position]
) -> dict[str, tuple[Stay, ...]]:
    at: dict[str, dict[str, str]] = {
        node: {start.nic: start.segment.name}
        for node, start in topology.starts.items()
        if node in topology.mobiles and start.segment is not None
    }
    history: dict[str, list[Stay]] = {
        node: [_stay(0, tuple(nics.values()), places, None)] for node, nics in at.items()
    }
    for event in events:
        if event.node not in at:
            continue
        nics, before = at[event.node], history[event.node]
        match event:
            case NicAttach(nic, segment) | NicPlug(nic, segment) | NicMove(nic, segment) if (
                segment in topology.segments
            ):
                nics[nic] = segment
            case NicDetach(nic) | NicUnplug(nic):
                nics.pop(nic, None)
            case _:
                continue
        before.append(_stay(event.t, tuple(dict.fromkeys(nics.values())), places, before[-1]))
    return {node: tuple(stays) for node, stays in history.items()}


def _stay(
    since_ns: int, segments: tuple[str, ...], places: Mapping[str, Position], before: Stay | None
) -> Stay:
    """A node stands before its segments, amid them; without any it stays where it was."""
    if not segments:
        return Stay(since_ns, (), before.column if before else 0.0, before.row if before else 0.0)
    row = sum(places[segment].row for segment in segments) / len(segments)
    return Stay(since_ns, segments, 0.0, row)
