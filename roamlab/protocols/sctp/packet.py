"""SCTP packets: the common header and chunks (RFC 9260, 3)."""

from dataclasses import dataclass
from struct import Struct

from roamlab.protocols.checksum import crc32c
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp import chunks as chunk_codec
from roamlab.protocols.sctp.chunks import Chunk

HEADER_LENGTH = 12
_PORTS_AND_TAG = Struct("!HHI")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet; `tag` is the verification tag. The checksum is made when it is encoded."""

    sport: int
    dport: int
    tag: int
    chunks: tuple[Chunk, ...]

    def encode(self) -> bytes:
        """Return the packet with its CRC32c."""
        body = b"".join(chunk.encode() for chunk in self.chunks)
        return with_checksum(_PORTS_AND_TAG.pack(self.sport, self.dport, self.tag) + bytes(4) + body)


def decode(data: bytes, *, verify: bool = False) -> Packet:
    """Decode an IP datagram's payload; DecodeError on bad bytes and, with `verify`, on a wrong checksum."""
    sport, dport, tag = decode_header(data)
    if verify and stored_checksum(data) != checksum(data):
        raise DecodeError(f"SCTP checksum 0x{stored_checksum(data):08x}, 0x{checksum(data):08x} expected")
    return Packet(sport, dport, tag, chunk_codec.decode(data[HEADER_LENGTH:]))


def decode_header(data: bytes) -> tuple[int, int, int]:
    """Return source port, destination port and verification tag."""
    if len(data) < HEADER_LENGTH:
        raise DecodeError(f"SCTP common header cut off after {len(data)} bytes")
    sport, dport, tag = _PORTS_AND_TAG.unpack_from(data)
    return sport, dport, tag


def checksum(data: bytes) -> int:
    """Return what the checksum field of a whole packet should hold: CRC32c over all of it, the field taken as zero.

    The CRC is transmitted least significant byte first; the number here is the field read in network byte order, as
    tools print it.
    """
    return int.from_bytes(_checksum_field(data), "big")


def stored_checksum(data: bytes) -> int:
    """Return what the checksum field of a packet holds, read in network byte order."""
    if len(data) < HEADER_LENGTH:
        raise DecodeError(f"SCTP common header cut off after {len(data)} bytes")
    return int.from_bytes(data[8:12], "big")


def with_checksum(data: bytes) -> bytes:
    """Return the packet with its checksum made right, as after a change of its bytes."""
    return data[:8] + _checksum_field(data) + data[12:]


def _checksum_field(data: bytes) -> bytes:
    return crc32c(data[:8] + bytes(4) + data[12:]).to_bytes(4, "little")
