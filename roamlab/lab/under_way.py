"""What of a session is under way when its scenario ends: a message that a link dropped comes again, and is not lost yet."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

SENT: Final = "data.sent"
RECEIVED: Final = "data.received"
LOST: Final = frozenset({"association.lost", "association.restarted", "connection.lost"})


class UnderWay:
    """Keeps account of the last message sent and received, by session and direction; times in ns.

    Reliable transports deliver in order, so what is under way lies behind the last that was received. What lies before it
    and did not come went down with an earlier association, and what an association that was lost had under way, with that.
    """

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], int] = {}
        self._received: dict[tuple[int, str], int] = {}
        self._before: dict[tuple[int, str], int] = {}
        self._stimulus_ns = -1

    def noticed(self, time_ns: int, kind: str, details: Mapping[str, Any]) -> None:
        """Take note of an event; agents tell of those of their streams some time later."""
        if kind == SENT:
            key = details["session"], details["dir"]
            self._sent[key] = details["seq"]
            if time_ns <= self._stimulus_ns:
                self._before[key] = details["seq"]
        elif kind == RECEIVED:
            self._received[details["session"], details["dir"]] = details["seq"]
        elif kind in LOST:
            self._received = {key: n for key, n in self._received.items() if key[0] != details.get("session")}

    def stimulated(self, time_ns: int) -> None:
        """Something is done to the session now: what was sent before says nothing of how it took that."""
        self._stimulus_ns = time_ns
        self._before = dict(self._sent)

    def any(self, sessions: Container[int]) -> bool:
        """Whether one of these has messages under way in a direction that carried any younger than the last stimulus."""
        return any(
            key[0] in sessions and self._before.get(key, -1) < received < self._sent.get(key, -1)
            for key, received in self._received.items()
        )
