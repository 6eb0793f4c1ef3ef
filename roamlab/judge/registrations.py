"""Mobile IP on the wire: what a capture shows of moves, registrations and tunnels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement
from roamlab.protocols.mobileip.codes import accepts
from roamlab.protocols.mobileip.identification import low
from roamlab.protocols.mobileip.registration import (
    RegistrationMessage,
    RegistrationReply,
    RegistrationRequest,
    decode_registration,
)
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IcmpPacket, IpDatagram, Trace, UdpPacket
from roamlab.record.result import Measure
from roamlab.record.stimuli import Move

_OVERHEAD: Final = {4: 20, 47: 24}  # bytes around a datagram: an IP header, and GRE's


def registrations(trace: Trace) -> Iterator[tuple[UdpPacket, RegistrationMessage]]:
    """Every Registration Request and Reply, wherever it was seen, in the capture's order."""
    for packet in trace.mobile_ip:
        try:
            yield packet, decode_registration(packet.udp.payload)
        except DecodeError:
            continue


def advertisements(trace: Trace) -> Iterator[tuple[IcmpPacket, AgentAdvertisement]]:
    """Every agent advertisement, wherever it was seen, in the capture's order."""
    for packet in trace.icmp:
        if packet.source.version == 4 and packet.icmp.type == AgentAdvertisement.TYPE:
            yield packet, AgentAdvertisement.decode(packet.datagram.payload)


def heard(evidence: Evidence, stimulus: Move) -> IcmpPacket | None:
    """The first advertisement of the agent where a move led to, at the NIC that was moved."""
    return next(
        (
            packet
            for packet, _ in advertisements(evidence.trace)
            if packet.time_ns >= stimulus.t
            and packet.direction is Way.IN
            and (packet.node, packet.nic) == (stimulus.node, stimulus.nic)
            and str(packet.source) == stimulus.heard
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """A registration at the mobile node: its first request leaving, and the reply that accepts it (None: never)."""

    request: UdpPacket
    reply: UdpPacket | None
    lifetime: int


def exchange(evidence: Evidence, stimulus: Move) -> Exchange | None:
    """The registration that a move led to: of the new care-of address, or the deregistration at home."""
    asked: dict[int, UdpPacket] = {}
    for packet, message in registrations(evidence.trace):
        if packet.time_ns < stimulus.t or packet.node != stimulus.node:
            continue
        if isinstance(message, RegistrationRequest) and packet.direction is Way.OUT:
            wanted = stimulus.care_of or str(message.home_address)
            if str(message.care_of_address) == wanted:
                asked[low(message.identification)] = packet
        elif isinstance(message, RegistrationReply) and packet.direction is Way.IN:
            answered = low(message.identification) in asked
            if answered and accepts(message.code):
                return Exchange(next(iter(asked.values())), packet, message.lifetime)
    return Exchange(next(iter(asked.values())), None, 0) if asked else None


def measures(evidence: Evidence) -> list[Measure]:
    """What Mobile IP cost.

    ``detection_N`` and ``registration_N`` of the Nth move: until its first request, and from that to the reply that accepts
    it. ``lifetime`` as last granted; ``path_stretch_up`` and ``_down``: the median delay of what was sent after the last
    registration, over the delay of the direct path; ``tunnel_overhead`` on each tunnelled packet.
    """
    moves = [s for s in evidence.of(Move) if s.care_of]
    found = [(move, done) for move in moves if (done := exchange(evidence, move)) and done.reply]
    if not found:
        return []
    move, done = found[-1]
    assert done.reply is not None
    figures = [Measure("lifetime", float(done.lifetime), "s"), *_parts(evidence)]
    for direction, direct_ns in (("up", move.up_ns), ("down", move.down_ns)):
        delays = [
            arrival.time_ns - evidence.departed[key].time_ns
            for key, arrival in evidence.arrived.items()
            if key[1] == direction
            and key in evidence.departed
            and evidence.departed[key].time_ns > done.reply.time_ns
        ]
        if delays and direct_ns:
            stretch = round(median(delays) / direct_ns, 3)
            figures.append(Measure(f"path_stretch_{direction}", stretch, "", "less"))
    tunnelled = (p for p in evidence.trace.sightings if isinstance(p, IpDatagram) and p.outer)
    if (packet := next(tunnelled, None)) is not None:
        overhead = float(_OVERHEAD[packet.outer[-1].protocol])
        figures.append(Measure("tunnel_overhead", overhead, "bytes", "less"))
    return figures


def _parts(evidence: Evidence) -> list[Measure]:
    figures = []
    for number, move in enumerate((s for s in evidence.of(Move) if s.heard), 1):
        done = exchange(evidence, move)
        if done is not None and done.reply is not None:
            asked, granted = done.request.time_ns, done.reply.time_ns
            figures.append(Measure(f"detection_{number}", round((asked - move.t) / 1e9, 9), "s", "less"))
            figures.append(Measure(f"registration_{number}", round((granted - asked) / 1e9, 9), "s", "less"))
    return figures
