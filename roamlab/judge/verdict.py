"""Did the session survive? Drawn from the capture and the events, and from nothing else.

A run counts only when its stimulus is in the capture: every stimulus names what must be seen on the wire, and a run
where it isn't is ``invalid``, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final

from msgspec import structs

from roamlab.errors import BadInput
from roamlab.judge.announced import unmet
from roamlab.judge.answers import wrong_answers
from roamlab.judge.chain import SET_UP, chain
from roamlab.judge.conditions import unseen_conditions
from roamlab.judge.cookies import wrong_set_ups
from roamlab.judge.evidence import Evidence, gather
from roamlab.judge.gains import attack_measures, denied, gained, wrong_gains
from roamlab.judge.growth import growth
from roamlab.judge.growth import measures as growth_measures
from roamlab.judge.made_packets import wrong_replies
from roamlab.judge.outages import DIRECTIONS, cost, defects
from roamlab.judge.programs import judge_programs
from roamlab.judge.registrations import measures
from roamlab.judge.sessions import ends, renumbered, split, starts, together, worst_off
from roamlab.judge.steps import steps
from roamlab.judge.told import measures as told_measures
from roamlab.judge.witness import unseen, unseen_stimuli
from roamlab.protocols import trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.trace import Trace
from roamlab.record import guarded, run_directory
from roamlab.record.attack_events import AttackStakes
from roamlab.record.conditions import Edge, Translation
from roamlab.record.event import Event
from roamlab.record.events import (
    AsconfRewritten,
    AsconfWay,
    AssociationLost,
    ConnectionLost,
    Expectation,
    RunEnd,
    RunStart,
    SessionStart,
)
from roamlab.record.messages import Key
from roamlab.record.mobile_ip_events import MipServing
from roamlab.record.program_events import ProgramStarted
from roamlab.record.result import Both, Count, Judgement, Outage, SessionJudgement, longest
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Fade, Impair, Stimulus
from roamlab.registry import Scenario, Verdict, find
from roamlab.transports import find as find_transport

_LAST_NS: Final = 10**9
_CHAINS: Final = 10
"""Up to so many sessions have a chain each: a crowd's are all alike, and each costs a reading of the capture."""


def judge(run: RunDirectory, scenario: Scenario | None = None) -> Judgement:
    """The judgement of a run directory; what is missing in it makes the run invalid and is named.

    ``scenario`` is the one that was played, by default the one of roamlab's own that the plan names.
    """
    scenario = scenario or find(run.read(run_directory.PLAN)["scenario"])
    events = list(run.events())
    if any(isinstance(event, ProgramStarted) for event in events):
        announced = [event.verdict for event in events if isinstance(event, Expectation)]
        return judge_programs(run, scenario, events, [scenario.expect.value, *announced][-1])
    session = next((e for e in events if isinstance(e, SessionStart)), None)
    captured, missing = _material(run, events, session)
    if captured is None or session is None:
        return Judgement(
            scenario=scenario.name,
            figure=scenario.figure,
            verdict=Verdict.INVALID.value,
            expected=scenario.expect.value,
            reasons=[missing],
        )
    sessions = starts(events)
    evidence = gather(captured, events, *ends(session), {s.session: ends(s) for s in sessions})
    parts = split(evidence, sessions)
    epoch_ns = evidence.of(RunStart)[0].epoch_ns
    judged = [_of_session(part, one, epoch_ns) for part, one in zip(parts, sessions, strict=True)]
    verdict, reasons = together(judged)
    worst = worst_off(judged)
    whole = scenario.figure == SET_UP
    # The run's own chain is that of the first session that something was done to.
    told = next((n for n, part in enumerate(parts) if part.stimuli), 0)
    causes = chain(parts[told], epoch_ns, *ends(sessions[told]), whole_set_up=whole)
    return Judgement(
        scenario=scenario.name,
        figure=scenario.figure,
        verdict=verdict.value,
        expected=_expected(evidence, scenario.expect),
        reasons=[*reasons, *_way(evidence), *gained(evidence), *defects(worst.outages)],
        sent=_count(dict.fromkeys(evidence.sent, 1)),
        delivered=_count(dict.fromkeys(evidence.delivered, 1)),
        lost=_count({key: 1 for key in evidence.sent if key not in evidence.delivered}),
        duplicated=_count({key: len(times) - 1 for key, times in evidence.delivered.items()}),
        outage_s=worst.outage_s,
        lower_bound_s=worst.lower_bound_s,
        outages=renumbered(worst.outages, parts[judged.index(worst)], evidence),
        sessions=_with_chains(judged, parts, epoch_ns) if 1 < len(judged) <= _CHAINS else judged,
        measures=[
            *measures(evidence),
            *growth_measures(evidence),
            *attack_measures(evidence),
            *told_measures(evidence),
        ],
        virtual_s=round(events[-1].t / 1e9, 9),
        chain=causes,
        steps=steps(scenario.figure, causes),
    )


def _of_session(evidence: Evidence, session: SessionStart, epoch_ns: int) -> SessionJudgement:
    """The judgement of one session, from the evidence that is its own."""
    broken, unasked = _breaks(evidence, session), unmet(evidence)
    invalid = [
        *unseen_conditions(evidence, broken=bool(broken)),
        *_unseen_deliveries(evidence, session),
    ]
    without = unseen_stimuli(evidence)
    if not (broken and _dead_before(evidence, without)):
        invalid = [*(unseen(evidence, stimulus) for stimulus in without), *invalid]
    if broken:
        broken += unasked
    else:
        invalid += unasked  # a session that went on without them proves nothing of them
    verdict = Verdict.INVALID if invalid else Verdict.BROKE if broken else Verdict.SURVIVED
    costs = cost(evidence, session.every_ns, epoch_ns, session.streams)
    return SessionJudgement(
        number=session.session,
        mobile=session.mobile,
        correspondent=session.correspondent,
        transport=session.transport,
        verdict=verdict.value,
        reasons=invalid or broken or [_survival(evidence)],
        sent=_count(dict.fromkeys(evidence.sent, 1)),
        delivered=_count(dict.fromkeys(evidence.delivered, 1)),
        lost=_count({key: 1 for key in evidence.sent if key not in evidence.delivered}),
        duplicated=_count({key: len(times) - 1 for key, times in evidence.delivered.items()}),
        outage_s=_headline(costs.outages, lambda o: o.length_ns, 0.0),
        lower_bound_s=_headline(costs.outages, lambda o: o.bound_ns, 0.0 if costs.bounded else None),
        outages=costs.outages,
    )


def _with_chains(
    judged: Sequence[SessionJudgement], parts: Sequence[Evidence], epoch_ns: int
) -> list[SessionJudgement]:
    """The sessions' judgements, each with its own causal chain: without what happens at the ends of others alone."""
    anybodys = {node for one in judged for node in (one.mobile, one.correspondent)}
    told = []
    for one, part in zip(judged, parts, strict=True):
        others = anybodys - {one.mobile, one.correspondent}
        steps = chain(part, epoch_ns, one.mobile, one.correspondent)
        told.append(structs.replace(one, chain=[step for step in steps if step.node not in others]))
    return told


def _dead_before(evidence: Evidence, later: list[Stimulus]) -> bool:
    """Whether the session was dead when the first of these stimuli came, after others that the capture shows.

    A node whose session is dead sends nothing, so that its moves leave no trace; what broke the session is seen.
    """
    if not later or len(later) == len(evidence.stimuli):
        return False
    dead_ns = later[0].t
    return not any(evidence.sent.get(key, 0) >= dead_ns for key in evidence.delivered)


def _expected(evidence: Evidence, announced: Verdict) -> str:
    """The verdict to expect of the kernel that ran this: the scenario's own, or what that kernel is known to come to."""
    if denied(evidence):
        return Verdict.BROKE.value
    known = evidence.of(Expectation)
    return known[-1].verdict if known else announced.value


def _material(
    run: RunDirectory, events: list[Event], session: SessionStart | None
) -> tuple[Trace | None, str]:
    """What the nodes that matter captured, or None and what the run lacks to be judged at all.

    Those are the session's two, and what was acted on or served on the way: mobility agents.
    """
    if session is None:
        return None, "the run ended before a session was started"
    if not any(isinstance(e, RunEnd) for e in events):
        return None, "the run did not finish"
    nodes = {e.node for e in events if isinstance(e, Stimulus | MipServing)}
    nodes |= {e.where for e in events if isinstance(e, AttackStakes)}
    nodes |= {e.router for e in events if isinstance(e, Impair | Fade)}
    nodes |= {e.node for e in events if isinstance(e, Edge)}
    nodes |= {node for one in starts(events) for node in ends(one)}
    try:
        captured = trace.read(guarded.read(run.path, run_directory.CAPTURE, guarded.FILE_LIMIT), nodes)
    except FileNotFoundError:
        return None, f"there is no {run_directory.CAPTURE}"
    except (DecodeError, BadInput) as error:
        return None, f"{run_directory.CAPTURE} cannot be read: {error}"
    if captured.truncated:
        return None, f"{run_directory.CAPTURE} is truncated, so the rest of the run is unknown"
    return captured, ""


def _unseen_deliveries(evidence: Evidence, session: SessionStart) -> list[str]:
    """Deliveries that the applications claim and the capture does not bear out."""
    reasons = []
    for direction in DIRECTIONS:
        claimed = [key for key in evidence.delivered if key[1] == direction]
        unseen = [
            key
            for key in claimed
            if key not in evidence.arrived or evidence.arrived[key].time_ns > evidence.delivered[key][0]
        ]
        if unseen:
            reasons.append(
                f"{len(unseen)} of {len(claimed)} messages reported as delivered {direction} did not arrive in the capture"
            )
        if not claimed and direction in session.streams:
            reasons.append(f"nothing was ever delivered {direction}, so there was no session to move")
    return reasons


def _breaks(evidence: Evidence, session: SessionStart) -> list[str]:
    """Why the session did not survive; nothing when it did. A UDP flow survives losses, unless they go on to its end."""
    reasons = [
        *wrong_answers(evidence),
        *wrong_replies(evidence),
        *wrong_set_ups(evidence),
        *growth(evidence),
        *wrong_gains(evidence),
    ]
    stimuli = evidence.stimuli
    moved_ns = evidence.effect_ns(stimuli[-1]) if stimuli else inf
    used = {arrival.association for arrival in evidence.arrived.values()}
    if (needed := _needed(evidence)) > 1:
        reasons.append(f"the session needed {needed} associations: the first one did not survive")
    first = evidence.associations[min(used)] if used and min(used) >= 0 else None
    gone = (*evidence.of(AssociationLost), *evidence.of(ConnectionLost))
    lost_ones = {e.session for e in gone}
    if first and first.ended and needed == 1 and lost_ones - evidence.others - {None}:
        reasons.append(f"the {first.name} ended with {first.ended[1]}")
    transport = find_transport(session.transport)
    for direction in DIRECTIONS:
        sent = [key for key in evidence.sent if key[1] == direction]
        if not sent:
            continue
        lost = [key for key in sent if key not in evidence.delivered]
        after = [key for key in sent if evidence.sent[key] > moved_ns]
        twice = [key for key, times in evidence.delivered.items() if key[1] == direction and len(times) > 1]
        if twice and transport.reliable:
            reasons.append(f"{len(twice)} messages {direction} were delivered more than once")
        if after and not any(key in evidence.delivered for key in after):
            reasons.append(
                f"nothing sent {direction} after the {stimuli[-1].action} was delivered by the end of the run"
            )
        elif not transport.reliable:
            last = [key for key in sent if evidence.sent[key] > evidence.sent[sent[-1]] - _LAST_NS]
            if not any(key in evidence.delivered for key in last):
                reasons.append(
                    f"nothing sent {direction} in the last second was delivered by the end of the run"
                )
        elif lost:
            reasons.append(
                f"{len(lost)} of {len(sent)} messages {direction} were not delivered by the end of the run"
            )
    return reasons


def _needed(evidence: Evidence) -> int:
    """How many associations brought messages; with a NAT, where each end sees other addresses, those at one end."""
    by_way: dict[str, set[int]] = {}
    for key, arrival in evidence.arrived.items():
        by_way.setdefault(key[1], set()).add(arrival.association)
    if evidence.of(Translation):
        return max(map(len, by_way.values()), default=0)
    return len(set().union(*by_way.values()))


def _survival(evidence: Evidence) -> str:
    stimuli = evidence.stimuli
    association = evidence.associations[next(iter(evidence.arrived.values())).association]
    if not stimuli:
        return f"one {association.name} carried everything; nothing moved"
    lost = sum(key not in evidence.delivered for key in evidence.sent)
    everything = f"all but {lost} of the messages" if lost else "every message"
    last = stimuli[-1].action
    return f"the same {association.name} delivered {everything} sent before and after the {last}"


def _way(evidence: Evidence) -> list[str]:
    """Whose ASCONFs the run shows: the kernel's own, or ones that were rewritten on their way out."""
    rewritten = len(evidence.of(AsconfRewritten))
    ways = {
        "kernel": "way kernel: the kernel made the ASCONFs by itself (SCTP_AUTO_ASCONF)",
        "socket": "way socket: the kernel made the ASCONFs that the mobility manager requested through the socket",
        "rewriting": f"way rewriting: {rewritten} of the kernel's packets were rewritten as they left the mobile node",
    }
    asked = bool(evidence.stimuli) and bool(evidence.trace.asconfs)
    return [ways[event.way] for event in evidence.of(AsconfWay)] if asked else []


def _headline(outages: list[Outage], figure: Callable[[Outage], int | None], quiet_s: float | None) -> Both:
    """A figure of the longest outage in each direction (s); ``quiet_s`` where there is none."""
    figures: dict[str, float | None] = {}
    for direction in DIRECTIONS:
        outage = longest(outages, direction)
        value = None if outage is None else figure(outage)
        figures[direction] = quiet_s if outage is None else None if value is None else round(value / 1e9, 9)
    return Both(**figures)


def _count(numbers: Mapping[Key, int]) -> Count:
    return Count(**{d: sum(n for key, n in numbers.items() if key[1] == d) for d in DIRECTIONS})
