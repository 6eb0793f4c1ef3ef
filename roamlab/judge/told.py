"""When the applications were told that their session had ended: what a transport that cannot move can do for them at best."""

from __future__ import annotations

from roamlab.judge.evidence import Evidence
from roamlab.record.events import AssociationLost, ConnectionLost
from roamlab.record.result import Measure


def measures(evidence: Evidence) -> list[Measure]:
    """``told_NODE_s``: from the first stimulus until a node's stack reported its session lost; nothing where none did."""
    if not evidence.stimuli:
        return []
    since_ns = evidence.effect_ns(evidence.stimuli[0])
    lost = (*evidence.of(AssociationLost), *evidence.of(ConnectionLost))
    first: dict[str, int] = {}
    for event in lost:
        if event.t >= since_ns and event.node in evidence.ends:
            first[event.node] = min(event.t, first.get(event.node, event.t))
    return [
        Measure(f"told_{node}", round((first[node] - since_ns) / 1e9, 9), "s", "less")
        for node in sorted(first)
    ]
