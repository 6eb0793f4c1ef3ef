"""What was done while programs ran: whether the capture shows it, and from when to when their peers could not be reached.

Programs may be silent at that moment, so hosts announce themselves (RFC 5227) when something was done to a link: these
announcements are looked for besides what `roamlab.judge.witness` knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from roamlab.judge import witness
from roamlab.judge.evidence import Evidence, on_clock
from roamlab.judge.talks import Absence
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.trace import ArpPacket, IpDatagram, Trace
from roamlab.record.event import Event
from roamlab.record.events import NicConfigure
from roamlab.record.stimuli import Arrival, LinkDown, LinkUp, Move, Stimulus

_SAID_NS = 10**8
"""How long after a link went a neighbour speaks at the latest."""


def moved_only(stimuli: Sequence[Stimulus]) -> bool:
    """Whether a NIC moved and nothing else was done."""
    return all(isinstance(stimulus, Move) for stimulus in stimuli)


def absent(stimuli: Sequence[Stimulus], events: Sequence[Event], epoch_ns: int) -> Absence:
    """From the first deed to when the last had its effect; a NIC that comes is there when it has its new addresses."""
    first, last = stimuli[0], stimuli[-1]
    back_ns = last.t
    if isinstance(last, Arrival):
        configured = [
            e.t for e in events if isinstance(e, NicConfigure) and e.node == last.node and e.t >= last.t
        ]
        back_ns = configured[-1] if configured else last.t
    if moved_only(stimuli):
        return Absence(first.t + epoch_ns, back_ns + epoch_ns)
    words = f"the {last.words.replace('_', '-')}"
    return Absence(
        first.t + epoch_ns,
        back_ns + epoch_ns,
        begun=f"the {first.words.replace('_', '-')} came",
        back=words,
        after=words,
    )


def unseen(captured: Trace, events: Sequence[Event]) -> list[str]:
    """What was done and left no trace in the capture, in a sentence each."""
    evidence = Evidence(captured, on_clock(events))
    return [
        witness.unseen(evidence, stimulus)
        for stimulus in evidence.stimuli
        if not (_announced(evidence, stimulus) or witness.witnessed(evidence, stimulus))
    ]


def _announced(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether the announcements show it: of a NIC's new address; of a router's, which does not come where a link is gone."""
    match stimulus:
        case Arrival(new=new):
            return any(
                str(seen.arp.sender if isinstance(seen, ArpPacket) else seen.source) == new
                for seen in evidence.trace.sightings
                if isinstance(seen, ArpPacket | IpDatagram)
                and (seen.node, seen.nic, seen.direction) == (stimulus.node, stimulus.nic, Direction.OUT)
                and seen.time_ns >= stimulus.t
            )
        case LinkDown():
            until = min((up.t for up in evidence.of(LinkUp) if up.t >= stimulus.t), default=inf)
            said = came = False
            for seen in evidence.trace.sightings:
                if not stimulus.t < seen.time_ns < until:
                    continue
                if (seen.node, seen.nic) == (stimulus.node, stimulus.nic):
                    came |= seen.direction is Direction.IN
                elif isinstance(seen, ArpPacket) and seen.direction is Direction.OUT:
                    said |= seen.node != stimulus.node and seen.time_ns < stimulus.t + _SAID_NS
            return said and not came
        case _:
            return False
