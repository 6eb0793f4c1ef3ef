"""The causal chain: from what happened to the NIC to the first data on the new path, each step with its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from roamlab.judge import evidence as found
from roamlab.judge.evidence import Evidence
from roamlab.judge.registrations import registrations
from roamlab.protocols.mobileip.codes import accepts
from roamlab.protocols.mobileip.codes import describe as describe_code
from roamlab.protocols.mobileip.registration import RegistrationRequest
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Asconf, Chunk, CookieAck, CookieEcho, Init, InitAck
from roamlab.protocols.sctp.describe import describe
from roamlab.protocols.sctp.parameters import ErrorCauseIndication, SetPrimary, StateCookie
from roamlab.protocols.trace import SctpPacket
from roamlab.record.events import (
    AddressDown,
    AddressUp,
    AgentDied,
    AsconfRewritten,
    AsconfUnasked,
    AssociationFailed,
    AssociationLost,
    AssociationUp,
    LinkDown,
    LinkUp,
    RadioDecision,
)
from roamlab.record.mobile_ip_events import (
    MipAgentFound,
    MipAgentLost,
    MipAgentRebooted,
    MipExpired,
    MipFailed,
    MipServing,
)
from roamlab.record.result import (
    Answered,
    Asked,
    Carried,
    CausalStep,
    Detail,
    Happened,
    More,
    Registered,
    SetUp,
)
from roamlab.record.stimuli import Arrival, Block, Renumber, Stimulus
from roamlab.record.words import words

_TOLD: Final = 10
"""After so many stimuli the chain repeats itself, and ends."""
_CAUSES: Final = (
    Stimulus,
    LinkDown,
    LinkUp,
    AddressDown,
    AddressUp,
    AsconfRewritten,
    AsconfUnasked,
    RadioDecision,
    AssociationLost,
    AssociationFailed,
    AssociationUp,
    AgentDied,
    MipServing,
    MipAgentFound,
    MipAgentLost,
    MipAgentRebooted,
    MipExpired,
    MipFailed,
)
"""Events that are steps of the chain."""


SET_UP: Final = "FIG. 5"
"""The figure of the set-up, which stands before all that is done to the association."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step on the capture's clock."""

    time_ns: int
    step: str
    node: str
    text: str
    detail: Detail
    packet: int | None = None


def chain(
    evidence: Evidence, epoch_ns: int, mobile: str, correspondent: str, *, whole_set_up: bool = False
) -> list[CausalStep]:
    """All steps from the first stimulus on, by time; without a stimulus there are none.

    With ``whole_set_up`` the association's set-up is among them wherever it was.
    """
    stimuli = evidence.stimuli
    if not stimuli:
        return []
    start = stimuli[0].t
    steps = [
        *_from_events(evidence, start),
        *_from_requests(evidence, start, mobile, correspondent),
        *_from_registrations(evidence, start),
        *_set_up(evidence, 0 if whole_set_up else start, mobile, correspondent),
        *_first_data(evidence, stimuli[0]),
        *(
            step
            for stimulus in stimuli
            if isinstance(stimulus, Block)
            for step in _around(evidence, stimulus)
        ),
    ]
    steps.sort(key=lambda step: step.time_ns)
    if len(stimuli) > _TOLD:
        last, more = stimuli[_TOLD], len(stimuli) - _TOLD
        steps = [step for step in steps if step.time_ns < last.t]
        steps.append(_Step(last.t, "and so on", last.node, f"{more} more", More(more)))
    return [
        CausalStep(round((s.time_ns - epoch_ns) / 1e9, 9), s.step, s.node, s.text, s.detail, s.packet)
        for s in steps
    ]


def _from_events(evidence: Evidence, start: int) -> Iterator[_Step]:
    for event in evidence.events:
        if event.t >= start and isinstance(event, _CAUSES):
            yield _Step(event.t, event.kind, event.node, words(event), Happened(event.kind))


def _from_requests(evidence: Evidence, start: int, mobile: str, correspondent: str) -> Iterator[_Step]:
    sent: set[tuple[str, int]] = set()
    asked: dict[int, dict[int, str]] = {}
    for packet, chunk in evidence.trace.asconfs:
        arrives = packet.direction is Way.IN
        if isinstance(chunk, Asconf):
            asked[chunk.serial] = {getattr(r, "correlation_id", -1): r.name for r in chunk.requests}
            detail: Detail = Asked(arrives, tuple(request.name for request in chunk.requests))
        else:
            verbs = asked.get(chunk.serial, {})
            failed = [p.correlation_id for p in chunk.parameters if isinstance(p, ErrorCauseIndication)]
            detail = Answered(arrives, tuple(verbs[number] for number in failed if number in verbs))
        at_end = packet.node in (mobile, correspondent)
        if packet.time_ns < start or not at_end:
            continue
        again = ""
        if not arrives:
            again = " again" if (chunk.name, chunk.serial) in sent else ""
            sent.add((chunk.name, chunk.serial))
        step = f"{chunk.name} {'arrives' if arrives else 'sent'}{again}"
        text = f"{describe(chunk)} from {packet.source}"
        yield _Step(packet.time_ns, step, packet.node, text, detail, packet.index)


def _from_registrations(evidence: Evidence, start: int) -> Iterator[_Step]:
    """Registration messages where they leave their sender and where they arrive at home agent and mobile node."""
    for packet, message in registrations(evidence.trace):
        if packet.time_ns < start:
            continue
        arrives = packet.direction is not Way.OUT
        way = "arrives" if arrives else "sent"
        if isinstance(message, RegistrationRequest):
            what = "Request"
            text = f"{message.home_address} at {message.care_of_address} for {message.lifetime} s"
            detail = Registered(arrives, None)
        else:
            what = "Reply"
            text = f"{describe_code(message.code)}, {message.lifetime} s"
            detail = Registered(arrives, accepts(message.code))
        text += f" from {packet.source}"
        yield _Step(packet.time_ns, f"{what} {way}", packet.node, text, detail, packet.index)


_HANDSHAKE: Final = (Init, InitAck, CookieEcho, CookieAck)


def _set_up(evidence: Evidence, start: int, mobile: str, correspondent: str) -> Iterator[_Step]:
    """The four messages that set an association of the mobile node's up, at both ends; repeated ones once."""
    ours = {packet.message for packet in evidence.trace.sctp if packet.node == mobile}
    told: set[tuple[object, str, Way]] = set()
    for packet in evidence.trace.sctp:
        if packet.time_ns < start or packet.node not in (mobile, correspondent) or packet.message not in ours:
            continue
        chunk = next((c for c in packet.chunks if isinstance(c, _HANDSHAKE)), None)
        seen = (packet.message, packet.node, packet.direction)
        if chunk is not None and seen not in told:
            told.add(seen)
            arrives = packet.direction is not Way.OUT
            step = f"{chunk.name} {'arrives' if arrives else 'sent'}"
            text, detail = _handshake(packet, chunk, arrives=arrives)
            yield _Step(packet.time_ns, step, packet.node, text, detail, packet.index)


def _handshake(packet: SctpPacket, chunk: Chunk, *, arrives: bool) -> tuple[str, SetUp]:
    said = [f"from {packet.source} to {packet.destination}"]
    said += [f"through the tunnel to {outer.destination}" for outer in packet.outer]
    cookie, prefers = False, ""
    if isinstance(chunk, Init | InitAck):
        said += [f"addresses {', '.join(map(str, chunk.addresses))}"] if chunk.addresses else []
        cookie = any(isinstance(p, StateCookie) for p in chunk.parameters)
        said += ["a cookie"] if cookie else []
        prefers = next((str(p.address) for p in chunk.parameters if isinstance(p, SetPrimary)), "")
        said += [f"SET PRIMARY {prefers}"] if prefers else []
    return ", ".join(said), SetUp(str(chunk.name), arrives, bool(packet.outer), cookie, prefers)


def _around(evidence: Evidence, stimulus: Block) -> Iterator[_Step]:
    """Of a path that dies: the first data that came down it, and the first that came another way afterwards."""
    arrivals = sorted(evidence.arrived.values(), key=lambda a: a.time_ns)
    down = [a for a in arrivals if a.message.direction.word == "down"]
    on_it = (a for a in down if str(a.packet.destination) == stimulus.old and a.time_ns < stimulus.t)
    after = (a for a in down if str(a.packet.destination) != stimulus.old and a.time_ns > stimulus.t)
    if (arrival := next(on_it, None)) is not None:
        yield _data(arrival, "first DATA on the path", "dying")
    if (arrival := next(after, None)) is not None:
        yield _data(arrival, "DATA another way", "other")


def _first_data(evidence: Evidence, stimulus: Stimulus) -> Iterator[_Step]:
    new = stimulus.new if isinstance(stimulus, Arrival | Renumber) else ""
    for direction in ("up", "down"):
        for arrival in sorted(evidence.arrived.values(), key=lambda a: a.time_ns):
            packet = arrival.packet
            end = packet.source if direction == "up" else packet.destination
            on_new_path = str(end) == new if new else arrival.message.sent_ns >= stimulus.t
            if arrival.message.direction.word == direction and on_new_path and arrival.time_ns >= stimulus.t:
                yield _data(arrival, f"first DATA {direction}", "new")
                break


def _data(arrival: found.Arrival, step: str, path: Literal["new", "dying", "other"]) -> _Step:
    packet = arrival.packet
    tunnels = ""
    if path != "new":
        tunnels = "".join(f", through the tunnel to {outer.destination}" for outer in packet.outer)
    text = f"message {arrival.message.sequence} from {packet.source} to {packet.destination}{tunnels}"
    detail = Carried(arrival.message.direction.word, path, bool(packet.outer))
    return _Step(arrival.time_ns, step, packet.node, text, detail, packet.index)
