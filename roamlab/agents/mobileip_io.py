"""Mobile IP's messages to and from the wire: UDP port 434, ICMP router discovery, ARP.

What comes in is read from a packet socket, because the machines want to know what no UDP socket tells: the sender's
link-layer address. What goes out takes the kernel's way (a UDP or a raw ICMP socket) unless the machine names the
link-layer destination itself.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from roamlab.linux.sockets import attach_filter
from roamlab.protocols.mobileip.actions import SendIcmp, SendUdp, UdpAddress
from roamlab.protocols.mobileip.advertisement import checksum
from roamlab.protocols.mobileip.registration import PORT

_ETH_P_IP: Final = 0x0800
_ETH_P_ARP: Final = 0x0806
_IP_PKTINFO: Final = 8
_PACKET_HOST, _PACKET_OTHERHOST = 0, 3
_UDP, _ICMP = 17, 1
_UNREACHABLE, _ADVERTISEMENT, _SOLICITATION = 3, 9, 10
_DONT_FRAGMENT: Final = 0x4000
_FRAGMENT: Final = 0x3FFF
_BROADCAST: Final = b"\xff" * 6
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP_HEADER: Final = struct.Struct("!HHHH")

# Classic BPF (linux/filter.h) over the IP header: UDP to port 434, and the three types of ICMP that Mobile IP knows.
_WANTED: Final = (
    (0xB1, 0, 0, 0),  # ldxb 4*([0]&0xf): X is the header's length
    (0x30, 0, 0, 9),  # ldb [9]: the protocol
    (0x15, 0, 2, _UDP),  # jeq #17, or else to the test for ICMP
    (0x48, 0, 0, 2),  # ldh [x+2]: the destination port
    (0x15, 5, 6, PORT),
    (0x15, 0, 5, _ICMP),
    (0x50, 0, 0, 0),  # ldb [x]: the ICMP type
    (0x15, 2, 0, _UNREACHABLE),
    (0x15, 1, 0, _ADVERTISEMENT),
    (0x15, 0, 1, _SOLICITATION),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
_NOTHING: Final = ((0x06, 0, 0, 0),)


@dataclass(frozen=True, slots=True)
class Registration:
    """A datagram to UDP port 434: how it came, and its payload."""

    interface: str
    link: bytes
    source: UdpAddress
    destination: UdpAddress
    ttl: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Discovery:
    """An agent advertisement or solicitation: a whole ICMP message."""

    interface: str
    link: bytes
    source: IPv4Address
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Unreachable:
    """An ICMP Destination Unreachable about a datagram that was sent to a home agent."""

    home_agent: IPv4Address
    code: int


Arrived = Registration | Discovery | Unreachable


class MobileIpPort:
    """Everything of Mobile IP that reaches this node, and the way out. Needs CAP_NET_RAW and CAP_NET_BIND_SERVICE."""

    def __init__(self) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        self._packets = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETH_P_IP))
        attach_filter(self._packets, _WANTED)
        for _ in self._received():
            pass  # what came before the filter
        # Holds the port, so that the kernel doesn't answer "port unreachable", and sends; it keeps nothing that arrives.
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attach_filter(self._udp, _NOTHING)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._udp.bind(("", PORT))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._packets.fileno()

    def close(self) -> None:
        """Let go of the port: from now on the kernel answers for it."""
        self._packets.close()
        self._udp.close()

    def read(self) -> Iterator[Arrived]:
        """What has arrived; frames for other stations and malformed datagrams are left out."""
        for data, interface, kind, link in self._received():
            if kind != _PACKET_OTHERHOST and (arrived := parse(data, interface, link)) is not None:
                yield arrived

    def _received(self) -> Iterator[tuple[bytes, str, int, bytes]]:
        while True:
            try:
                data, (interface, _, kind, _, link) = self._packets.recvfrom(65535)
            except BlockingIOError:
                return
            yield data, interface, kind, link

    def send_udp(self, action: SendUdp, interface: str) -> None:
        """Send a registration message; with a link-layer destination, through ``interface``. OSError as sendto."""
        if action.link:
            packet = datagram(action)
            self._packets.sendto(packet, (interface, _ETH_P_IP, _PACKET_HOST, 0, action.link))
            return
        index = socket.if_nametoindex(action.interface) if action.interface else 0
        information = struct.pack("=I4s4s", index, action.source.address.packed, bytes(4))
        self._udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, action.ttl)
        to = (str(action.destination.address), action.destination.port)
        self._udp.sendmsg([action.data], [(socket.IPPROTO_IP, _IP_PKTINFO, information)], 0, to)

    @staticmethod
    def send_icmp(action: SendIcmp, interface: str, source: IPv4Address) -> None:
        """Send an advertisement or a solicitation on a link, with TTL 1 (RFC 5944, 2.1)."""
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, _ICMP) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            raw.bind((str(source), 0))
            raw.sendto(action.data, (str(action.destination), 0))


def announce(address: IPv4Address, interface: str, link: bytes = b"") -> None:
    """Gratuitous ARP: request and reply, to everybody, that an address is at ``link`` (by default this NIC)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((interface, _ETH_P_ARP))
        own: bytes = raw.getsockname()[4]
        for operation in (1, 2):
            arp = _ARP.pack(
                1, _ETH_P_IP, 6, 4, operation, link or own, address.packed, link or own, address.packed
            )
            raw.send(_BROADCAST + own + _ETH_P_ARP.to_bytes(2, "big") + arp)


def parse(data: bytes, interface: str, link: bytes) -> Arrived | None:
    """Take an IPv4 datagram apart; None where it is cut off, a fragment, or has a wrong UDP checksum."""
    if len(data) < 20 or (data[0] & 0xF) < 5:
        return None
    start = (data[0] & 0xF) * 4
    _, _, total, _, fragment, ttl, protocol, _, source, destination = _IP.unpack_from(data)
    body = data[start:total]
    if fragment & _FRAGMENT or total > len(data) or len(body) < 8:
        return None
    sender, receiver = IPv4Address(source), IPv4Address(destination)
    if protocol == _ICMP:
        return _icmp(body, interface, link, sender)
    sport, dport, length, given = _UDP_HEADER.unpack_from(body)
    if not 8 <= length <= len(body) or (
        given and checksum(_pseudo(source, destination, length) + body[:length])
    ):
        return None
    return Registration(
        interface, link, UdpAddress(sender, sport), UdpAddress(receiver, dport), ttl, body[8:length]
    )


def _icmp(body: bytes, interface: str, link: bytes, source: IPv4Address) -> Arrived | None:
    if body[0] != _UNREACHABLE:
        return Discovery(interface, link, source, body[0], body)
    about = body[8:]
    if len(about) < 28 or checksum(body):
        return None
    inner = (about[0] & 0xF) * 4
    to_registration = about[9] == _UDP and about[inner + 2 : inner + 4] == PORT.to_bytes(2, "big")
    return Unreachable(IPv4Address(about[16:20]), body[1]) if to_registration else None


def datagram(action: SendUdp) -> bytes:
    """The whole IPv4 datagram of a registration message."""
    source, destination = action.source.address.packed, action.destination.address.packed
    length = _UDP_HEADER.size + len(action.data)
    blank = _UDP_HEADER.pack(action.source.port, action.destination.port, length, 0)
    covered = checksum(_pseudo(source, destination, length) + blank + action.data)
    udp = (
        _UDP_HEADER.pack(action.source.port, action.destination.port, length, covered or 0xFFFF) + action.data
    )
    fields = (0x45, 0, _IP.size + length, 0, _DONT_FRAGMENT, action.ttl, _UDP)
    header = _IP.pack(*fields, checksum(_IP.pack(*fields, 0, source, destination)), source, destination)
    return header + udp


def _pseudo(source: bytes, destination: bytes, length: int) -> bytes:
    return source + destination + struct.pack("!BBH", 0, _UDP, length)
