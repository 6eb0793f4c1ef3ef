"""usrsctp without its library: what its notifications say, and in which order it is told of addresses."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable
from itertools import count

import pytest

from roamlab.protocols import ip, pcapng, trace
from roamlab.protocols.ip import Datagram
from roamlab.protocols.pcapng import CaptureFile, Direction, Packet
from roamlab.protocols.trace import SctpPacket
from roamlab.record.event import Event
from roamlab.transports import usrsctp_addresses, usrsctp_library
from roamlab.transports.base import Readable
from roamlab.transports.usrsctp_addresses import UsrsctpAddresses
from roamlab.transports.usrsctp_channel import UsrsctpAssociation
from roamlab.transports.usrsctp_library import AssociationChange, OtherChange, PeerAddressChange, sockaddr

MS = 1_000_000


class _World:
    """A clock, a loop, a library and an association that write down what they are told, and when (ms)."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.told: list[tuple[int, str]] = []
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.running = False
        nics = [("A", (1, "wlan0")), ("X", (1, "wlan0")), ("B", (2, "wlan1"))]
        patch.setattr(usrsctp_addresses, "listed", lambda family: nics)
        patch.setattr(usrsctp_addresses, "_now_ns", lambda: self.now)
        patch.setattr(usrsctp_addresses.Library, "running", lambda: self if self.running else None)

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when_ns, next(self._order), action))

    def on_readable(self, source: Readable, action: Callable[[], None]) -> None:
        raise AssertionError((source, action))

    def emit(self, event: Event) -> None:
        raise AssertionError(event)

    def pass_ms(self, many: int) -> None:
        until = self.now + many * MS
        while self._due and self._due[0][0] <= until:
            self.now, _, action = heapq.heappop(self._due)
            action()
        self.now = until

    def address_up(self, address: str, index: int, nic: str) -> None:
        self._write(f"+{address} {nic}/{index}")

    def address_down(self, address: str, index: int, nic: str) -> None:
        self._write(f"-{address} {nic}/{index}")

    def set_primary(self, address: str) -> None:
        self._write(f"primary {address}")

    def _write(self, what: str) -> None:
        self.told.append((self.now // MS, what))


class _Association(UsrsctpAssociation):
    def __init__(self, world: _World) -> None:
        self._world = world

    def set_primary(self, address: str) -> None:
        self._world.set_primary(address)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> _World:
    return _World(monkeypatch)


def opened(world: _World, *, plain: bool = False) -> UsrsctpAddresses:
    """Addresses of a node that had A when usrsctp was started, with an association."""
    addresses = UsrsctpAddresses(world, 4, plain=plain)
    addresses.address_up("A")
    world.running = True
    addresses.opened(_Association(world))
    return addresses


def test_a_new_address_is_told_when_the_loss_of_the_last_was_seen(world: _World) -> None:
    addresses = opened(world)
    addresses.address_down("A")
    addresses.address_up("X")
    world.pass_ms(100)
    assert world.told == [(0, "-A wlan0/1"), (15, "+X wlan0/1")]


def test_after_a_gap_nothing_is_waited_for(world: _World) -> None:
    addresses = opened(world)
    addresses.address_down("A")
    world.pass_ms(2000)
    addresses.address_up("X")
    world.pass_ms(100)
    assert world.told == [(0, "-A wlan0/1"), (2000, "+X wlan0/1")]


def test_beside_another_it_is_preferred_and_the_other_goes_when_it_does(world: _World) -> None:
    addresses = opened(world)
    addresses.address_up("B")
    world.pass_ms(1000)
    addresses.address_down("A")
    world.pass_ms(100)
    assert world.told == [(1, "+B wlan1/2"), (16, "primary B"), (1000, "-A wlan0/1")]


def test_one_that_goes_as_another_comes_is_told_first(world: _World) -> None:
    addresses = opened(world)
    addresses.address_up("B")
    addresses.address_down("A")
    world.pass_ms(100)
    assert world.told == [(0, "-A wlan0/1"), (15, "+B wlan1/2")]


def test_plainly_it_is_told_at_once(world: _World) -> None:
    addresses = opened(world, plain=True)
    addresses.address_down("A")
    addresses.address_up("X")
    world.pass_ms(100)
    assert world.told == [(0, "-A wlan0/1"), (0, "+X wlan0/1")]


def test_one_that_is_gone_before_it_was_told_is_never_told(world: _World) -> None:
    addresses = opened(world)
    addresses.address_down("A")
    addresses.address_up("X")
    addresses.address_down("X")
    addresses.address_up("A")
    world.pass_ms(100)
    assert world.told == [(0, "-A wlan0/1"), (15, "+A wlan0/1")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (struct.pack("=HHIHHHHI", 1, 0, 20, 2, 12, 10, 10, 7), AssociationChange(2, 12)),
        (
            struct.pack("=HHI", 2, 0, 152)
            + sockaddr("192.0.2.10", 5001).ljust(128, b"\0")
            + struct.pack("=IIII", 4, 0, 7, 0),
            PeerAddressChange("192.0.2.10", 4, 0),
        ),
        (
            struct.pack("=HHI", 2, 0, 152)
            + sockaddr("2001:db8::1", 0).ljust(128, b"\0")
            + struct.pack("=IIII", 6, 0, 7, 0),
            PeerAddressChange("2001:db8::1", 6, 0),
        ),
        (struct.pack("=HHI", 6, 0, 16) + bytes(8), OtherChange(6)),
    ],
)
def test_a_notification_is_read(data: bytes, told: object) -> None:
    assert usrsctp_library._notification(data) == told


def test_sctp_inside_udp_is_read_as_sctp() -> None:
    """RFC 6951, 5.1: to UDP port 9899, from whatever port a NAT made of it."""
    common = struct.pack("!HHII", 4001, 5001, 0xABCD, 0)
    shutdown_complete = struct.pack("!BBH", 14, 0, 4)
    payload = common + shutdown_complete
    source, destination = ip.ipv4(bytes([192, 0, 2, 10])), ip.ipv4(bytes([203, 0, 113, 10]))
    datagram = ip.encode(
        Datagram(
            source, destination, ip.UDP, 64, struct.pack("!HHHH", 30001, 9899, 8 + len(payload), 0) + payload
        )
    )
    packet = Packet(1, "mn.wlan0", pcapng.RAW, Direction.OUT, datagram, len(datagram))
    (seen,) = trace.lift(
        CaptureFile((pcapng.Interface("mn.wlan0", pcapng.RAW),), (packet,), truncated=False)
    ).sightings
    assert isinstance(seen, SctpPacket)
    assert (seen.sport, seen.dport, seen.tag) == (4001, 5001, 0xABCD)
    assert [chunk.name for chunk in seen.chunks] == ["SHUTDOWN-COMPLETE"]
