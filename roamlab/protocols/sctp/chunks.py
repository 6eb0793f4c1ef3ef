"""Chunks: RFC 9260, 3.3; AUTH RFC 4895, 5.1; ASCONF and ASCONF-ACK RFC 5061, 4.1; FORWARD-TSN RFC 3758, 3.2;
I-DATA and I-FORWARD-TSN RFC 8260, 2; RE-CONFIG RFC 6525, 3.1; PAD RFC 4820, 3.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address
from roamlab.protocols.sctp.causes import CAUSES, Cause
from roamlab.protocols.sctp.parameters import PARAMETERS, IPv4Parameter, IPv6Parameter, Parameter
from roamlab.protocols.sctp.parameters import addresses as addresses_of
from roamlab.protocols.sctp.tlv import BYTES, U32S, Records, Tlv


@dataclass(frozen=True, slots=True)
class Chunk(Tlv):
    """A chunk; `flags` is its second byte."""

    flags: int = field(default=0, kw_only=True)

    def unpadded(self) -> bytes:
        """Return the chunk as its length counts it, without padding."""
        body = self._body()
        return struct.pack("!BBH", self.type, self.flags, len(body) + 4) + body


@dataclass(frozen=True, slots=True)
class RawChunk(Chunk):
    """A chunk of a type that is not known here."""

    type: int
    value: bytes = b""
    tail = BYTES


class _UserData(Chunk):
    """The flags of DATA and I-DATA."""

    __slots__ = ()

    @property
    def immediate(self) -> bool:
        """The I bit: please acknowledge at once (RFC 7053)."""
        return bool(self.flags & 8)

    @property
    def unordered(self) -> bool:
        """The U bit."""
        return bool(self.flags & 4)

    @property
    def beginning(self) -> bool:
        """The B bit: the first fragment of a user message."""
        return bool(self.flags & 2)

    @property
    def ending(self) -> bool:
        """The E bit: the last fragment of a user message."""
        return bool(self.flags & 1)


@dataclass(frozen=True, slots=True)
class Data(_UserData):
    """RFC 9260, 3.3.1."""

    tsn: int
    stream: int
    ssn: int
    ppid: int
    data: bytes
    type = 0
    name = "DATA"
    fixed = Struct("!IHHI")
    tail = BYTES


@dataclass(frozen=True, slots=True)
class _Initiation(Chunk):
    """The fields of INIT and INIT-ACK; `tag` is the initiate tag, `tsn` the initial TSN."""

    tag: int
    a_rwnd: int
    outbound_streams: int
    inbound_streams: int
    tsn: int
    parameters: tuple[Parameter, ...] = ()
    fixed = Struct("!IIHHI")
    tail = PARAMETERS

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses that are listed, in their order."""
        return addresses_of(self.parameters)


@dataclass(frozen=True, slots=True)
class Init(_Initiation):
    """RFC 9260, 3.3.2."""

    type = 1
    name = "INIT"


@dataclass(frozen=True, slots=True)
class InitAck(_Initiation):
    """RFC 9260, 3.3.3."""

    type = 2
    name = "INIT-ACK"


@dataclass(frozen=True, slots=True)
class Sack(Chunk):
    """RFC 9260, 3.3.4; gap blocks are (start, end) relative to `cumulative_tsn`, duplicates are TSNs."""

    cumulative_tsn: int
    a_rwnd: int
    gaps: tuple[tuple[int, int], ...] = ()
    duplicates: tuple[int, ...] = ()
    type = 3
    name = "SACK"
    _head = Struct("!IIHH")
    _gaps = Records("!HH")

    @classmethod
    def _parse(cls, body: bytes, **header: int) -> "Sack":
        if len(body) < cls._head.size:
            raise DecodeError(f"{cls.name}: value of {len(body)} bytes")
        tsn, a_rwnd, gaps, duplicates = cls._head.unpack_from(body)
        if len(body) != cls._head.size + 4 * (gaps + duplicates):
            raise DecodeError(f"{cls.name}: {gaps} gaps and {duplicates} duplicates in {len(body)} bytes")
        middle = cls._head.size + 4 * gaps
        blocks = tuple((block[0], block[1]) for block in cls._gaps.decode(body[cls._head.size : middle]))
        return cls(tsn, a_rwnd, blocks, U32S.decode(body[middle:]), **header)

    def _body(self) -> bytes:
        head = self._head.pack(self.cumulative_tsn, self.a_rwnd, len(self.gaps), len(self.duplicates))
        return head + self._gaps.encode(self.gaps) + U32S.encode(self.duplicates)


@dataclass(frozen=True, slots=True)
class Heartbeat(Chunk):
    """RFC 9260, 3.3.5."""

    parameters: tuple[Parameter, ...]
    type = 4
    name = "HEARTBEAT"
    tail = PARAMETERS


@dataclass(frozen=True, slots=True)
class HeartbeatAck(Chunk):
    """RFC 9260, 3.3.6."""

    parameters: tuple[Parameter, ...]
    type = 5
    name = "HEARTBEAT-ACK"
    tail = PARAMETERS


class _Reflecting(Chunk):
    """The flag of ABORT and SHUTDOWN-COMPLETE."""

    __slots__ = ()

    @property
    def reflected(self) -> bool:
        """The T bit: the packet's tag is the one that the peer sent (RFC 9260, 8.5.1)."""
        return bool(self.flags & 1)


@dataclass(frozen=True, slots=True)
class Abort(_Reflecting):
    """RFC 9260, 3.3.7."""

    causes: tuple[Cause, ...] = ()
    type = 6
    name = "ABORT"
    tail = CAUSES


@dataclass(frozen=True, slots=True)
class Shutdown(Chunk):
    """RFC 9260, 3.3.8."""

    cumulative_tsn: int
    type = 7
    name = "SHUTDOWN"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class ShutdownAck(Chunk):
    """RFC 9260, 3.3.9."""

    type = 8
    name = "SHUTDOWN-ACK"


@dataclass(frozen=True, slots=True)
class Error(Chunk):
    """RFC 9260, 3.3.10."""

    causes: tuple[Cause, ...]
    type = 9
    name = "ERROR"
    tail = CAUSES


@dataclass(frozen=True, slots=True)
class CookieEcho(Chunk):
    """RFC 9260, 3.3.11."""

    cookie: bytes
    type = 10
    name = "COOKIE-ECHO"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class CookieAck(Chunk):
    """RFC 9260, 3.3.12."""

    type = 11
    name = "COOKIE-ACK"


@dataclass(frozen=True, slots=True)
class Ecne(Chunk):
    """RFC 4960, appendix A (RFC 9260 has none of it): the lowest TSN that came with congestion experienced."""

    lowest_tsn: int
    type = 12
    name = "ECNE"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class Cwr(Chunk):
    """RFC 4960, appendix A: the TSN of the ECNE that is answered."""

    lowest_tsn: int
    type = 13
    name = "CWR"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class ShutdownComplete(_Reflecting):
    """RFC 9260, 3.3.13."""

    type = 14
    name = "SHUTDOWN-COMPLETE"


@dataclass(frozen=True, slots=True)
class Auth(Chunk):
    """RFC 4895, 5.1; `hmac` covers this chunk with the HMAC zeroed, and all that follow it in the packet."""

    key_id: int
    hmac_id: int
    hmac: bytes
    type = 15
    name = "AUTH"
    fixed = Struct("!HH")
    tail = BYTES


@dataclass(frozen=True, slots=True)
class IData(_UserData):
    """RFC 8260, 2.1; `ppid_or_fsn` is the payload protocol identifier in a first fragment, else the fragment's number."""

    tsn: int
    stream: int
    mid: int
    ppid_or_fsn: int
    data: bytes
    type = 0x40
    name = "I-DATA"
    fixed = Struct("!IH2xII")
    tail = BYTES


@dataclass(frozen=True, slots=True)
class AsconfAck(Chunk):
    """RFC 5061, 4.1.2."""

    serial: int
    parameters: tuple[Parameter, ...] = ()
    type = 0x80
    name = "ASCONF-ACK"
    fixed = Struct("!I")
    tail = PARAMETERS


@dataclass(frozen=True, slots=True)
class ReConfig(Chunk):
    """RFC 6525, 3.1."""

    parameters: tuple[Parameter, ...]
    type = 0x82
    name = "RE-CONFIG"
    tail = PARAMETERS


@dataclass(frozen=True, slots=True)
class Pad(Chunk):
    """RFC 4820, 3."""

    padding: bytes = b""
    type = 0x84
    name = "PAD"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class ForwardTsn(Chunk):
    """RFC 3758, 3.2; `skipped` is (stream, SSN) of each stream."""

    cumulative_tsn: int
    skipped: tuple[tuple[int, int], ...] = ()
    type = 0xC0
    name = "FORWARD-TSN"
    fixed = Struct("!I")
    tail = Records("!HH")


@dataclass(frozen=True, slots=True)
class Asconf(Chunk):
    """RFC 5061, 4.1.1: the address parameter first, then the requests. One without it decodes too, as attackers send it."""

    serial: int
    parameters: tuple[Parameter, ...]
    type = 0xC1
    name = "ASCONF"
    fixed = Struct("!I")
    tail = PARAMETERS

    @property
    def lookup(self) -> Address | None:
        """The address parameter, by which the receiver finds the association; None where it is missing."""
        first = self.parameters[0] if self.parameters else None
        return first.address if isinstance(first, IPv4Parameter | IPv6Parameter) else None

    @property
    def requests(self) -> tuple[Parameter, ...]:
        """The parameters behind the address parameter."""
        return self.parameters if self.lookup is None else self.parameters[1:]


@dataclass(frozen=True, slots=True)
class IForwardTsn(Chunk):
    """RFC 8260, 2.3.1; `skipped` is (stream, 1 where unordered, MID) of each stream."""

    cumulative_tsn: int
    skipped: tuple[tuple[int, int, int], ...] = ()
    type = 0xC2
    name = "I-FORWARD-TSN"
    fixed = Struct("!I")
    tail = Records("!HHI")


KINDS: Final[dict[int, type[Chunk]]] = {
    kind.type: kind
    for kind in (
        Data,
        Init,
        InitAck,
        Sack,
        Heartbeat,
        HeartbeatAck,
        Abort,
        Shutdown,
        ShutdownAck,
        Error,
        CookieEcho,
        CookieAck,
        Ecne,
        Cwr,
        ShutdownComplete,
        Auth,
        IData,
        AsconfAck,
        ReConfig,
        Pad,
        ForwardTsn,
        Asconf,
        IForwardTsn,
    )
}
"""The chunk class of each type."""


def split(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each chunk of `data` begins and ends, its padding left out; DecodeError at a length that lies."""
    at = 0
    while at < len(data):
        if len(data) < at + 4:
            raise DecodeError("chunk: header cut off")
        length = data[at + 2] << 8 | data[at + 3]
        if length < 4 or at + length > len(data):
            raise DecodeError(f"chunk 0x{data[at]:02x}: length {length}, {len(data) - at} bytes there")
        yield at, at + length
        at += length + -length % 4


def decode_one(data: bytes) -> tuple[Chunk, bytes]:
    """Return the chunk that `data` begins with, and what follows its padding; DecodeError on bad bytes."""
    for start, end in split(data):
        return decode_exactly(data[start:end]), data[end + -end % 4 :]
    raise DecodeError("chunk: header cut off")


def decode_exactly(data: bytes) -> Chunk:
    """Return the chunk that `data` is, without padding, as `split` finds it."""
    kind = KINDS.get(data[0])
    if kind is None:
        return RawChunk(data[0], data[4:], flags=data[1])
    return kind._parse(data[4:], flags=data[1])  # noqa: SLF001


def decode(data: bytes) -> tuple[Chunk, ...]:
    """Return all chunks of `data`, which holds nothing else; DecodeError on bad bytes."""
    return tuple(decode_exactly(data[start:end]) for start, end in split(data))
