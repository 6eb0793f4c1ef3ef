"""Does the capture show what was done to a link or a program? One sign for each verb that leaves a NIC where it is.

A link is known by both of its ends: what leaves a NIC and comes to the router of its segment, or the other way, has crossed
it, and shows its delay, its losses and its rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from roamlab.judge.conditions import rebound
from roamlab.judge.evidence import Evidence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Init, InitAck
from roamlab.protocols.trace import IpDatagram, SctpPacket, Sighting
from roamlab.record.stimuli import (
    Allow,
    Block,
    Detach,
    Fade,
    Impair,
    Kill,
    LinkDown,
    LinkUp,
    Move,
    Rebind,
    Start,
    Stimulus,
)


def shown(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether the capture shows a stimulus to a link or a program."""
    match stimulus:
        case Detach():
            return _seen_no_more(evidence, stimulus)
        case LinkDown(old=old):
            return _kept_away(evidence, stimulus, old, _undone_ns(evidence, stimulus, LinkUp))
        case Block(old=old):
            return _kept_away(evidence, stimulus, old, _undone_ns(evidence, stimulus, Allow))
        case LinkUp():
            return any(_at_nic(p, stimulus) and p.direction is Way.IN for p in _after(evidence, stimulus))
        case Allow(new=new):
            return any(
                isinstance(p, IpDatagram) and p.direction is Way.IN and str(p.destination) == new
                for p in _after(evidence, stimulus)
                if p.node == stimulus.node
            )
        case Rebind():
            return rebound(evidence, stimulus)
        case Kill():
            return _says_no_more(evidence, stimulus)
        case Start():
            return _says_again(evidence, stimulus)
        case Fade():
            return any(c.came_ns is None for c in _crossings(evidence, stimulus, stimulus.t, inf))
        case Impair():
            return _impaired(evidence, stimulus)
        case _:
            return False


def _undone_ns(evidence: Evidence, stimulus: Stimulus, undone: type[Stimulus]) -> float:
    """When the next stimulus undoes this one; never where none does."""
    times = [
        other.t
        for other in evidence.of(undone)
        if (other.node, other.nic) == (stimulus.node, stimulus.nic) and other.t >= stimulus.t
    ]
    return min(times, default=inf)


def _at_nic(packet: Sighting, stimulus: Stimulus) -> bool:
    return (packet.node, packet.nic) == (stimulus.node, stimulus.nic)


def _after(evidence: Evidence, stimulus: Stimulus) -> Iterator[Sighting]:
    return (p for p in evidence.trace.sightings if p.time_ns >= stimulus.t)


def _seen_no_more(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether a NIC was captured on before and never after."""
    since = evidence.effect_ns(stimulus)  # what was sent in the same instant left before the NIC went
    times = [p.time_ns for p in evidence.trace.sightings if _at_nic(p, stimulus)]
    return any(t < since for t in times) and not any(t > since for t in times)


def _kept_away(evidence: Evidence, stimulus: Stimulus, old: str, until: float) -> bool:
    """Whether a peer sent to an address, and nothing came there, from the stimulus on until it was undone."""
    since = evidence.effect_ns(stimulus)
    sent = False
    for packet in evidence.trace.sightings:
        if (
            not since < packet.time_ns < until
            or not isinstance(packet, IpDatagram)
            or str(packet.destination) != old
        ):
            continue
        if packet.node == stimulus.node and packet.direction is Way.IN:
            return False
        sent |= packet.node != stimulus.node and packet.direction is Way.OUT
    return sent


def _says_no_more(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether a node sent messages of its own before, and none until it was started again."""
    until = _undone_ns(evidence, stimulus, Start)
    times = [a.time_ns for a in evidence.departed.values() if a.packet.node == stimulus.node]
    return any(t < stimulus.t for t in times) and not any(stimulus.t < t < until for t in times)


def _says_again(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether a node sets an association up, or sends messages of its own, from the stimulus on."""
    node, since = stimulus.node, stimulus.t
    return any(a.packet.node == node and a.time_ns > since for a in evidence.departed.values()) or any(
        packet.node == node
        and packet.time_ns > since
        and packet.direction is Way.OUT
        and any(isinstance(chunk, Init | InitAck) for chunk in packet.chunks)
        for packet in evidence.trace.sctp
    )


# -- links that impair -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossing:
    """A packet that was put on a link, and when it came out at the other end: never where it was lost."""

    left_ns: int
    came_ns: int | None
    bits: int
    outwards: bool
    """whether it left the NIC, rather than the router"""

    @property
    def took_ns(self) -> float:
        """How long it was on the link, ns."""
        return inf if self.came_ns is None else self.came_ns - self.left_ns


def crossings(
    evidence: Evidence, nic: tuple[str, str], port: tuple[str, str], since: float, until: float
) -> list[Crossing]:
    """What was put on the link between a NIC and its segment's router (node and NIC of each), at either end, within a time."""
    ends = {nic: 0, port: 1}
    waiting: dict[tuple[int, object, object, bytes], deque[tuple[int, int]]] = {}
    out_of = [0, 0]  # when the last packet that came out at the other end had left this one
    found: list[Crossing] = []
    last_ns = 0
    for packet in evidence.trace.sightings:
        last_ns = packet.time_ns
        end = ends.get((packet.node, packet.nic))
        if end is None or not isinstance(packet, IpDatagram):
            continue
        raw = packet.raw if isinstance(packet, SctpPacket) else packet.datagram.payload
        key = (end ^ (packet.direction is Way.IN), packet.source, packet.destination, raw)
        if packet.direction is Way.OUT:
            waiting.setdefault(key, deque()).append((packet.time_ns, 8 * len(raw)))
        elif candidates := waiting.get(key):
            # Equal packets: a link keeps their order, so those before the last that came were lost.
            at = next((n for n, (left, _) in enumerate(candidates) if left >= out_of[key[0]]), -1)
            left_ns, bits = candidates[at]
            del candidates[at]
            out_of[key[0]] = left_ns
            found.append(Crossing(left_ns, packet.time_ns, bits, outwards=key[0] == 0))
    slowest = max((c.took_ns for c in found), default=0)
    lost = [
        Crossing(left_ns, None, bits, outwards=key[0] == 0)
        for key, left in waiting.items()
        for left_ns, bits in left
        if left_ns + slowest < last_ns  # what is younger may be under way
    ]
    return [c for c in (*found, *lost) if since <= c.left_ns < until]


def _crossings(evidence: Evidence, stimulus: Impair | Fade, since: float, until: float) -> list[Crossing]:
    port = (stimulus.router, stimulus.segment)
    return crossings(evidence, (stimulus.node, stimulus.nic), port, since, until)


def _impaired(evidence: Evidence, stimulus: Impair) -> bool:
    """Whether what crosses a link from now on shows what the link was made to do: all that the stimulus names."""
    others = [
        other.t
        for other in evidence.stimuli
        if isinstance(other, Impair | Fade | Move | Detach)
        and (other.node, other.nic) == (stimulus.node, stimulus.nic)
    ]
    now = stimulus.t
    until = min((t for t in others if t > now), default=inf)
    since = max((t for t in others if t < now), default=0)
    before = [c.took_ns for c in _crossings(evidence, stimulus, since, now) if c.came_ns is not None]
    after = _crossings(evidence, stimulus, now, until)
    came = [c for c in after if c.came_ns is not None]
    if not came or not before:
        return stimulus.loss == 100 and bool(after) and not came  # all is lost from now on
    least, was = min(c.took_ns for c in came), min(before)
    signs = []
    if (delay := stimulus.delay) is not None:
        signs.append(least >= delay * 1e9 and (least > was) == (delay * 1e9 > was))
    if (loss := stimulus.loss) is not None:
        signs.append((len(came) < len(after)) == (loss > 0))
    if (rate := stimulus.bw) is not None:
        signs.append(least != was and all(c.took_ns >= c.bits * 1000 / rate for c in came))
    return bool(signs) and all(signs)
