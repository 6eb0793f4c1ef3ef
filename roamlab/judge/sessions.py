"""The evidence of a run taken apart by its sessions: each is judged by what was done to its own ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Final

from msgspec import structs

from roamlab.judge.evidence import Arrival, Evidence
from roamlab.record.event import Event
from roamlab.record.events import SessionStart
from roamlab.record.messages import Key
from roamlab.record.result import Outage, SessionJudgement
from roamlab.record.stimuli import Stimulus
from roamlab.registry import Verdict

_WORST_FIRST: Final = (Verdict.INVALID, Verdict.BROKE, Verdict.SURVIVED)
_TOLD: Final = 5
"""Of so many sessions the reasons are given."""


def starts(events: Sequence[Event]) -> list[SessionStart]:
    """The first ``session.start`` of each session, in the order of their numbers."""
    first: dict[int, SessionStart] = {}
    for event in events:
        if isinstance(event, SessionStart):
            first.setdefault(event.session, event)
    return [first[number] for number in sorted(first)]


def ends(session: SessionStart) -> tuple[str, str]:
    """A session's two nodes: whose messages go up, and the other."""
    return session.mobile, session.correspondent


def split(evidence: Evidence, sessions: Sequence[SessionStart]) -> list[Evidence]:
    """The evidence of each session, in their order. A single session has all of it.

    A stimulus at a node that is an end of some session belongs to the sessions of that node, one at any other node (a router,
    an attacker) to all.
    """
    if len(sessions) == 1:
        return [evidence]
    anybodys = {node for session in sessions for node in ends(session)}
    arrived: dict[int, dict[Key, Arrival]] = {}
    departed: dict[int, dict[Key, Arrival]] = {}
    for seen, by_session in ((evidence.arrived, arrived), (evidence.departed, departed)):
        for key, arrival in seen.items():
            by_session.setdefault(key[0], {})[key] = arrival
    own: dict[int, list[Event]] = {}
    shared: list[Event] = []
    for event in evidence.events:
        number = getattr(event, "session", None)
        (shared if number is None else own.setdefault(number, [])).append(event)
    return [
        replace(
            evidence,
            ends=ends(session),
            events=sorted(
                [
                    *own.get(session.session, []),
                    *(e for e in shared if _concerns(e, ends(session), anybodys)),
                ],
                key=lambda event: event.t,
            ),
            arrived=arrived.get(session.session, {}),
            departed=departed.get(session.session, {}),
        )
        for session in sessions
    ]


def _concerns(event: Event, own: tuple[str, str], anybodys: set[str]) -> bool:
    return not isinstance(event, Stimulus) or event.node in own or event.node not in anybodys


def together(judged: Sequence[SessionJudgement]) -> tuple[Verdict, list[str]]:
    """The verdict of a run, that of the session that fared worst, and its reasons; of several they name their session."""
    verdict = next(v for v in _WORST_FIRST if any(one.verdict == v.value for one in judged))
    if len(judged) == 1:
        return verdict, judged[0].reasons
    those = [one for one in judged if one.verdict == verdict.value]
    if verdict is Verdict.SURVIVED:
        return verdict, [f"all {len(judged)} sessions survived", *_named(those)]
    return verdict, [f"{len(those)} of {len(judged)} sessions: {verdict.value}", *_named(those)]


def _named(judged: Sequence[SessionJudgement]) -> list[str]:
    reasons = [f"{one.name}: {reason}" for one in judged[:_TOLD] for reason in one.reasons]
    more = len(judged) - _TOLD
    return [*reasons, *([f"and {more} more sessions"] if more > 0 else [])]


def worst_off(judged: Sequence[SessionJudgement]) -> SessionJudgement:
    """The session with the longest outage in either direction; one that did not end is longer than any."""

    def length(one: SessionJudgement) -> float:
        both = one.outage_s.up, one.outage_s.down
        return inf if None in both else max(figure for figure in both if figure is not None)

    return max(judged, key=length)


def renumbered(outages: Sequence[Outage], own: Evidence, whole: Evidence) -> list[Outage]:
    """The outages of a session with their stimuli numbered among all of the run."""
    if len(own.stimuli) == len(whole.stimuli):
        return list(outages)
    places = {id(stimulus): place for place, stimulus in enumerate(whole.stimuli)}
    return [structs.replace(outage, stimulus=places[id(own.stimuli[outage.stimulus])]) for outage in outages]
