"""Messages on a byte stream: each behind its length, so that a receiver (or a capture's reader) can tell them apart."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from roamlab.protocols.errors import DecodeError

_LENGTH: Final = struct.Struct(">I")
_LONGEST: Final = 1 << 20
_WRAP: Final = 1 << 32


def frame(message: bytes) -> bytes:
    """The message with its length before it."""
    return _LENGTH.pack(len(message)) + message


@dataclass(slots=True)
class Deframer:
    """Cuts a byte stream, fed in whatever pieces it arrives, into messages."""

    _pending: bytes = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes. Raises DecodeError for a length that no message has."""
        self._pending += data
        messages = []
        while len(self._pending) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending)
            if length > _LONGEST:
                raise DecodeError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._pending) < end:
                break
            messages.append(self._pending[_LENGTH.size : end])
            self._pending = self._pending[end:]
        return messages


@dataclass(slots=True)
class Reassembly:
    """One direction of a TCP connection, put in order from its segments (RFC 9293, 3.4): no byte twice, none early.

    ``following`` is the sequence number of the next byte: the SYN's, plus one.
    """

    following: int
    _early: dict[int, bytes] = field(default_factory=dict)

    def feed(self, sequence: int, data: bytes) -> bytes:
        """The bytes that a segment adds to the stream, those included that had come before their turn."""
        if data:
            self._early[sequence] = max(self._early.get(sequence, b""), data, key=len)
        added = b""
        while found := self._next():
            start, held = found
            added += held[(self.following - start) % _WRAP :]
            self.following = (start + len(held)) % _WRAP
        return added

    def _next(self) -> tuple[int, bytes] | None:
        for start, held in list(self._early.items()):
            if (self.following - start) % _WRAP >= _WRAP // 2:
                continue  # it begins beyond the next byte
            del self._early[start]
            if (self.following - start) % _WRAP < len(held):
                return start, held
        return None
