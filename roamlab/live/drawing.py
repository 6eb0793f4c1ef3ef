"""The network of a run, laid out for the page: the same places that reports draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from roamlab.reports.network import laid_out
from roamlab.topologies import RoamingTopo


class Spot(msgspec.Struct, frozen=True):
    """Where a node stands, in columns and rows."""

    name: str
    role: str
    column: float
    row: float
    note: str


class Wire(msgspec.Struct, frozen=True):
    """A wired link and its delay, ms one way."""

    a: str
    b: str
    ms: float


class Roamer(msgspec.Struct, frozen=True):
    """A mobile node and the NIC that it starts with."""

    name: str
    nic: str
    segment: str


class Drawing(msgspec.Struct, frozen=True):
    """A network as the page draws it."""

    spots: list[Spot]
    wires: list[Wire]
    roamers: list[Roamer]
    segments: list[str]
    columns: float
    rows: float


def draw(topology: RoamingTopo, plan: Mapping[str, Any]) -> Drawing:
    """Lay a topology out. ``plan`` is the run's, for the family that prefixes are shown of."""
    laid = laid_out(topology, plan)
    return Drawing(
        spots=[Spot(p.name, p.role, p.column, p.row, p.note) for p in laid.places.values()],
        wires=[Wire(w.left, w.right, round(w.delay_s * 1000, 3)) for w in laid.wires],
        roamers=[
            Roamer(node, start.nic, start.segment.name)
            for node, start in topology.starts.items()
            if node in topology.mobiles and start.segment is not None
        ],
        segments=list(topology.segments),
        columns=laid.columns,
        rows=laid.rows,
    )
