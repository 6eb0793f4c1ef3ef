"""A capture as what the testbed asks it: which SCTP packet was seen where, when, on its way in or out.

Frames are taken apart down to the transport header when a trace is loaded; chunks only when somebody looks, and once for
all sightings of the same bytes, since a packet is captured at every NIC on its way and no router changes it.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from roamlab.protocols import ip, pcapng
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address, Arp, Datagram
from roamlab.protocols.pcapng import CaptureFile, Direction
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck, Chunk, decode_exactly, split
from roamlab.protocols.sctp.packet import HEADER_LENGTH, decode_header
from roamlab.protocols.transport import Icmp, Tcp, Udp

MOBILE_IP_PORT: Final = 434
SCTP_PORT: Final = 9899
"""UDP's, of SCTP inside UDP (RFC 6951, 5.1)."""


class Message:
    """The bytes of an SCTP packet, decoded when first asked. One object for all sightings of equal bytes.

    Retransmissions of a whole packet are equal bytes too.
    """

    __slots__ = ("_decoded", "dport", "raw", "sport", "tag")

    def __init__(self, raw: bytes) -> None:
        """DecodeError where the common header is cut off."""
        self.raw = raw
        self.sport, self.dport, self.tag = decode_header(raw)
        self._decoded: tuple[tuple[Chunk, ...], str | None] | None = None

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The chunks up to the first that is not whole and well-formed."""
        return self._decode()[0]

    @property
    def error(self) -> str | None:
        """What is wrong with the chunk behind the last of `chunks`; None where nothing is."""
        return self._decode()[1]

    def _decode(self) -> tuple[tuple[Chunk, ...], str | None]:
        if self._decoded is None:
            chunks, error, data = [], None, self.raw[HEADER_LENGTH:]
            try:
                for start, end in split(data):
                    chunks.append(decode_exactly(data[start:end]))
            except DecodeError as problem:
                error = str(problem)
            self._decoded = tuple(chunks), error
        return self._decoded


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something seen at a NIC. `index` counts the capture's packets from 0, `time_ns` is since the epoch.

    `node` and `nic` are the two parts of the interface's name; `nic` is empty where the name has no dot.
    """

    index: int
    time_ns: int
    node: str
    nic: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class ArpPacket(Sighting):
    """An ARP packet."""

    arp: Arp


@dataclass(frozen=True, slots=True)
class IpDatagram(Sighting):
    """An IP datagram, the innermost where it is tunnelled. As such: one whose protocol is none of those below,
    and a fragment other than the first.
    """

    datagram: Datagram

    @property
    def source(self) -> Address:
        """The datagram's source address."""
        return self.datagram.source

    @property
    def destination(self) -> Address:
        """The datagram's destination address."""
        return self.datagram.destination

    @property
    def outer(self) -> tuple[Datagram, ...]:
        """The datagrams that carry this one through tunnels, outermost first; empty outside tunnels."""
        return self.datagram.tunnels


@dataclass(frozen=True, slots=True)
class SctpPacket(IpDatagram):
    """An SCTP packet, in an IP datagram of its own or inside UDP, whose datagram is then `inside`.

    `message` is the same object for every sighting of the same bytes.
    """

    message: Message
    inside: Udp | None = None

    @property
    def sport(self) -> int:
        """The source port."""
        return self.message.sport

    @property
    def dport(self) -> int:
        """The destination port."""
        return self.message.dport

    @property
    def tag(self) -> int:
        """The verification tag."""
        return self.message.tag

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The chunks up to the first that is not whole and well-formed."""
        return self.message.chunks

    @property
    def error(self) -> str | None:
        """What is wrong with the chunk behind the last of `chunks`; None where nothing is."""
        return self.message.error

    @property
    def raw(self) -> bytes:
        """The bytes from the common header on."""
        return self.message.raw


@dataclass(frozen=True, slots=True)
class UdpPacket(IpDatagram):
    """A UDP datagram."""

    udp: Udp


@dataclass(frozen=True, slots=True)
class TcpPacket(IpDatagram):
    """A TCP segment."""

    tcp: Tcp


@dataclass(frozen=True, slots=True)
class IcmpPacket(IpDatagram):
    """An ICMP or ICMPv6 message; which of them, its addresses say."""

    icmp: Icmp


@dataclass(frozen=True, slots=True)
class Undecoded(Sighting):
    """A frame of another kind (`reason` says that), or one whose bytes are bad (`reason` says how)."""

    frame: bytes
    reason: str


S = TypeVar("S", bound=Sighting)


@dataclass(frozen=True)
class Trace:
    """A capture taken apart, in capture order. `truncated`: the file ended inside a packet, which is left out."""

    sightings: tuple[Sighting, ...]
    interfaces: tuple[str, ...]
    truncated: bool

    @cached_property
    def sctp(self) -> tuple[SctpPacket, ...]:
        """The SCTP packets."""
        return self.of(SctpPacket)

    @cached_property
    def asconfs(self) -> tuple[tuple[SctpPacket, Asconf | AsconfAck], ...]:
        """Every ASCONF and ASCONF-ACK with its packet."""
        return tuple(
            (packet, chunk)
            for packet in self.sctp
            for chunk in packet.chunks
            if isinstance(chunk, Asconf | AsconfAck)
        )

    @cached_property
    def udp(self) -> tuple[UdpPacket, ...]:
        """The UDP datagrams."""
        return self.of(UdpPacket)

    @cached_property
    def mobile_ip(self) -> tuple[UdpPacket, ...]:
        """The UDP datagrams from or to Mobile IP's port (RFC 5944, 3.3)."""
        return tuple(item for item in self.udp if MOBILE_IP_PORT in (item.udp.sport, item.udp.dport))

    @cached_property
    def tcp(self) -> tuple[TcpPacket, ...]:
        """The TCP segments."""
        return self.of(TcpPacket)

    @cached_property
    def icmp(self) -> tuple[IcmpPacket, ...]:
        """The ICMP and ICMPv6 messages."""
        return self.of(IcmpPacket)

    @cached_property
    def arp(self) -> tuple[ArpPacket, ...]:
        """The ARP packets."""
        return self.of(ArpPacket)

    def of(self, kind: type[S]) -> tuple[S, ...]:
        """Return the sightings of exactly one kind."""
        return tuple(item for item in self.sightings if type(item) is kind)


def load(path: str | Path, nodes: Collection[str] | None = None) -> Trace:
    """Load the capture at `path`; OSError where it can't be read, DecodeError where it is not a capture.

    With `nodes`, what other nodes saw is left out; packets keep their places in the capture.
    """
    return read(Path(path).read_bytes(), nodes)


def read(data: bytes, nodes: Collection[str] | None = None) -> Trace:
    """Read a capture from its bytes; DecodeError and ``nodes`` as for ``load``."""
    if nodes is None:
        return lift(pcapng.decode(data))
    return lift(pcapng.decode(data, lambda name: _node_and_nic(name)[0] in nodes))


def lift(capture: CaptureFile) -> Trace:
    """Take apart what a capture file holds."""
    messages: dict[bytes, Message] = {}

    def message(raw: bytes) -> Message:
        known = messages.get(raw)
        if known is None:
            known = messages[raw] = Message(raw)
        return known

    names = {name: _node_and_nic(name) for name in {item.name for item in capture.interfaces}}
    return Trace(
        tuple(_sightings(capture, names, message)),
        tuple(item.name for item in capture.interfaces),
        capture.truncated,
    )


def _node_and_nic(name: str) -> tuple[str, str]:
    node, _, nic = name.partition(".")
    return node, nic


def _sightings(
    capture: CaptureFile, names: dict[str, tuple[str, str]], message: Callable[[bytes], Message]
) -> Iterable[Sighting]:
    places = range(len(capture.packets)) if capture.places is None else capture.places
    for index, packet in zip(places, capture.packets, strict=True):
        node, nic = names[packet.interface_name]
        where = (index, packet.time_ns, node, nic, packet.direction)
        try:
            carried = ip.decode(packet.linktype, packet.data)
            if carried is None:
                yield Undecoded(*where, packet.data, "neither IP nor ARP")
            elif isinstance(carried, Arp):
                yield ArpPacket(*where, carried)
            elif carried.fragment_offset:
                yield IpDatagram(*where, carried)
            elif carried.protocol == ip.SCTP:
                yield SctpPacket(*where, carried, message(carried.payload))
            elif carried.protocol == ip.UDP:
                udp = Udp.decode(carried.payload)
                if SCTP_PORT in (udp.sport, udp.dport):
                    yield SctpPacket(*where, carried, message(udp.payload), udp)
                else:
                    yield UdpPacket(*where, carried, udp)
            elif carried.protocol == ip.TCP:
                yield TcpPacket(*where, carried, Tcp.decode(carried.payload))
            elif carried.protocol in (ip.ICMP, ip.ICMPV6):
                yield IcmpPacket(*where, carried, Icmp.decode(carried.payload))
            else:
                yield IpDatagram(*where, carried)
        except DecodeError as problem:
            yield Undecoded(*where, packet.data, str(problem))
