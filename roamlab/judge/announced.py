"""Requests that a move or a new NIC should lead to (RFC 5061, 4.2), and what became of them."""

from __future__ import annotations

from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.judge.gains import denied
from roamlab.protocols.mobility import Verb
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, ErrorCauseIndication, SetPrimary
from roamlab.record.stimuli import Arrival

_REFUSED: Final = "it was refused"
_VERBS: Final[dict[Verb, type[AddIp | DeleteIp | SetPrimary]]] = {
    Verb.ADD: AddIp,
    Verb.SET_PRIMARY: SetPrimary,
    Verb.DELETE: DeleteIp,
}


def unmet(evidence: Evidence) -> list[str]:
    """Expected consequences of stimuli that did not follow, one sentence each."""
    if denied(evidence):
        return []
    return [
        f"the {stimulus.action} at {stimulus.at_s} s should have led to {verb.value}: {fate}"
        for stimulus in evidence.of(Arrival)
        for verb in stimulus.expects
        if (fate := _fate(evidence, verb, stimulus))
        and (
            fate == _REFUSED or evidence.following(stimulus) is None
        )  # a NIC that went on owes the earlier place nothing
        and not (verb is Verb.SET_PRIMARY and _replaced_the_last(evidence, stimulus))
        and not (verb is Verb.ADD and fate != _REFUSED and _stayed(evidence, stimulus))
    ]


def _replaced_the_last(evidence: Evidence, stimulus: Arrival) -> bool:
    """Whether the node asked at once for the new address and for the end of its last one: there is none to prefer it to."""
    return any(
        packet.node == stimulus.node
        and packet.time_ns >= stimulus.t
        and isinstance(chunk, chunks.Asconf)
        and any(isinstance(r, AddIp) and str(r.address) == stimulus.new for r in chunk.requests)
        and any(isinstance(r, DeleteIp) for r in chunk.requests)
        and not any(isinstance(r, SetPrimary) for r in chunk.requests)
        for packet, chunk in evidence.trace.asconfs
    )


def _stayed(evidence: Evidence, stimulus: Arrival) -> bool:
    """Whether the peer had the new address from an earlier time at the same place, and never lost it.

    So a node that went on and came back before its DELETE IP was granted has nothing to ask for.
    """
    out: dict[int, chunks.Asconf] = {}
    member = False
    for packet, chunk in evidence.trace.asconfs:
        if packet.node != stimulus.node:
            continue
        if isinstance(chunk, chunks.Asconf) and packet.direction is Way.OUT:
            out[chunk.serial] = chunk
        elif isinstance(chunk, chunks.AsconfAck) and packet.direction is Way.IN and chunk.serial in out:
            refused = {p.correlation_id for p in chunk.parameters if isinstance(p, ErrorCauseIndication)}
            for request in out.pop(chunk.serial).requests:
                if not isinstance(request, AddIp | DeleteIp) or request.correlation_id in refused:
                    continue
                if str(request.address) == stimulus.new:
                    if isinstance(request, DeleteIp) and packet.time_ns > stimulus.t:
                        return False
                    member = isinstance(request, AddIp)
    return member


def _fate(evidence: Evidence, verb: Verb, stimulus: Arrival) -> str:
    """What became of the requests of this kind after the stimulus; nothing to say when one was granted.

    An ADD IP of the same address that was still unanswered counts too: one ASCONF may be outstanding (RFC 5061, 5.1, C1), so
    a node that comes back to a segment does not ask again.
    """
    asked: dict[int, int] = {}
    fate = "nobody asked for it"
    for packet, chunk in evidence.trace.asconfs:
        if packet.node != stimulus.node:
            continue
        before = packet.time_ns < stimulus.t
        if isinstance(chunk, chunks.Asconf):
            for request in chunk.requests:
                if isinstance(request, _VERBS[verb]) and (not before or _adds(request, stimulus)):
                    asked[chunk.serial] = request.correlation_id
                    fate = "it was asked for and not answered"
        elif chunk.serial in asked and packet.direction is Way.IN:
            refused = {p.correlation_id for p in chunk.parameters if isinstance(p, ErrorCauseIndication)}
            if before:
                del asked[chunk.serial]
                fate = "nobody asked for it"
            elif asked[chunk.serial] not in refused:
                return ""
            else:
                fate = _REFUSED
    return fate


def _adds(request: AddIp | DeleteIp | SetPrimary, stimulus: Arrival) -> bool:
    return isinstance(request, AddIp) and str(request.address) == stimulus.new
