"""The verdict on programs that nobody wrote for roamlab: from the capture, and from how the programs ended."""

from __future__ import annotations

from collections.abc import Sequence

from roamlab.judge.deeds import absent, moved_only, unseen
from roamlab.judge.talks import became, given_up, services
from roamlab.protocols import trace
from roamlab.protocols.conversations import follow
from roamlab.protocols.errors import DecodeError
from roamlab.record import run_directory
from roamlab.record.event import Event
from roamlab.record.events import RunEnd, RunStart
from roamlab.record.program_events import (
    OutageAllowed,
    ProgramEnded,
    ProgramSaid,
    ProgramsOver,
    ProgramStarted,
)
from roamlab.record.result import Both, Judgement, Outage, ProgramEnd, Talk
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Stimulus
from roamlab.registry import Scenario, Verdict
from roamlab.topologies.roaming import CORRESPONDENT_NODE

_WORST = (Verdict.BROKE, Verdict.RECOVERED, Verdict.SURVIVED)


def judge_programs(
    run: RunDirectory, scenario: Scenario, events: Sequence[Event], expected: str
) -> Judgement:
    """The judgement of a run whose sessions are programs' own; what is missing in it makes it invalid, and is named."""

    def invalid(reason: str) -> Judgement:
        return Judgement(
            scenario=scenario.name,
            figure=scenario.figure,
            verdict=Verdict.INVALID.value,
            expected=expected,
            reasons=[reason],
            programs=_ends(events),
        )

    stimuli = [event for event in events if isinstance(event, Stimulus)]
    started = [event for event in events if isinstance(event, ProgramStarted)]
    if not stimuli:
        return invalid("nothing moved: the run ended too early")
    mobile = stimuli[0].node
    hosts = {mobile, CORRESPONDENT_NODE, *(event.node for event in started)}
    epoch_ns = next((event.epoch_ns for event in events if isinstance(event, RunStart)), 0)
    try:
        captured = trace.load(run.path / run_directory.CAPTURE, hosts if moved_only(stimuli) else None)
    except (OSError, DecodeError) as error:
        return invalid(f"{run_directory.CAPTURE} cannot be read: {error}")
    absence = absent(stimuli, events, epoch_ns)
    early = _ended_early(events, mobile, stimuli[0].t)
    if early:
        return invalid(early)
    if missing := unseen(captured, events):
        return invalid("; ".join(missing))
    over_ns = next((e.t for e in events if isinstance(e, ProgramsOver)), 1 << 62) + epoch_ns
    talks = follow(captured, mobile, hosts, over_ns)
    found = [talk for service in services(talks) if (talk := became(service, absence, epoch_ns)) is not None]
    if not found:  # no program of the mobile node's had ended by then: it wanted to go on
        found = [talk for service in services(talks) if (talk := given_up(service)) is not None]
    if not found:
        return invalid(
            f"no conversation was under way when {absence.begun}, and none was opened afterwards"
            if talks
            else "the programs did not talk to each other"
        )
    outages = [outage for talk in found for outage in talk.outages]
    failures = [*_failures(events, mobile, absence.left_ns - epoch_ns), *_too_long(events, outages)]
    verdict = next(v for v in _WORST if any(talk.outcome == v.value for talk in found))
    reasons = [talk.text for talk in found]
    if failures and verdict is not Verdict.BROKE:
        verdict = Verdict.BROKE
    cut = (
        []
        if any(isinstance(event, RunEnd) for event in events)
        else ["the run was ended early; this is the judgement up to then"]
    )
    facts = [fact for talk in found for fact in talk.facts]
    return Judgement(
        scenario=scenario.name,
        figure=scenario.figure,
        verdict=verdict.value,
        expected=expected,
        reasons=[*reasons, *failures, *facts, *_lasting(events), *cut],
        outage_s=_longest(outages, found),
        outages=outages,
        talks=found,
        programs=_ends(events),
        virtual_s=round(max(event.t for event in events) / 1e9, 9),
    )


def _ended_early(events: Sequence[Event], mobile: str, left_ns: int) -> str:
    """What to say where the mobile node's programs were over before anything moved; nothing where one was not."""
    started = {e.program for e in events if isinstance(e, ProgramStarted) and e.node == mobile}
    ended = {e.program: e for e in events if isinstance(e, ProgramEnded) and e.t < left_ns}
    if not started or started - ended.keys():
        return ""
    last = ended[max(started, key=lambda name: ended[name].t)]
    return (
        f"{last.program} ended with status {last.status} at {last.t / 1e9:.2f} s, before the move, so that there was "
        "nothing to survive; let it run longer, or move earlier"
    )


def _failures(events: Sequence[Event], mobile: str, left_ns: int) -> list[str]:
    """Programs of the mobile node that failed after the move, with their last words."""
    found = []
    for event in events:
        if not isinstance(event, ProgramEnded) or event.by_lab or event.node != mobile or event.t < left_ns:
            continue
        if event.status:
            said = [
                e.text
                for e in events
                if isinstance(e, ProgramSaid)
                and e.program == event.program
                and e.stream == "stderr"
                and e.t <= event.t
            ]
            words = "".join(said).strip().splitlines()
            last = f": {words[-1]}" if words else ""
            found.append(f"{event.program} gave up at {event.t / 1e9:.2f} s with status {event.status}{last}")
    return found


def _too_long(events: Sequence[Event], outages: Sequence[Outage]) -> list[str]:
    """Outages that were longer than the scenario allows."""
    return [
        f"the outage {outage.direction} lasted {outage.length_ns / 1e9:.3f} s, more than the {event.outage_s:g} s allowed"
        for event in events
        if isinstance(event, OutageAllowed)
        for outage in outages
        if outage.length_ns is not None and outage.length_ns > event.outage_s * 1e9
    ]


def _lasting(events: Sequence[Event]) -> list[str]:
    """Programs that noticed nothing: still running when the run was over."""
    return [
        f"{event.program} on {event.node} was still running at the end"
        for event in events
        if isinstance(event, ProgramEnded) and event.by_lab
    ]


def _ends(events: Sequence[Event]) -> list[ProgramEnd]:
    """Every program with its end."""
    ends = {e.program: e for e in events if isinstance(e, ProgramEnded)}
    found = []
    for event in events:
        if isinstance(event, ProgramStarted):
            end = ends.get(event.program)
            found.append(
                ProgramEnd(
                    event.program,
                    event.node,
                    " ".join(event.words),
                    end.status if end and not end.by_lab else None,
                    end.t if end else None,
                )
            )
    return found


def _longest(outages: Sequence[Outage], found: Sequence[Talk]) -> Both:
    """Each direction's longest outage in s; None for one that did not end, or where nothing came through any more."""
    figures: dict[str, float | None] = {}
    for way in ("up", "down"):
        lengths = [outage.length_ns for outage in outages if outage.direction == way]
        broken = any(talk.outcome == Verdict.BROKE.value for talk in found)
        figures[way] = (
            None
            if None in lengths or (broken and not lengths)
            else round(max((n or 0 for n in lengths), default=0) / 1e9, 9)
        )
    return Both(**figures)
