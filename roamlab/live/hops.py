"""Packets that cross links, as they come: sightings of one packet joined while a capture grows.

A packet leaves a NIC and comes in at the next node as the same bytes between the same addresses with the same hop limit; a
router takes one from that. What is not seen coming in for a while is lost.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from roamlab.live.facts import Hop, Leg
from roamlab.protocols.ip import Datagram
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.trace import IcmpPacket, IpDatagram, SctpPacket, Sighting, TcpPacket, UdpPacket
from roamlab.reports import packets

_PATIENCE_NS: Final = 3 * 10**9
"""After which a packet that was not seen coming in is taken for lost."""
_LABEL: Final = 120
_DISCOVERY: Final = (3, 5, 9, 10, 11, 12)  # ICMP types worth drawing
_INFORMATION6: Final = 128  # ICMPv6: errors are below (RFC 4443, 2.1)
_BROADCAST: Final = IPv4Address("255.255.255.255")


@dataclass(slots=True)
class _Journey:
    """A packet from where it left."""

    start: IpDatagram
    kind: packets.Kind
    label: str


@dataclass(slots=True)
class _Crossing:
    """A packet on a link."""

    sighting: IpDatagram
    journey: _Journey


class Hops:
    """Joins sightings. ``epoch_ns`` is the run's start by the capture's clock; ``owners`` names the node of each address."""

    def __init__(self, epoch_ns: int, owners: Mapping[str, str]) -> None:
        self._epoch_ns = epoch_ns
        self._owners = owners
        self._on_links: OrderedDict[Hashable, deque[_Crossing]] = OrderedDict()
        self._at_nodes: OrderedDict[Hashable, deque[tuple[int, _Journey]]] = OrderedDict()

    def feed(self, sightings: Iterable[Sighting]) -> Iterator[Hop | Leg]:
        """What sightings show, given in the capture's order."""
        # At one instant the capture's order says nothing: what comes in is then looked at before what goes on.
        last_ns = 0
        for sighting in sorted(sightings, key=lambda s: (s.time_ns, s.direction is Direction.OUT)):
            last_ns = sighting.time_ns
            if isinstance(sighting, IpDatagram) and _is_shown(sighting):
                if sighting.direction is Direction.OUT:
                    self._leave(sighting)
                else:
                    yield from self._come(sighting)
        yield from self._give_up(last_ns - _PATIENCE_NS)

    def _leave(self, sighting: IpDatagram) -> None:
        waiting = self._at_nodes.get(key := (*_identity(sighting), sighting.node))
        journey = None
        if waiting:
            _, journey = waiting.popleft()
            if not waiting:
                del self._at_nodes[key]
        journey = journey or _Journey(sighting, packets.kind(sighting), _label(sighting))
        self._on_links.setdefault(_link(sighting), deque()).append(_Crossing(sighting, journey))

    def _come(self, sighting: IpDatagram) -> Iterator[Hop | Leg]:
        waiting = self._on_links.get(key := _link(sighting))
        crossing = next((c for c in waiting or () if c.sighting.node != sighting.node), None)
        if crossing is None or waiting is None:
            return
        if not sighting.destination.is_multicast:
            waiting.remove(crossing)
            if not waiting:
                del self._on_links[key]
        journey = crossing.journey
        yield self._hop(crossing, sighting.node, sighting.time_ns)
        if self._owners.get(str(sighting.destination), sighting.node) == sighting.node:
            yield self._leg(journey, sighting.node, sighting.time_ns)
        else:
            self._at_nodes.setdefault((*_identity(sighting), sighting.node), deque()).append(
                (sighting.time_ns, journey)
            )

    def _give_up(self, before_ns: int) -> Iterator[Hop | Leg]:
        """Tell of what was lost, and forget it."""
        for key in list(self._on_links):
            waiting = self._on_links[key]
            while waiting and waiting[0].sighting.time_ns < before_ns:
                crossing = waiting.popleft()
                destination = crossing.sighting.destination
                if destination.is_multicast or destination == _BROADCAST:
                    continue
                yield self._hop(crossing, "", crossing.sighting.time_ns, lost=True)
                peer = self._owners.get(str(destination), "")
                yield self._leg(crossing.journey, peer, crossing.sighting.time_ns, lost=True)
            if not waiting:
                del self._on_links[key]
        for key in list(self._at_nodes):
            kept = self._at_nodes[key]
            while kept and kept[0][0] < before_ns:
                kept.popleft()
            if not kept:
                del self._at_nodes[key]

    def _hop(self, crossing: _Crossing, node: str, until_ns: int, *, lost: bool = False) -> Hop:
        start, journey = crossing.sighting, crossing.journey
        return Hop(
            t=self._s(start.time_ns),
            u=self._s(until_ns),
            a=start.node,
            b=node,
            kind="tunnel" if start.outer and not journey.start.outer else journey.kind.value,
            label=journey.label,
            lost=lost,
        )

    def _leg(self, journey: _Journey, node: str, until_ns: int, *, lost: bool = False) -> Leg:
        return Leg(
            t=self._s(journey.start.time_ns),
            u=self._s(until_ns),
            a=journey.start.node,
            b=node,
            kind=journey.kind.value,
            label=journey.label,
            quiet=journey.kind.quiet,
            lost=lost,
        )

    def _s(self, time_ns: int) -> float:
        return (time_ns - self._epoch_ns) / 1e9


def _label(packet: IpDatagram) -> str:
    label = packets.label(packet)
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _is_shown(packet: IpDatagram) -> bool:
    if isinstance(packet, IcmpPacket):
        return (
            packet.icmp.type in _DISCOVERY if packet.source.version == 4 else packet.icmp.type < _INFORMATION6
        )
    return isinstance(packet, SctpPacket | UdpPacket | TcpPacket)


def _identity(packet: IpDatagram) -> tuple[Hashable, ...]:
    content = packet.message.raw if isinstance(packet, SctpPacket) else packet.datagram.payload
    return content, packet.source, packet.destination


def _link(packet: IpDatagram) -> Hashable:
    outermost: Datagram = packet.outer[0] if packet.outer else packet.datagram
    wrapping = tuple((outer.source, outer.destination) for outer in packet.outer)
    return (*_identity(packet), outermost.hop_limit, wrapping)
