"""Requests that a move or a new NIC should lead to (RFC 5061, 4.2), and what became of them."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from typing import Any, Final

from roamlab.judge.evidence import Evidence
from roamlab.judge.gains import denied
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, ErrorCauseIndication, SetPrimary

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
    ]


def _fate(evidence: Evidence, verb: str, stimulus: dict[str, Any]) -> str:
    """What became of the requests of this kind after the stimulus; nothing to say when one was granted."""
    asked: dict[int, int] = {}
    fate = "nobody asked for it"
    everything = evidence.trace.asconfs
    first = bisect_left(everything, stimulus["t"], key=lambda entry: entry[0].time_ns)
    for packet, chunk in islice(everything, first, None):
        if packet.node != stimulus["node"]:
            continue
        if isinstance(chunk, chunks.Asconf):
            for request in chunk.requests:
                if isinstance(request, _VERBS[verb]):
                    asked[chunk.serial] = request.correlation_id
                    fate = "it was asked for and not answered"
        elif chunk.serial in asked and packet.direction is Way.IN:
            refused = {p.correlation_id for p in chunk.parameters if isinstance(p, ErrorCauseIndication)}
            if asked[chunk.serial] not in refused:
                return ""
            fate = "it was refused"
    return fate
