"""What of a session is under way when its scenario ends: a message that a link dropped comes again, and is not lost yet."""

from __future__ import annotations

from collections.abc import Container

from roamlab.record.event import Event
from roamlab.record.events import (
    AssociationLost,
    AssociationRestarted,
    ConnectionLost,
    DataReceived,
    DataSent,
)


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

    def noticed(self, event: Event) -> None:
        """Take note of an event; agents tell of those of their streams some time later."""
        match event:
            case DataSent(session, direction, seq):
                self._sent[session, direction] = seq
                if event.t <= self._stimulus_ns:
                    self._before[session, direction] = seq
            case DataReceived(session, direction, seq):
                self._received[session, direction] = seq
            case (
                AssociationLost(session=session)
                | AssociationRestarted(session=session)
                | ConnectionLost(session=session)
            ):
                self._received = {key: n for key, n in self._received.items() if key[0] != session}

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
