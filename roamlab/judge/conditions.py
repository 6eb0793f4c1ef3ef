"""Does the capture show what the network was said to be like? One sign for each kind of condition."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, SctpPacket, TcpPacket, UdpPacket
from roamlab.protocols.transport import Udp
from roamlab.record.conditions import BlackHole, Condition, Edge, Translation
from roamlab.record.stimuli import Rebind

_UNDER_WAY_NS: Final = 10**9
"""What was sent so long before a moment has arrived by then."""


def unseen_conditions(evidence: Evidence, *, broken: bool) -> list[str]:
    """Conditions without a witness in the capture, each as a sentence.

    A session that was ``broken`` by a move need not have met what waited for it on the new path.
    """
    return [
        f"the capture does not show that {condition.words}"
        for condition in evidence.of(Condition)
        if not _witnessed(evidence, condition) and not (broken and _never_met(evidence, condition))
    ]


def aliases(evidence: Evidence, address: str) -> set[str]:
    """An address and, where a NAT translates it, what it is outside."""
    found = {address}
    for nat in evidence.of(Translation):
        if address and ip_address(address) in ip_network(nat.subnet):
            found.add(nat.outside)
    return found


def _witnessed(evidence: Evidence, condition: Condition) -> bool:
    match condition:
        case Translation(outside=outside):
            return any(_from(evidence, outside)) or _let_nothing_out(evidence, condition)
        case BlackHole():
            return _swallowed(evidence, condition)
        case Edge():
            return _uneven(evidence, condition)
        case _:
            return False


def _from(evidence: Evidence, outside: str) -> Iterator[IpDatagram]:
    """What comes to the session's other end from an address outside, in order."""
    return (
        p
        for p in evidence.trace.sightings
        if p.node == evidence.ends[1]
        and p.direction is Way.IN
        and isinstance(p, IpDatagram)
        and str(p.source) == outside
    )


def _let_nothing_out(evidence: Evidence, nat: Translation) -> bool:
    """Whether nothing comes to the other end any more since the node first sent from within a NAT's prefix."""
    there = ip_network(nat.subnet)
    mine = (p for p in evidence.trace.sightings if isinstance(p, IpDatagram) and p.source in there)
    first = next((p.time_ns for p in mine if _leaves(evidence, p)), None)
    return first is not None and not any(
        p.node == evidence.ends[1]
        and p.direction is Way.IN
        and isinstance(p, SctpPacket | TcpPacket | UdpPacket)
        and p.time_ns > first + _UNDER_WAY_NS
        for p in evidence.trace.sightings
    )


def _never_met(evidence: Evidence, condition: Condition) -> bool:
    """Whether the node that moved sent nothing where a condition holds."""
    match condition:
        case Translation():
            there = ip_network(condition.subnet)
            own = [p for p in evidence.trace.sightings if isinstance(p, IpDatagram) and p.source in there]
        case BlackHole(address=address):
            own = [
                p for p in evidence.trace.sightings if isinstance(p, IpDatagram) and str(p.source) == address
            ]
        case Edge():
            own = [
                p
                for p in evidence.trace.sightings
                if isinstance(p, IpDatagram) and p.nic == condition.nic and p.time_ns >= condition.t
            ]
        case _:
            return False
    return not any(_leaves(evidence, p) for p in own)


def _leaves(evidence: Evidence, packet: IpDatagram) -> bool:
    """Whether this is a segment or datagram of the session's transport that leaves the node whose messages go up."""
    return (
        packet.node == evidence.ends[0]
        and packet.direction is Way.OUT
        and isinstance(packet, SctpPacket | TcpPacket | UdpPacket)
    )


def _swallowed(evidence: Evidence, hole: BlackHole) -> bool:
    """Whether large packets to or from the address were sent, and none of them came to the other end."""
    own = aliases(evidence, hole.address)
    sent = False
    for p in evidence.trace.sightings:
        if not isinstance(p, IpDatagram) or p.time_ns < hole.t or _length(p) <= hole.mtu:
            continue
        if not own & {str(p.source), str(p.destination)}:
            continue
        at_mobile = p.node == hole.mobile
        if at_mobile and p.direction is Way.OUT:
            sent |= str(p.source) in own
        elif p.node in evidence.ends and not at_mobile:
            if p.direction is Way.IN and str(p.source) in own:
                return False
            sent |= p.direction is Way.OUT and str(p.destination) in own
        elif at_mobile and str(p.destination) in own:
            return False
    return sent


def _length(packet: IpDatagram) -> int:
    return len(packet.datagram.payload) + (40 if packet.source.version == 6 else 20)


def _uneven(evidence: Evidence, edge: Edge) -> bool:
    """Whether what crosses a link takes at least its delay and its rate's time, and is lost where it loses."""
    from roamlab.judge.links import crossings

    found = crossings(evidence, (edge.mobile, edge.nic), (edge.node, edge.segment), edge.t, float("inf"))
    came = [c for c in found if c.came_ns is not None]
    if not came:
        return False
    for crossing in came:
        least_ns = (edge.up_s if crossing.outwards else edge.down_s) * 1e9
        if edge.bw is not None:
            least_ns += crossing.bits * 1000 / edge.bw
        if crossing.took_ns < least_ns:
            return False
    return not edge.loss or any(c.came_ns is None and c.left_ns > came[0].left_ns for c in found)


def rebound(evidence: Evidence, stimulus: Rebind) -> bool:
    """Whether a NAT gives other ports than before, or lets nothing through any more of what is sent to those."""
    before = {_ports(p)[0] for p in _from(evidence, stimulus.outside) if p.time_ns < stimulus.t}
    after = {_ports(p)[0] for p in _from(evidence, stimulus.outside) if p.time_ns >= stimulus.t}
    if not before:
        return False
    if after - before:
        return True
    mobile, peer = evidence.ends
    mapped = [p for p in evidence.trace.sightings if isinstance(p, SctpPacket | TcpPacket | UdpPacket)]
    sent = [
        p
        for p in mapped
        if p.node == peer and p.direction is Way.OUT and str(p.destination) == stimulus.outside
    ]
    came = sum((p.node, p.nic, p.direction) == (mobile, stimulus.nic, Way.IN) for p in mapped)
    sent_before = sum(p.time_ns < stimulus.t for p in sent)
    # A path keeps the order: what came beyond the number that was sent before has been sent since.
    return any(p.time_ns >= stimulus.t and _ports(p)[1] in before for p in sent) and came <= sent_before


def _ports(packet: IpDatagram) -> tuple[int, int]:
    """Source and destination port, as a NAT sees them; zeros where there are none."""
    match packet:
        case SctpPacket(inside=Udp() as udp):
            return udp.sport, udp.dport
        case SctpPacket():
            return packet.sport, packet.dport
        case TcpPacket():
            return packet.tcp.sport, packet.tcp.dport
        case UdpPacket():
            return packet.udp.sport, packet.udp.dport
        case _:
            return 0, 0
