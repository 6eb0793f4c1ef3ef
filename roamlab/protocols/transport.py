"""UDP, TCP and ICMP as far as a trace needs them: who speaks to whom, and what is carried. Checksums are not checked."""

import struct
from dataclasses import dataclass

from roamlab.protocols.errors import DecodeError

_TCP = struct.Struct("!HHIIBBH")


@dataclass(frozen=True, slots=True)
class Udp:
    """A UDP datagram (RFC 768)."""

    sport: int
    dport: int
    payload: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Udp":
        """Decode an IP datagram's payload; bytes behind the UDP length are not part of it."""
        if len(data) < 8:
            raise DecodeError("UDP header cut off")
        sport, dport, length = struct.unpack_from("!HHH", data)
        if 0 < length < 8:
            raise DecodeError(f"UDP length {length}")
        return cls(sport, dport, data[8 : length or None])


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP segment (RFC 9293), its options left out. `flags` has FIN in bit 0, SYN in bit 1, RST in bit 2, ACK in bit 4."""

    sport: int
    dport: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    payload: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Tcp":
        """Decode an IP datagram's payload."""
        if len(data) < 20:
            raise DecodeError("TCP header cut off")
        sport, dport, sequence, acknowledgment, offset, flags, window = _TCP.unpack_from(data)
        header = (offset >> 4) * 4
        if not 20 <= header <= len(data):
            raise DecodeError(f"TCP data offset {header}")
        return cls(sport, dport, sequence, acknowledgment, flags, window, data[header:])


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP (RFC 792) or ICMPv6 (RFC 4443) message; `body` is everything behind the checksum."""

    type: int
    code: int
    body: bytes

    @classmethod
    def decode(cls, data: bytes) -> "Icmp":
        """Decode an IP datagram's payload."""
        if len(data) < 4:
            raise DecodeError("ICMP header cut off")
        return cls(data[0], data[1], data[4:])
