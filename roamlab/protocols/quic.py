"""The frames of a QUIC packet (RFC 9000, 19) that a reader of captures needs: stream bytes, new ids, paths, ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from roamlab.protocols.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Crypto:
    """Bytes of the TLS handshake (19.6)."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamData:
    """Bytes of a stream (19.8)."""

    stream: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class NewConnectionId:
    """An id that the receiver may send to from now on (19.15)."""

    connection_id: bytes


@dataclass(frozen=True, slots=True)
class PathChallenge:
    """What a path is validated with (19.17)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PathResponse:
    """The answer to it (19.18)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ConnectionClose:
    """The end of the connection (19.19)."""

    error: int
    reason: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A frame that is told by its name alone."""

    name: str


Frame: TypeAlias = (
    Crypto | StreamData | NewConnectionId | PathChallenge | PathResponse | ConnectionClose | Plain
)

_NAMES: Final[dict[type, str]] = {
    Crypto: "CRYPTO",
    NewConnectionId: "NEW_CONNECTION_ID",
    PathChallenge: "PATH_CHALLENGE",
    PathResponse: "PATH_RESPONSE",
    ConnectionClose: "CONNECTION_CLOSE",
}
_PADDING: Final = 0
_STREAM: Final = range(0x08, 0x10)
_NUMBERS: Final = {
    0x01: (0, Plain("PING")),
    0x04: (3, Plain("RESET_STREAM")),
    0x05: (2, Plain("STOP_SENDING")),
    0x10: (1, Plain("MAX_DATA")),
    0x11: (2, Plain("MAX_STREAM_DATA")),
    0x12: (1, Plain("MAX_STREAMS")),
    0x13: (1, Plain("MAX_STREAMS")),
    0x14: (1, Plain("DATA_BLOCKED")),
    0x15: (2, Plain("STREAM_DATA_BLOCKED")),
    0x16: (1, Plain("STREAMS_BLOCKED")),
    0x17: (1, Plain("STREAMS_BLOCKED")),
    0x19: (1, Plain("RETIRE_CONNECTION_ID")),
    0x1E: (0, Plain("HANDSHAKE_DONE")),
}
"""Frames that hold numbers alone: how many, and what they are."""
ACK: Final = Plain("ACK")
_RESET_TOKEN: Final = 16


class _Bytes:
    """Takes a payload apart from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self) -> int:
        """A variable-length integer (RFC 9000, 16)."""
        first = self.octets(1)[0]
        rest = self.octets((1 << (first >> 6)) - 1)
        return int.from_bytes(bytes((first & 0x3F,)) + rest)

    def octets(self, length: int) -> bytes:
        """The next so many bytes."""
        end = self._at + length
        if end > len(self._data):
            raise DecodeError("a QUIC frame is longer than its packet")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(len(self._data) - self._at)


def frames(payload: bytes) -> Iterator[Frame]:
    """The frames of a packet's payload in order, without padding.

    Raises DecodeError for a payload that breaks off, and at a frame of a type that is not known, whose length nobody can tell.
    """
    left = _Bytes(payload)
    while left:
        kind = left.number()
        if kind == _PADDING:
            continue
        if kind in _NUMBERS:
            numbers, plain = _NUMBERS[kind]
            _skip(left, numbers)
            yield plain
        elif kind in _STREAM:
            yield _stream(kind, left)
        else:
            yield from _other(kind, left)


def _stream(kind: int, left: _Bytes) -> StreamData:
    stream = left.number()
    offset = left.number() if kind & 4 else 0
    data = left.octets(left.number()) if kind & 2 else left.rest()
    return StreamData(stream, offset, data)


def _other(kind: int, left: _Bytes) -> Iterator[Frame]:
    match kind:
        case 0x02 | 0x03:
            _acknowledgement(kind, left)
            yield ACK
        case 0x06:
            yield Crypto(left.number(), left.octets(left.number()))
        case 0x07:  # NEW_TOKEN
            left.octets(left.number())
            yield Plain("NEW_TOKEN")
        case 0x18:
            _skip(left, 2)
            yield NewConnectionId(left.octets(left.octets(1)[0]))
            left.octets(_RESET_TOKEN)
        case 0x1A:
            yield PathChallenge(left.octets(8))
        case 0x1B:
            yield PathResponse(left.octets(8))
        case 0x1C | 0x1D:
            error = left.number()
            if kind == 0x1C:
                left.number()
            yield ConnectionClose(error, left.octets(left.number()).decode(errors="replace"))
        case 0x30:  # DATAGRAM (RFC 9221)
            left.rest()
            yield Plain("DATAGRAM")
        case 0x31:
            left.octets(left.number())
            yield Plain("DATAGRAM")
        case _:
            raise DecodeError(f"a QUIC frame of type {kind:#x}")


def _acknowledgement(kind: int, left: _Bytes) -> None:
    _skip(left, 2)  # largest acknowledged, delay
    ranges = left.number()
    _skip(left, 1 + 2 * ranges + (3 if kind == 0x03 else 0))


def _skip(left: _Bytes, numbers: int) -> None:
    for _ in range(numbers):
        left.number()


def hello_random(hello: bytes) -> bytes:
    """The random of a ClientHello or ServerHello (RFC 8446, 4.1.2), which it begins with; empty where that is cut."""
    return hello[6:38] if len(hello) >= 38 else b""


def chosen_suite(hello: bytes) -> int:
    """The cipher suite in a ServerHello (RFC 8446, 4.1.3), by its number; 0 where its bytes are too few."""
    at = 39 + hello[38] if len(hello) > 38 else 0
    return int.from_bytes(hello[at : at + 2]) if at and len(hello) >= at + 2 else 0


def words(found: Iterable[Frame]) -> str:
    """Frames by name, each once, and how many octets of streams there are: ``ACK, STREAM 204 B``."""
    names: dict[str, None] = {}
    octets = 0
    for frame in found:
        match frame:
            case StreamData():
                octets += len(frame.data)
                names["STREAM"] = None
            case Plain():
                names[frame.name] = None
            case _:
                names[_NAMES[type(frame)]] = None
    return ", ".join(f"STREAM {octets} B" if name == "STREAM" else name for name in names)
