"""Reads WireGuard from both of its sides: what a tunnel device shows, and the encrypted packets that carry it.

Nothing is decrypted. Packets go through a tunnel in order; a packet of WireGuard's has a counter, which its sender adds one to
for each, and a length that follows from the one inside (padded to 16 bytes, 32 more). So each packet inside is found in the one
that carried it, and a message counts as sent and arrived when and where the latter was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final

from roamlab.protocols import datagrams
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, Sighting, UdpPacket
from roamlab.transports.base import Reader, Sink

TUNNEL: Final = "wg0"
PORT: Final = 51820
_OVERHEAD: Final = 32
_STAGED: Final = 128  # packets that a peer waits with for its keys (MAX_STAGED_PACKETS)
_SOON_NS: Final = 100_000_000  # what a device is given from outside comes out inside by then, or not at all


class WireguardReader:
    """Has another reader read what is inside, and tells of it by the packets outside."""

    def __init__(self, inner: Reader) -> None:
        self._inner = inner
        self._outward: dict[str, _Outward] = {}
        self._inward: dict[str, _Inward] = {}

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the messages of a packet inside once it and the packet outside were seen, in whichever order."""
        if packet.nic == TUNNEL:
            if isinstance(packet, IpDatagram):
                seen = _Inside(packet, sink)
                self._inner.read(packet, seen)
                self._lane(packet).inside(seen)
        elif isinstance(packet, UdpPacket) and PORT in (packet.udp.sport, packet.udp.dport):
            payload = packet.udp.payload
            if datagrams.wireguard(payload) in ("data", "keepalive"):
                index, counter = (
                    int.from_bytes(payload[4:8], "little"),
                    int.from_bytes(payload[8:16], "little"),
                )
                self._lane(packet).outside(_Outside(packet, index, counter, len(payload) - _OVERHEAD))

    def _lane(self, packet: Sighting) -> _Outward | _Inward:
        if packet.direction is Way.OUT:
            return self._outward.setdefault(packet.node, _Outward())
        return self._inward.setdefault(packet.node, _Inward())


@dataclass(frozen=True, slots=True)
class _Outside:
    """An encrypted packet: for which session of keys of its receiver's, its number there, and how much it holds (bytes)."""

    packet: UdpPacket
    index: int
    counter: int
    holds: int


class _Inside:
    """A packet inside, which takes what the inner reader finds in it until it is known what carried it."""

    def __init__(self, packet: IpDatagram, sink: Sink) -> None:
        header = 40 if isinstance(packet.source, IPv6Address) else 20
        self.time_ns = packet.time_ns
        self._length = header + len(packet.datagram.payload)
        self._sink = sink
        self._found: list[tuple[bytes, Hashable]] = []

    def fits(self, outside: _Outside) -> bool:
        """Whether it can be what a packet outside holds."""
        return self._length <= outside.holds < self._length + 16

    def carried_by(self, outside: _Outside) -> None:
        """Tell of what was found."""
        for data, key in self._found:
            self._sink.message(outside.packet, data, key)

    # -- what the inner reader tells -------------------------------------------------------------------------------

    def carrier(self, key: Hashable, name: str) -> None:
        """A carrier exists."""
        self._sink.carrier(key, f"{name} inside WireGuard")

    def also(self, key: Hashable, other: Hashable) -> None:
        """Another key of a carrier."""
        self._sink.also(key, other)

    def known(self, key: Hashable) -> bool:
        """Whether a carrier has that key."""
        return self._sink.known(key)

    def message(self, packet: IpDatagram, data: bytes, key: Hashable) -> None:  # noqa: ARG002
        """A message, which counts from when its packet left or came."""
        self._found.append((data, key))

    def ended(self, packet: IpDatagram, key: Hashable, how: str) -> None:
        """A packet ended a carrier."""
        self._sink.ended(packet, key, how)


@dataclass(slots=True)
class _Outward:
    """What a node sends: packets inside by their places, from which a session's counters differ by a constant.

    A packet that found no way out has used up its number all the same; so has a keepalive, which is no packet inside.
    """

    _sent: list[_Inside] = field(default_factory=list)
    _next: int = 0
    _ahead: dict[int, int] = field(default_factory=dict)
    """By how much places are ahead of counters, by session."""
    _early: list[_Outside] = field(default_factory=list)
    """Packets outside that the capture has before their own inside: at the same instant."""

    def inside(self, packet: _Inside) -> None:
        """Take the next packet inside."""
        self._sent.append(packet)
        early, self._early = self._early, []
        for outside in early:
            self.outside(outside)

    def outside(self, packet: _Outside) -> None:
        """Find what a packet outside carries."""
        if packet.holds == 0:
            ahead = self._ahead.get(packet.index, self._next - packet.counter)
            self._ahead[packet.index] = ahead - 1
            return
        if packet.index not in self._ahead:
            first = self._first(packet)
            if first is None:
                self._early.append(packet)
                return
            self._ahead[packet.index] = first - packet.counter
        place = packet.counter + self._ahead[packet.index]
        if place >= len(self._sent):
            self._early.append(packet)
        elif place >= 0 and self._sent[place].fits(packet):
            self._sent[place].carried_by(packet)
            self._next = max(self._next, place + 1)

    def _first(self, packet: _Outside) -> int | None:
        """Which place the first packet of a session has: what waited longest for its keys, unless others went before it."""
        waiting = range(max(self._next, len(self._sent) - _STAGED), len(self._sent))
        order = waiting if packet.counter == 0 else reversed(waiting)
        return next((place for place in order if self._sent[place].fits(packet)), None)


@dataclass(slots=True)
class _Inward:
    """What comes to a node: packets come out of the tunnel in the order in which they went in, some never."""

    _outside: deque[_Outside] = field(default_factory=deque)
    _inside: deque[_Inside] = field(default_factory=deque)

    def inside(self, packet: _Inside) -> None:
        """Take what came out."""
        self._inside.append(packet)
        while self._outside and self._outside[0].packet.time_ns < packet.time_ns - _SOON_NS:
            self._outside.popleft()
        self._match()

    def outside(self, packet: _Outside) -> None:
        """Take what went in."""
        if packet.holds:
            self._outside.append(packet)
            self._match()

    def _match(self) -> None:
        while self._outside and self._inside:
            outside = self._outside.popleft()
            if self._inside[0].fits(outside):
                self._inside.popleft().carried_by(outside)
