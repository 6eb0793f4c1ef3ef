"""Packets on their way: a capture's sightings joined to one journey a packet, and a journey cut into what is drawn.

A packet is captured at every NIC on its way. Sightings belong together when they are the same bytes between the same
addresses and hop limits agree: a link does not change a packet, a router takes one from its hop limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from itertools import pairwise

from roamlab.protocols.ip import Datagram
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.sctp import chunks
from roamlab.protocols.trace import IcmpPacket, IpDatagram, SctpPacket, TcpPacket, UdpPacket
from roamlab.record.event import Event
from roamlab.record.events import AddressUp, NicConfigure

_BROADCAST = IPv4Address("255.255.255.255")
_AGENT_DISCOVERY = (9, 10)  # ICMP types of RFC 5944, 2
_LOWEST_INFORMATION_TYPE = 128  # ICMPv6: errors are below (RFC 4443, 2.1)


class Fate(Enum):
    """What became of a packet. UNDER_WAY: the capture ended before it could have arrived. UNHEARD: it was for a group."""

    ARRIVED = "arrived"
    LOST = "lost"
    UNDER_WAY = "under way"
    UNHEARD = "received by no node"


@dataclass(frozen=True, slots=True)
class Journey:
    """One packet from where it left to where it was seen last.

    ``seen`` are its sightings in order. ``again`` says that something in it had been sent before: a DATA chunk with the same
    TSN, say.
    """

    seen: tuple[IpDatagram, ...]
    fate: Fate
    again: bool

    @property
    def packet(self) -> IpDatagram:
        """The packet as it was first seen."""
        return self.seen[0]

    @property
    def arrived(self) -> bool:
        """Whether it was seen at the node that it was for."""
        return self.fate is Fate.ARRIVED

    @property
    def lost(self) -> bool:
        """Whether it left and never arrived, though it had the time to."""
        return self.fate is Fate.LOST

    @property
    def appeared(self) -> bool:
        """Whether it was only seen coming in: whoever sent it was not captured."""
        return self.seen[0].direction is not Direction.OUT


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a journey between two columns, one arrow. Times in ns (the capture's clock).

    ``end`` is None where the packet did not arrive, and ``until_ns`` then is when it was seen last. ``tunnels`` are the
    datagrams around the packet on this leg, outermost first.
    """

    journey: int
    start: str
    end: str | None
    from_ns: int
    until_ns: int
    tunnels: tuple[Datagram, ...]


def journeys(sightings: Iterable[object], owners: Mapping[str, str]) -> list[Journey]:
    """The journeys of all packets worth drawing, by the time they left.

    ``owners`` names the node of each address; a packet to an address without an owner arrives where it was seen last.
    """
    ways: dict[Hashable, list[IpDatagram]] = {}
    for sighting in sightings:
        key = _identity(sighting)
        if key is not None and isinstance(sighting, IpDatagram):
            ways.setdefault((key, sighting.source, sighting.destination), []).append(sighting)
    found = [way for group in ways.values() for way in _follow(group)]
    found.sort(key=lambda way: (way[0].time_ns, way[0].index))
    arrived = [_arrived(way, owners) for way in found]
    slowest = max((w[-1].time_ns - w[0].time_ns for w, a in zip(found, arrived, strict=True) if a), default=0)
    latest = max((way[-1].time_ns for way in found), default=0) - slowest
    sent: set[Hashable] = set()
    return [
        Journey(tuple(way), _fate(way, arrived=there, latest_ns=latest), _again(way[0], sent))
        for way, there in zip(found, arrived, strict=True)
    ]


def tunnel_ends(found: Iterable[Journey]) -> set[str]:
    """The nodes that put packets into tunnels or take them out."""
    return {
        before.node
        for journey in found
        for before, after in pairwise(journey.seen)
        if before.node == after.node and _wrapping(before) != _wrapping(after)
    }


def legs(found: Sequence[Journey], columns: Sequence[str], owners: Mapping[str, str]) -> Iterator[Leg]:
    """Every journey as arrows between columns: one, or one each side of where it goes into or out of a tunnel.

    Who sent a packet that was first seen coming in is not known; its source address says who claims to.
    """
    shown = set(columns)
    for number, journey in enumerate(found):
        seen = journey.seen
        start = seen[0]
        if for_a_group(start) and not {start.node, seen[-1].node} <= shown:
            continue  # nobody in the picture said or heard it
        if start.node not in shown or journey.appeared:
            claimed = owners.get(str(start.source))
            other = next((node for node in columns if node != seen[-1].node), start.node)
            sender = claimed if claimed in shown and claimed is not None else other
            end = seen[-1].node if journey.arrived else None
            yield Leg(number, sender, end, start.time_ns, seen[-1].time_ns, start.outer)
            continue
        for before, after in pairwise(seen):
            if (
                before.node == after.node
                and before.node in shown
                and _wrapping(before) != _wrapping(after)
                and before is not seen[0]
            ):
                yield Leg(number, start.node, before.node, start.time_ns, before.time_ns, before.outer)
                start = after
        last = seen[-1]
        end = last.node if journey.arrived else None
        yield Leg(number, start.node, end, start.time_ns, last.time_ns, start.outer)


def addresses(events: Iterable[Event], configured: Mapping[str, str]) -> dict[str, str]:
    """The node of each address: those ``configured`` by the topology, and those that events say came up."""
    owners = dict(configured)
    for event in events:
        match event:
            case AddressUp(_, address):
                owners[address] = event.node
            case NicConfigure(_, given):
                owners.update({address.partition("/")[0]: event.node for address in given})
    return owners


def _identity(sighting: object) -> Hashable | None:
    """What tells a packet from others between the same addresses; None for what is not worth drawing."""
    match sighting:
        case SctpPacket():
            return sighting.message.raw
        case UdpPacket() | TcpPacket():
            return sighting.datagram.payload
        case IcmpPacket():
            shown = (
                sighting.icmp.type in (3, 5, *_AGENT_DISCOVERY, 11, 12)
                if sighting.source.version == 4
                else sighting.icmp.type < _LOWEST_INFORMATION_TYPE
            )
            return sighting.datagram.payload if shown else None
    return None


def _follow(group: Sequence[IpDatagram]) -> list[list[IpDatagram]]:
    """Sightings of equal packets, sorted into the ways of each.

    Of sightings at the same instant the capture's order says nothing, so each takes the place that fits it.
    """
    ways: list[list[IpDatagram]] = []
    open_: dict[Hashable, deque[list[IpDatagram]]] = {}
    position = 0
    while position < len(group):
        end = position
        while end < len(group) and group[end].time_ns == group[position].time_ns:
            end += 1
        waiting = list(group[position:end])
        position = end
        while waiting:
            chosen = next(
                (s for take in (_take, _take_far) for s in waiting if (way := take(s, open_)) is not None),
                None,
            )
            if chosen is None:
                chosen = next((s for s in waiting if s.direction is Direction.OUT), waiting[0])
                way = []
                ways.append(way)
            assert way is not None
            waiting.remove(chosen)
            way.append(chosen)
            open_.setdefault(_left(chosen), deque()).append(way)
    return ways


def _left(sighting: IpDatagram) -> Hashable:
    """What the next sighting of a packet is looked up by: the node that it is at, or the link that it is on."""
    if sighting.direction is not Direction.OUT:
        return ("at", sighting.node)
    return ("on", _hop_limit(sighting), _wrapping(sighting))


def _take(sighting: IpDatagram, open_: Mapping[Hashable, deque[list[IpDatagram]]]) -> list[IpDatagram] | None:
    """The earliest way that this sighting continues, taken from those that wait to be continued."""
    if sighting.direction is Direction.OUT:
        waiting = open_.get(("at", sighting.node))
        return waiting.popleft() if waiting else None
    return _first_elsewhere(sighting, open_.get(("on", _hop_limit(sighting), _wrapping(sighting))))


def _take_far(
    sighting: IpDatagram, open_: Mapping[Hashable, deque[list[IpDatagram]]]
) -> list[IpDatagram] | None:
    """The way that an incoming sighting continues past routers whose NICs were not captured: its hop limit was higher."""
    if sighting.direction is Direction.OUT:
        return None
    for key, waiting in open_.items():
        match key:
            case ("on", int() as hop_limit, wrapping) if hop_limit > _hop_limit(sighting):
                if wrapping == _wrapping(sighting) and (way := _first_elsewhere(sighting, waiting)):
                    return way
    return None


def _first_elsewhere(
    sighting: IpDatagram, waiting: deque[list[IpDatagram]] | None
) -> list[IpDatagram] | None:
    """The way that has waited longest for a sighting at another node than its last."""
    for way in waiting or ():
        if way[-1].node != sighting.node:
            assert waiting is not None
            waiting.remove(way)
            return way
    return None


def _hop_limit(packet: IpDatagram) -> int:
    return packet.outer[0].hop_limit if packet.datagram.outer else packet.datagram.hop_limit


def _wrapping(packet: IpDatagram) -> tuple[Hashable, ...]:
    if packet.datagram.outer is None:
        return ()
    return tuple((outer.source, outer.destination) for outer in packet.outer)


def for_a_group(packet: IpDatagram) -> bool:
    """Whether a packet is for whoever hears it: multicast, or the limited broadcast address."""
    return packet.destination.is_multicast or packet.destination == _BROADCAST


def _fate(way: Sequence[IpDatagram], *, arrived: bool, latest_ns: int) -> Fate:
    if arrived:
        return Fate.ARRIVED
    if for_a_group(way[0]):
        return Fate.UNHEARD
    return Fate.LOST if way[0].time_ns <= latest_ns else Fate.UNDER_WAY


def _arrived(way: Sequence[IpDatagram], owners: Mapping[str, str]) -> bool:
    last = way[-1]
    owner = owners.get(str(last.destination))
    return last.direction is not Direction.OUT and owner in (None, last.node)


def _again(packet: IpDatagram, sent: set[Hashable]) -> bool:
    """Whether anything in a packet was sent before; takes note of what it holds."""
    marks: list[Hashable] = []
    if isinstance(packet, SctpPacket):
        for chunk in packet.chunks:
            match chunk:
                case chunks.Data():
                    marks.append(("DATA", packet.tag, chunk.tsn))
                case chunks.Asconf() | chunks.AsconfAck():
                    marks.append((chunk.name, packet.tag, chunk.serial))
                case chunks.Init() | chunks.InitAck():
                    marks.append((chunk.name, packet.source, packet.destination, chunk.tag))
                case chunks.CookieEcho():
                    marks.append((chunk.name, packet.tag))
    elif isinstance(packet, TcpPacket) and packet.tcp.payload:
        tcp = packet.tcp
        marks.append((packet.source, tcp.sport, tcp.dport, tcp.sequence))
    again = any(mark in sent for mark in marks)
    sent.update(marks)
    return again
