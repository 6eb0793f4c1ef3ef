"""Whether what a node keeps for its session stays bounded, however often it moves."""

from __future__ import annotations

from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.record.events import SctpState
from roamlab.record.result import Measure

_LISTS: Final = ("associations", "peer_addresses", "local_addresses")


def growth(evidence: Evidence) -> list[str]:
    """What grew, each as a sentence; nothing where a run took no ``sctp.state`` samples.

    With one session a node has one association of at most two addresses on each side, in the middle of a move as well.
    """
    samples = evidence.of(SctpState)
    reasons = []
    for node in dict.fromkeys(sample.node for sample in samples):
        own = [sample for sample in samples if sample.node == node]
        for what in _LISTS:
            limit = 1 if what == "associations" else 2
            most = max(getattr(sample, what) for sample in own)
            if most > limit:
                reasons.append(f"{node} kept {most} {what.replace('_', ' ')}; it needs {limit}")
    return reasons


def measures(evidence: Evidence) -> list[Measure]:
    """``state_NODE_addresses``: the most on both sides together."""
    samples = evidence.of(SctpState)
    if not samples:
        return []
    most: dict[str, float] = {}
    for sample in samples:
        most[sample.node] = max(most.get(sample.node, 0.0), _addresses(sample))
    return [Measure(f"state_{node}_addresses", number, "", "less") for node, number in most.items()]


def _addresses(sample: SctpState) -> float:
    return float(sample.peer_addresses + sample.local_addresses)
