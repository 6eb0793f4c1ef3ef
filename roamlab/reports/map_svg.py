"""The topology as SVG for a page: its style sheet colours it, its script moves the mobile node."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from roamlab.reports import svg
from roamlab.reports.network import Map, Position, Stay

_COLUMN: Final = 108
_ROW: Final = 76
_LEFT: Final = 34
_TOP: Final = 46
_RADIUS: Final = 19
_SHORT: Final = 2


def draw(network: Map) -> Markup:
    """Nodes and links, with each roaming node where it was first (dashed), where it came to, and where it is."""
    width = _LEFT * 2 + _COLUMN * network.columns
    height = _TOP * 2 + _ROW * max(network.rows - 1, 1)
    wires = [
        _link(left, right, network.places[left], network.places[right], wire.delay_s)
        for wire in network.wires
        for left, right in [(wire.left, wire.right)]
    ]
    air = [
        _air(node, segment, stay, network.places[segment])
        for node, stays in network.stays.items()
        for stay in stays
        for segment in stay.segments
    ]
    nodes = [_node(place) for place in network.places.values()]
    ghosts = [ghost for stays in network.stays.values() for ghost in _ghosts(stays)]
    roaming = [_roaming(node, stays) for node, stays in network.stays.items()]
    return svg.element(
        "svg",
        svg.element("title", _title(network)),
        *wires,
        *air,
        *ghosts,
        *nodes,
        *roaming,
        class_="map",
        viewBox=f"0 0 {svg.number(width)} {svg.number(height)}",
        role="img",
        data_row=_ROW,
        data_top=_TOP,
        data_left=_LEFT,
    )


def _title(network: Map) -> str:
    said = []
    for node, stays in network.stays.items():
        ways = [" and ".join(stay.segments) or "no segment" for stay in stays]
        said.append(f"{node}: first on {', then on '.join(ways)}")
    return "The network. " + "; ".join(said)


def _at(column: float, row: float) -> tuple[float, float]:
    return _LEFT + _COLUMN * column, _TOP + _ROW * row


def _link(left: str, right: str, a: Position, b: Position, delay_s: float) -> Markup:
    (x1, y1), (x2, y2) = _at(a.column, a.row), _at(b.column, b.row)
    parts = [svg.line(x1, y1, x2, y2, class_="wire")]
    if delay_s:
        parts.append(
            svg.text(
                (x1 + x2) / 2,
                (y1 + y2) / 2 - 8,
                f"{delay_s * 1e3:g} ms",
                class_="delay",
                text_anchor="middle",
            )
        )
    return svg.element("g", *parts, class_="link", data_a=left, data_b=right)


def _air(node: str, segment: str, stay: Stay, place: Position) -> Markup:
    (x1, y1), (x2, y2) = _at(stay.column, stay.row), _at(place.column, place.row)
    return svg.element(
        "g",
        svg.line(x1 + _RADIUS, y1, x2 - 40, y2, class_="air"),
        class_="link wireless",
        data_a=node,
        data_b=segment,
        data_since=str(stay.since_ns),
    )


def _node(place: Position) -> Markup:
    x, y = _at(place.column, place.row)
    if place.role == "segment":
        shape = [
            svg.element("rect", x=x - 40, y=y - 15, width=80, height=30, rx=15, class_="shape"),
            svg.text(x, y + 4, place.name, text_anchor="middle", class_="name"),
            svg.text(x, y + 30, place.note, text_anchor="middle", class_="note"),
        ]
    else:
        inside = len(place.name) <= _SHORT + 1
        shape = [
            svg.element("rect", x=x - 19, y=y - 15, width=38, height=30, rx=7, class_="shape")
            if place.role == "router"
            else svg.element(
                "circle", cx=x, cy=y, r=_RADIUS if place.role == "correspondent" else 13, class_="shape"
            ),
            svg.text(x, y + (4 if inside else 31), place.name, text_anchor="middle", class_="name"),
        ]
    return svg.element("g", *shape, class_=f"node {place.role}")


def _ghosts(stays: tuple[Stay, ...]) -> list[Markup]:
    """Where a node was at first and where it was at last, when these differ."""
    first, last = stays[0], stays[-1]
    if (first.row, first.segments) == (last.row, last.segments):
        return []
    ghosts = []
    for stay, other, word in ((first, last, "before"), (last, first, "after")):
        x, y = _at(stay.column, stay.row)
        label = y - _RADIUS - 10 if stay.row < other.row else y + _RADIUS + 19
        ghosts.append(
            svg.element(
                "g",
                svg.element("circle", cx=x, cy=y, r=_RADIUS + 4, class_="shape"),
                svg.text(x, label, word, text_anchor="middle", class_="note"),
                class_="ghost",
            )
        )
    return ghosts


def _roaming(node: str, stays: tuple[Stay, ...]) -> Markup:
    x, y = _at(stays[-1].column, stays[-1].row)
    return svg.element(
        "g",
        svg.element("circle", cx=0, cy=0, r=_RADIUS, class_="shape"),
        svg.text(0, 4, node, text_anchor="middle", class_="name"),
        class_="node mobile",
        data_node=node,
        transform=f"translate({svg.number(x)} {svg.number(y)})",
    )
