"""The verdict as it stands while a run goes on, from what its applications report.

It is no judgement: that is drawn from the capture when the run is over. But it can say whether messages arrive now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from roamlab.live.facts import Standing
from roamlab.record.event import Event
from roamlab.record.events import (
    AssociationRestarted,
    DataReceived,
    DataSent,
    Gone,
    SessionStart,
    Way,
)
from roamlab.record.stimuli import Stimulus
from roamlab.record.words import words

_WAYS: Final[tuple[Way, ...]] = ("up", "down")
_PATIENCE: Final = 5  # messages due
_LEAST_NS: Final = 300_000_000


@dataclass(slots=True)
class _Direction:
    sent: int = 0
    got: int = 0
    first_sent_ns: int = 0
    last_sent_ns: int = 0
    last_got_ns: int = 0
    longest_ns: int = 0
    """silence since the last act"""


@dataclass(slots=True)
class _Session:
    every_ns: int
    ways: tuple[Way, ...]
    directions: dict[str, _Direction] = field(default_factory=dict)
    ended: str = ""


class Account:
    """Keeps account of all sessions; as large after an hour as after a second."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}
        self._act = ""
        self._act_ns = 0

    def feed(self, event: Event) -> None:
        """Take note of an event; ``t`` is in ns since the run's start."""
        match event:
            case SessionStart(number, _, _, every_ns):
                self._sessions[number] = _Session(every_ns, event.streams)
            case DataSent(number, way) if number in self._sessions:
                flow = self._sessions[number].directions.setdefault(way, _Direction())
                flow.sent += 1
                flow.first_sent_ns = flow.first_sent_ns or event.t
                flow.last_sent_ns = max(flow.last_sent_ns, event.t)
            case DataReceived(number, way) if number in self._sessions:
                flow = self._sessions[number].directions.setdefault(way, _Direction())
                flow.got += 1
                since = max(flow.last_got_ns or flow.first_sent_ns, self._act_ns)
                flow.longest_ns = max(flow.longest_ns, event.t - since)
                flow.last_got_ns = max(flow.last_got_ns, event.t)
            case Stimulus():
                self._act, self._act_ns = f"{event.words} at {event.t / 1e9:.2f} s", event.t
                for session in self._sessions.values():
                    for flow in session.directions.values():
                        flow.longest_ns = 0
            case Gone(session=int(number)) | AssociationRestarted(session=int(number)) if (
                number in self._sessions
            ):
                self._sessions[number].ended = words(event)
            case _:
                pass

    def at(self, now_ns: int) -> Standing:
        """What can be said at a time up to which all is known."""
        judged = [self._of(session, now_ns) for session in self._sessions.values()]
        if not judged:
            return Standing(t=now_ns / 1e9, word="waiting", why="no session has begun to send yet")
        order = ("broken", "silent", "waiting", "alive")
        word, why = min(judged, key=lambda pair: order.index(pair[0]))
        silences = {way: self._silence(way, now_ns) for way in _WAYS}
        return Standing(t=now_ns / 1e9, word=word, why=why, up_s=silences["up"], down_s=silences["down"])

    def _of(self, session: _Session, now_ns: int) -> tuple[str, str]:
        if session.ended:
            return "broken", session.ended
        silent = []
        for way in session.ways:
            flow = session.directions.get(way)
            if flow is None or not flow.first_sent_ns:
                return "waiting", "nothing was sent yet"
            patience = max(_LEAST_NS, _PATIENCE * session.every_ns)
            quiet_ns = now_ns - max(flow.last_got_ns, flow.first_sent_ns)
            if self._act_ns and flow.last_got_ns <= self._act_ns:
                silent.append(f"nothing has arrived {way} since {self._act}")
            elif flow.sent > flow.got and quiet_ns > patience:
                silent.append(f"nothing has arrived {way} for {quiet_ns / 1e9:.1f} s")
        if silent:
            return "silent", " and ".join(silent)
        since = f" since {self._act}" if self._act else ""
        return "alive", f"messages arrive {' and '.join(session.ways)}{since}"

    def _silence(self, way: str, now_ns: int) -> float | None:
        """The longest silence of a direction since the last act, s; None where nothing flows."""
        found = []
        for session in self._sessions.values():
            if (flow := session.directions.get(way)) is not None and self._act_ns:
                since = max(flow.last_got_ns or flow.first_sent_ns, self._act_ns)
                waits = now_ns - since if flow.sent > flow.got else 0
                found.append(max(flow.longest_ns, waits) / 1e9)
        return round(max(found), 3) if found else None
