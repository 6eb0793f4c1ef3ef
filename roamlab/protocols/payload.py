"""What a session's messages carry: enough to account for each of them from a capture alone.

A message is a 24-byte header and filler: magic, kind, direction, session number, sequence number, send time. The receiving
application and the verdict read the same bytes, so "delivered" can be checked against what was on the wire.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

_HEADER: Final = struct.Struct(">4sBBHQQ")
_MAGIC: Final = b"roam"
HEADER_SIZE: Final = _HEADER.size


class Kind(IntEnum):
    """HELLO names the session to the listening side; DATA is a message of a stream."""

    HELLO = 0
    DATA = 1


class Direction(IntEnum):
    """UP is from the mobile node, DOWN towards it."""

    UP = 0
    DOWN = 1

    @property
    def word(self) -> Literal["up", "down"]:
        """The direction's name in events and results."""
        return "up" if self is Direction.UP else "down"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a session; ``sent_ns`` is the sender's CLOCK_REALTIME in ns."""

    kind: Kind
    direction: Direction
    session: int
    sequence: int
    sent_ns: int

    def encode(self, size: int = HEADER_SIZE) -> bytes:
        """The message in ``size`` bytes (at least :data:`HEADER_SIZE`), filled with its own sequence number."""
        header = _HEADER.pack(_MAGIC, self.kind, self.direction, self.session, self.sequence, self.sent_ns)
        filler = bytes((self.sequence + i) & 0xFF for i in range(max(0, size - HEADER_SIZE)))
        return header + filler


def decode(data: bytes | memoryview) -> Message | None:
    """The message that ``data`` starts with, or None when it is none of ours."""
    if len(data) < HEADER_SIZE or bytes(data[:4]) != _MAGIC:
        return None
    _, kind, direction, session, sequence, sent_ns = _HEADER.unpack_from(data)
    try:
        return Message(Kind(kind), Direction(direction), session, sequence, sent_ns)
    except ValueError:
        return None
