"""Requests that a move or a new NIC should lead to (RFC 5061, 4.2), and what became of them."""

from __future__ import annotations

from typing import Any, Final

from roamlab.judge.evidence import Evidence
from roamlab.judge.gains import denied
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, ErrorCauseIndication, SetPrimary

_REFUSED: Final = "it was refused"
_VERBS: Final[dict[str, type[AddIp | DeleteIp | SetPrimary]]] = {
    "ADD IP": AddIp,
    "SET PRIMARY": SetPrimary,
    "DELETE IP": DeleteIp,
}


def unmet(evidence: Evidence) -> list[str]:
    """What stimuli should have led to and did not, each as a sentence."""
    if denied(evidence):
        return []
    return [
        f"the {stimulus['action']} at {stimulus['at_s']} s should have led to {verb}: {fate}"
        for stimulus in evidence.of_kind("stimulus")
        for verb in stimulus.get("expects", ())
        if (fate := _fate(evidence, verb, stimulus))
        and (
            fate == _REFUSED or evidence.following(stimulus) is None
        )  # a NIC that went on owes the earlier place nothing
    ]


def _fate(evidence: Evidence, verb: str, stimulus: dict[str, Any]) -> str:
    """What became of the requests of this kind after the stimulus; nothing to say when one was granted.

    An ADD IP of the same address that was still unanswered counts too: one ASCONF may be outstanding (RFC 5061, 5.1, C1), so
    a node that comes back to a segment does not ask again.
    """
    asked: dict[int, int] = {}
    fate = "nobody asked for it"
    for packet, chunk in evidence.trace.asconfs:
        if packet.node != stimulus["node"]:
            continue
        before = packet.time_ns < stimulus["t"]
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


def _adds(request: AddIp | DeleteIp | SetPrimary, stimulus: dict[str, Any]) -> bool:
    return isinstance(request, AddIp) and str(request.address) == stimulus.get("new")
