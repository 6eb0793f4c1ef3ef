"""WireGuard's reader: each packet inside is found in the one outside that carried it."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from ipaddress import IPv4Address

from roamlab.protocols.ip import UDP, Datagram
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, UdpPacket
from roamlab.protocols.transport import Udp
from roamlab.transports import udp
from roamlab.transports.wireguard_reader import PORT, WireguardReader

OLD, NEW, PEER, MINE, THEIRS = (
    IPv4Address(text)
    for text in ("192.0.2.10", "198.51.100.10", "203.0.113.10", "203.0.113.253", "203.0.113.254")
)
FIRST_KEYS, SECOND_KEYS = 1, 2


class _Sink:
    def __init__(self) -> None:
        self.names: dict[Hashable, str] = {}
        self.messages: list[tuple[int, str, int]] = []

    def carrier(self, key: Hashable, name: str) -> None:
        self.names[key] = name

    def also(self, key: Hashable, other: Hashable) -> None:
        raise AssertionError((key, other))

    def known(self, key: Hashable) -> bool:
        return key in self.names

    def message(self, packet: IpDatagram, data: bytes, key: Hashable) -> None:
        self.messages.append((packet.time_ns, str(packet.source), int.from_bytes(data[-4:], "big")))
        assert key in self.names

    def ended(self, packet: IpDatagram, key: Hashable, how: str) -> None:
        raise AssertionError((packet, key, how))


class _Wire:
    """Packets as a node's NICs would show them, in the capture's order."""

    def __init__(self, way: Way) -> None:
        self.sink = _Sink()
        self._reader = WireguardReader(udp.TRANSPORT.reader())
        self._way = way
        self._count = 0

    def inside(self, time_ns: int, number: int, size: int = 100) -> None:
        """A message of the session, told by a number in its last bytes."""
        message = Message(Kind.DATA, Direction.UP, 1, number, 0).encode(size - 4) + number.to_bytes(4, "big")
        self._see(time_ns, "wg0", MINE, THEIRS, 5001, message)

    def outside(
        self, time_ns: int, counter: int, size: int = 100, source: IPv4Address = OLD, keys: int = FIRST_KEYS
    ) -> None:
        """A packet of the tunnel that holds a message of that size."""
        padded = (size + 28 + 15) // 16 * 16
        payload = struct.pack("<IIQ", 4, keys, counter) + bytes(padded + 16)
        self._see(time_ns, "wlan0", source, PEER, PORT, payload)

    def keepalive(self, time_ns: int, counter: int, keys: int = FIRST_KEYS) -> None:
        """A packet of the tunnel that holds nothing."""
        self._see(time_ns, "wlan0", OLD, PEER, PORT, struct.pack("<IIQ", 4, keys, counter) + bytes(16))

    def _see(
        self, time_ns: int, nic: str, source: IPv4Address, to: IPv4Address, port: int, payload: bytes
    ) -> None:
        raw = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
        datagram = Datagram(source, to, UDP, 64, raw)
        packet = UdpPacket(self._count, time_ns, "mn", nic, self._way, datagram, Udp.decode(raw))
        self._count += 1
        self._reader.read(packet, self.sink)


def test_a_message_leaves_with_the_packet_that_carries_it() -> None:
    wire = _Wire(Way.OUT)
    wire.inside(10, 0)
    assert wire.sink.messages == []  # it has not left
    wire.outside(20, 0)
    wire.outside(30, 1)  # captured before its own inside, at the same instant
    wire.inside(30, 1)
    assert wire.sink.messages == [(20, str(OLD), 0), (30, str(OLD), 1)]
    assert next(iter(wire.sink.names.values())).endswith("inside WireGuard")


def test_what_found_no_way_out_has_used_up_its_number() -> None:
    wire = _Wire(Way.OUT)
    wire.inside(10, 0)
    wire.outside(10, 0)
    for number in (1, 2, 3):
        wire.inside(20 + number, number)  # no route
    wire.keepalive(30, 4)
    wire.inside(40, 4)
    wire.outside(40, 5, source=NEW)
    assert wire.sink.messages == [(10, str(OLD), 0), (40, str(NEW), 4)]


def test_new_keys_count_from_the_beginning_and_what_waited_for_them_goes_first() -> None:
    wire = _Wire(Way.OUT)
    wire.inside(10, 0)
    wire.outside(10, 0)
    wire.inside(20, 1, size=300)
    wire.inside(21, 2)
    wire.keepalive(30, 0, SECOND_KEYS)
    wire.outside(30, 1, size=300, keys=SECOND_KEYS)
    wire.outside(30, 2, keys=SECOND_KEYS)
    assert [(t, n) for t, _, n in wire.sink.messages] == [(10, 0), (30, 1), (30, 2)]


def test_a_length_that_cannot_hold_it_carries_nothing() -> None:
    wire = _Wire(Way.OUT)
    wire.inside(10, 0, size=300)
    wire.outside(10, 0, size=100)
    assert wire.sink.messages == []


def test_what_comes_is_dated_when_it_came_to_the_nic() -> None:
    wire = _Wire(Way.IN)
    wire.outside(10, 7)  # dropped by the tunnel: nothing came out
    wire.keepalive(11, 8)
    later = 10 + 200_000_000
    wire.outside(later, 9)
    wire.inside(later + 5, 0)
    wire.inside(later + 9, 1)  # the NIC that came last stands behind the tunnel's in the capture
    wire.outside(later + 9, 10)
    assert [(t, n) for t, _, n in wire.sink.messages] == [(later, 0), (later + 9, 1)]
