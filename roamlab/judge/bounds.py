"""How soon anything could have been delivered after a move, and what it waited for besides.

The bound of a session is how often the new path must be crossed before data may flow on it (docs/measures.md). What came on
top of it is cut into waits: each is named after what ended it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from roamlab.judge.evidence import Arrival, Evidence
from roamlab.judge.parts import BEFORE, CROSSING, NO_LINK, Cut, Piece, partition
from roamlab.judge.registrations import exchange
from roamlab.judge.silences import Silence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Init
from roamlab.protocols.trace import ArpPacket, IcmpPacket, SctpPacket, Sighting
from roamlab.record.events import AddressUp
from roamlab.record.stimuli import Attach, Detach, Move, Readdress, Reconnect, Stimulus
from roamlab.transports import find

DETECTION: Final = "detection"
TIMER: Final = "before the request"
NEIGHBOUR: Final = "neighbour resolution"
LATE: Final = "a late exchange"
FURTHER: Final = "further exchanges"
AGAIN: Final = "retransmission"
CADENCE: Final = "the application"
HELD: Final = "held back by the sender"
STALLED: Final = "a silence before the move"

_SOLICITATION: Final = 135  # ICMPv6, RFC 4861, 4.3
_SLACK_NS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Handover:
    """A move as the evidence shows it: instants in ns (CLOCK_REALTIME).

    ``gone_ns``: the link went. ``plugged_ns``: the NIC was plugged in again. ``usable_ns``: it had its address, or had found
    its agent. ``begun_ns``: the stack had something to send, or asked for its neighbour. ``asked_ns``: the request left.
    ``up_ns`` and ``down_ns``: the least time from then until data can be delivered. ``answered_ns``: when the request's answer
    was at the mobile node, None for never. ``sending_ns``: the first data left the mobile node on the new path.
    ``receiving_ns``: the first arrived there. ``outward`` is the direction of what the node that moved sends.
    """

    gone_ns: int
    plugged_ns: int
    usable_ns: int
    begun_ns: int
    asked_ns: int
    up_ns: int
    down_ns: int
    round_trip_ns: int
    answered_ns: int | None
    sending_ns: int | None
    receiving_ns: int | None
    outward: str = "up"

    def least_ns(self, direction: str) -> int:
        """The earliest delivery that physics and the protocol allow, from when the NIC was plugged in."""
        return self.plugged_ns + self._crossing_ns(direction)

    def _crossing_ns(self, direction: str) -> int:
        return self.up_ns if direction == self.outward else self.down_ns

    def cuts(self, direction: str, one_way_ns: int) -> Iterator[Cut]:
        """The instants of this handover, each as the earliest delivery that it still allowed.

        What must be crossed comes first, so that a wait keeps its length though messages of before were under way in it.
        """
        crossing = self._crossing_ns(direction)
        yield Cut(BEFORE, self.gone_ns)
        yield Cut(NO_LINK, self.plugged_ns)
        yield Cut(CROSSING, self.plugged_ns + crossing)
        yield Cut(DETECTION, self.usable_ns + crossing)
        yield Cut(TIMER, self.begun_ns + crossing)
        yield Cut(NEIGHBOUR, self.asked_ns + crossing)
        if self.answered_ns is not None:
            yield Cut(LATE, self.answered_ns + crossing - self.round_trip_ns)
        outwards = direction == self.outward
        open_ns = self.sending_ns + one_way_ns if outwards and self.sending_ns else self.receiving_ns
        if open_ns is not None:
            yield Cut(FURTHER, open_ns)


def explain(
    evidence: Evidence, move: Handover | None, silence: Silence, direction: str, every_ns: int
) -> list[Piece]:
    """The parts of a silence that has an end; they add up to it. Without a ``move`` nothing had to be waited for."""
    assert silence.until_ns is not None
    cuts: list[Cut] = []
    one_way_ns = _one_way_ns(evidence, direction, silence.until_ns)
    if move is not None:
        if silence.from_ns < move.gone_ns - every_ns:
            cuts.append(Cut(STALLED, move.gone_ns - every_ns))
        cuts += move.cuts(direction, one_way_ns)
    cuts += _ending(evidence, silence, one_way_ns)
    return partition(silence.from_ns, silence.until_ns, cuts)


def _one_way_ns(evidence: Evidence, direction: str, since_ns: int) -> int:
    """The least time that a message took which was delivered from then on."""
    return min(
        (
            arrival.time_ns - evidence.departed[key].time_ns
            for key, arrival in evidence.arrived.items()
            if key[1] == direction and arrival.time_ns >= since_ns - _SLACK_NS and key in evidence.departed
        ),
        default=0,
    )


def _ending(evidence: Evidence, silence: Silence, one_way_ns: int) -> Iterator[Cut]:
    """What was waited for last: the message that ended the silence, or for it to be sent again."""
    assert silence.until_ns is not None
    assert silence.ended_by is not None
    departed = evidence.departed.get(silence.ended_by)
    if departed is None:
        return
    if silence.until_ns - departed.time_ns > one_way_ns + max(_SLACK_NS, one_way_ns // 2):
        yield Cut(AGAIN, silence.until_ns)
    else:
        yield Cut(CADENCE, evidence.sent[silence.ended_by] + one_way_ns)
        yield Cut(HELD, departed.time_ns + one_way_ns)


def handover(evidence: Evidence, stimulus: Stimulus) -> Handover | None:
    """A move as the evidence shows it; None where nothing was asked for, or the stimulus is not one that has a bound."""
    if isinstance(stimulus, Move) and stimulus.heard:
        return _registered(evidence, stimulus)
    left_ns = evidence.effect_ns(stimulus)
    if isinstance(stimulus, Detach):
        return _left_for(evidence, stimulus, left_ns)
    if isinstance(stimulus, Readdress):
        return _arrived(evidence, stimulus, left_ns + round(stimulus.overlap_s * 1e9))
    if not isinstance(stimulus, Move | Reconnect):
        return None
    return _arrived(evidence, stimulus, left_ns)


def _left_for(evidence: Evidence, stimulus: Detach, left_ns: int) -> Handover | None:
    """The last NIC that came before another was taken out, as a move from that one to it."""
    came = [
        other
        for other in evidence.of(Attach)
        if other.t <= stimulus.t and other.node == stimulus.node and other.nic != stimulus.nic
    ]
    return _arrived(evidence, came[-1], left_ns) if came else None


def _arrived(
    evidence: Evidence, stimulus: Move | Reconnect | Attach | Readdress, left_ns: int
) -> Handover | None:
    """A NIC that came to a segment, in place of what was left at ``left_ns``."""
    if stimulus.peer and stimulus.peer not in evidence.ends:
        return None  # the delays are those to another peer
    by_hand = isinstance(stimulus, Reconnect)
    gap_ns = round(stimulus.gap_s * 1e9) if isinstance(stimulus, Move) else 0
    gone = stimulus.t if by_hand else left_ns
    plugged = (
        stimulus.t
        if isinstance(stimulus, Attach | Readdress)
        else evidence.plugged_ns(stimulus, gone, gap_ns)
    )
    usable = next(
        (e.t for e in evidence.of(AddressUp) if e.t >= stimulus.t and e.address == stimulus.new),
        None,
    )
    if usable is None:
        return None
    transport = find(evidence.transport)
    crossings = transport.connecting if by_hand else transport.moving
    if crossings is None:
        return None
    request = _first(evidence, stimulus.node, Way.OUT, usable, _sets_up if by_hand else transport.asks)
    if request is None:
        return None
    u, d = stimulus.up_ns, stimulus.down_ns
    least_up, least_down = crossings.least_ns(u, d)
    answer = None
    if not by_hand:
        answer = _first(evidence, stimulus.node, Way.IN, request.time_ns, transport.answers)
    begun = _asked_neighbour(evidence, stimulus.node, usable, request.time_ns)
    outward, inward = ("down", "up") if stimulus.node == evidence.ends[1] else ("up", "down")
    return Handover(
        gone_ns=gone,
        plugged_ns=usable if by_hand else plugged,
        usable_ns=usable,
        begun_ns=request.time_ns if begun is None else begun,
        asked_ns=request.time_ns,
        up_ns=least_up,
        down_ns=least_down,
        round_trip_ns=u + d,
        answered_ns=answer.time_ns if answer else None,
        sending_ns=_first_data(evidence.departures(outward), stimulus.new, request.time_ns, outward=True),
        receiving_ns=_first_data(evidence.arrivals(inward), stimulus.new, request.time_ns, outward=False),
        outward=outward,
    )


def _registered(evidence: Evidence, stimulus: Move) -> Handover | None:
    """With Mobile IP data flows when the home agent has the binding; at home nothing is waited for upwards."""
    done = exchange(evidence, stimulus)
    if done is None:
        return None
    asked, there_and_back = done.request.time_ns, stimulus.agent_up_ns + stimulus.agent_down_ns
    gone = evidence.effect_ns(stimulus)
    begun = _asked_neighbour(evidence, stimulus.node, gone, asked)
    return Handover(
        gone_ns=gone,
        plugged_ns=evidence.plugged_ns(stimulus, gone, round(stimulus.gap_s * 1e9)),
        usable_ns=asked if begun is None else begun,
        begun_ns=asked if begun is None else begun,
        asked_ns=asked,
        up_ns=stimulus.up_ns + (there_and_back if stimulus.care_of else 0),
        down_ns=there_and_back,
        round_trip_ns=there_and_back,
        answered_ns=done.reply.time_ns if done.reply else None,
        sending_ns=None,
        receiving_ns=None,
    )


def _first(
    evidence: Evidence, node: str, way: Way, since_ns: int, is_it: Callable[[Sighting], bool]
) -> Sighting | None:
    everything = evidence.trace.sightings
    return next(
        (
            p
            for p in islice(everything, bisect_left(everything, since_ns, key=_time_ns), None)
            if p.node == node and p.direction is way and is_it(p)
        ),
        None,
    )


def _sets_up(packet: Sighting) -> bool:
    return isinstance(packet, SctpPacket) and any(isinstance(chunk, Init) for chunk in packet.chunks)


def _asked_neighbour(evidence: Evidence, node: str, since_ns: int, before_ns: int) -> int | None:
    """When a node asked for its neighbour's link-layer address, last before a packet left; None where it knew."""
    everything = evidence.trace.sightings
    first, last = (bisect_left(everything, time_ns, key=_time_ns) for time_ns in (since_ns, before_ns))
    asked = [
        p.time_ns
        for p in islice(everything, first, last)
        if p.node == node and p.direction is Way.OUT and _asks_neighbour(p)
    ]
    return asked[0] if asked else None


def _time_ns(packet: Sighting) -> int:
    return packet.time_ns


def _asks_neighbour(packet: Sighting) -> bool:
    return isinstance(packet, ArpPacket) or (
        isinstance(packet, IcmpPacket) and packet.icmp.type == _SOLICITATION
    )


def _first_data(seen: Sequence[Arrival], new: str, since_ns: int, *, outward: bool) -> int | None:
    """When the first of these messages from then on was seen that left from the new address, or came to it."""
    for arrival in islice(seen, bisect_left(seen, since_ns, key=_seen_ns), None):
        packet = arrival.packet
        if str(packet.source if outward else packet.destination) == new:
            return arrival.time_ns
    return None


def _seen_ns(arrival: Arrival) -> int:
    return arrival.time_ns
