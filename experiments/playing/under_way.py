"""What of a session is under way when its scenario ends: a message that a link dropped comes again, and is not lost yet."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

SENT: Final = "data.sent"
RECEIVED: Final = "data.received"


class UnderWay:
    """Keeps account of the last message sent and received, by session and direction; times in ns.

    Reliable transports deliver in order, so what is under way lies behind the last that was received. What lies before it
    and did not come went down with an earlier association.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], int] = {}
        self._received: dict[tuple[int, str], tuple[int, int]] = {}

    def noticed(self, time_ns: int, kind: str, details: Mapping[str, Any]) -> None:
        """Take note of an event."""
        if kind == SENT:
            self._sent[details["session"], details["dir"]] = details["seq"]
        elif kind == RECEIVED:
            self._received[details["session"], details["dir"]] = details["seq"], time_ns

    def any(self, sessions: Container[int], since_ns: int) -> bool:
        """Whether one of these sessions has messages under way in a direction in which it delivered after ``since_ns``."""
        return any(
            key[0] in sessions and sequence < self._sent.get(key, -1) and time_ns >= since_ns
            for key, (sequence, time_ns) in self._received.items()
        )
