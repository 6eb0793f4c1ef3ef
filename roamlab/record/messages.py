"""The messages of a run's sessions, as the applications report them: what was sent, and what was delivered when.

Worked out once from the events, for the verdict, pages and exports alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from roamlab.record.attack_events import AttackSession
from roamlab.record.event import Event
from roamlab.record.events import Data, DataReceived

Key = tuple[int, str, int]
"""(session, "up" or "down", sequence number): one message of a session."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Times in ns, on the clock of the events that they are from.

    ``sent`` holds the messages that were handed to an association, or were due while there was none; ``delivered`` those that
    came, with a time for each delivery. Sessions that an attacker began for himself (``others``) are left out.
    """

    sent: dict[Key, int] = field(default_factory=dict)
    delivered: dict[Key, list[int]] = field(default_factory=dict)
    others: frozenset[int] = frozenset()

    def deliveries(self, direction: str) -> list[tuple[int, Key]]:
        """(time, message) of each first delivery to the application in one direction, by time."""
        return sorted((times[0], key) for key, times in self.delivered.items() if key[1] == direction)

    @property
    def lost(self) -> list[Key]:
        """The messages that were never delivered, in the order of sending."""
        return [key for key in self.sent if key not in self.delivered]


def messages(events: Iterable[Event]) -> Messages:
    """The messages that events, in the order of time, report."""
    known = list(events)
    others = frozenset(event.session for event in known if isinstance(event, AttackSession))
    found = Messages(others=others)
    for event in known:
        if not isinstance(event, Data) or event.session in others:
            continue
        key = event.session, event.dir, event.seq
        if isinstance(event, DataReceived):
            found.delivered.setdefault(key, []).append(event.t)
        else:
            found.sent[key] = event.t
    return found
