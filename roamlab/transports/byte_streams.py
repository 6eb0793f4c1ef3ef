"""Our messages in TCP segments, as each NIC saw them: a message is there when its last byte is, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, Reassembly
from roamlab.protocols.ip import Address
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import TcpPacket, UdpPacket

_FIN, _SYN, _RST = 0x1, 0x2, 0x4

End = tuple[Address, int]
Place = tuple[str, Way, End, End]


@dataclass(slots=True)
class _Stream:
    reassembly: Reassembly
    deframer: Deframer = field(default_factory=Deframer)


@dataclass(slots=True)
class ByteStreams:
    """Puts segments together, apart for each node, way and direction. Streams that are not ours come to nothing."""

    _streams: dict[Place, _Stream] = field(default_factory=dict)

    def messages(self, packet: TcpPacket) -> Iterator[bytes]:
        """The messages that are complete with this segment, at the NIC where it was seen."""
        place = (packet.node, packet.direction, *ends(packet))
        if opens(packet):
            self._streams[place] = _Stream(Reassembly(packet.tcp.sequence + 1))
        elif (stream := self._streams.get(place)) is not None:
            added = stream.reassembly.feed(packet.tcp.sequence, packet.tcp.payload)
            try:
                yield from stream.deframer.feed(added)
            except DecodeError:
                del self._streams[place]


def ends(packet: TcpPacket | UdpPacket) -> tuple[End, End]:
    """Where a segment or datagram comes from and where it goes."""
    ports = packet.tcp if isinstance(packet, TcpPacket) else packet.udp
    return (packet.source, ports.sport), (packet.destination, ports.dport)


def opens(packet: TcpPacket) -> bool:
    """Whether a segment has the SYN bit."""
    return bool(packet.tcp.flags & _SYN)


ENDINGS: Final = {_FIN: "FIN", _RST: "RST"}
