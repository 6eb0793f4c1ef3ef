"""Does the capture show what was done? A run whose stimulus left no trace on the wire proves nothing.

Every stimulus says by its class and members what must be seen, and each kind of sign is looked for here.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from math import inf
from typing import Final

from roamlab.judge.answers import asked
from roamlab.judge.conditions import aliases
from roamlab.judge.cookies import echoed
from roamlab.judge.evidence import Evidence
from roamlab.judge.links import shown
from roamlab.judge.made_packets import arrived
from roamlab.judge.registrations import advertisements, heard, registrations
from roamlab.protocols.mobileip.registration import RegistrationRequest
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, SetPrimary
from roamlab.protocols.trace import IpDatagram, UdpPacket
from roamlab.record.attack_events import AttackUnsent, CookieMissing
from roamlab.record.events import NicDown
from roamlab.record.stimuli import (
    Announced,
    Arrival,
    Ask,
    Attach,
    Attack,
    Cookie,
    Crash,
    Fail,
    Favour,
    Halt,
    Made,
    Move,
    Readdress,
    Release,
    Renumber,
    Replay,
    Revive,
    Stimulus,
    Withdraw,
)

_SAME_INSTANT_NS: Final = 1_000_000
_AT_ONCE_NS: Final = 1_000_000_000  # in which a host's links are cut, however slow the machine


def unseen_stimuli(evidence: Evidence) -> list[Stimulus]:
    """Stimuli without a witness in the capture."""
    return [stimulus for stimulus in evidence.stimuli if not witnessed(evidence, stimulus)]


def unseen(evidence: Evidence, stimulus: Stimulus) -> str:
    """That a stimulus has no witness, as a sentence, and why where an agent said so."""
    return f"the {stimulus.action} at {stimulus.at_s} s is not in the capture{_why(evidence, stimulus)}"


def _why(evidence: Evidence, stimulus: Stimulus) -> str:
    """What an agent said that kept it from doing as it was told."""
    match stimulus:
        case Attack(act=act):
            return next((f": {e.reason}" for e in evidence.of(AttackUnsent) if e.act == act), "")
        case Cookie():
            lacks = any(e.t >= stimulus.t for e in evidence.of(CookieMissing))
            return ": no INIT-ACK with a cookie had arrived" if lacks else ""
        case _:
            return ""


def witnessed(evidence: Evidence, stimulus: Stimulus) -> bool:
    """Whether the capture shows a stimulus."""
    match stimulus:
        case Ask():
            return asked(evidence, stimulus)[0] is not None
        case Announced():
            return _announced(evidence, stimulus)
        case Cookie():
            return echoed(evidence, stimulus)
        case Made():
            return arrived(evidence, stimulus)
        case Fail():
            return _fell_silent(evidence, stimulus)
        case Crash():
            return _advertises_no_more(evidence, stimulus)
        case Revive():
            return any(t > stimulus.t for t in _advertisements(evidence, stimulus))
        case Halt():
            before, after = _requests(evidence, stimulus)
            return bool(before) and not after
        case Withdraw():
            _, after = _requests(evidence, stimulus)
            return any(RegistrationRequest.decode(p.udp.payload).deregisters for p in after)
        case Replay():
            before, after = _requests(evidence, stimulus)
            return bool({p.udp.payload for p in before} & {p.udp.payload for p in after})
        case Move() if stimulus.heard:
            return heard(evidence, stimulus) is not None
        case Attach(new=new):
            return _readdressed(evidence, stimulus, new, "") or _seen_from_now_on(evidence, stimulus)
        case Readdress(new=new, old=old):
            return _readdressed(evidence, stimulus, new, old) or _answers_no_more(evidence, stimulus)
        case Arrival(new=new, old=old):
            return _readdressed(evidence, stimulus, new, old)
        case _:
            return shown(evidence, stimulus)


def _readdressed(evidence: Evidence, stimulus: Stimulus, new: str, old: str) -> bool:
    """Whether a NIC's addresses changed.

    A NIC with a new address shows itself by any packet from that address on that NIC. A NIC whose address went shows by a
    packet to it that its peer sent and that never came, until something else happens to that NIC; or by what it sends no more
    from that address, though the application goes on, where the peer has gone as well.
    """
    since = evidence.effect_ns(stimulus)
    following = evidence.following(stimulus)
    everything = evidence.trace.sightings
    if following is not None:
        until = bisect_left(everything, evidence.effect_ns(following), key=lambda sighting: sighting.time_ns)
        everything = everything[:until]
    first = bisect_left(everything, since, key=lambda sighting: sighting.time_ns)
    node, nic = stimulus.node, stimulus.nic
    if any(
        p.node == node
        and p.nic == nic
        and p.direction is Way.OUT
        and isinstance(p, IpDatagram)
        and str(p.source) == new
        for p in islice(everything, first, None)
    ):
        return True
    packets = [p for p in everything[first:] if isinstance(p, IpDatagram)]
    former = aliases(evidence, old) if old else set()
    to_old = [p for p in packets if str(p.destination) in former]
    sent = any(p.direction is Way.OUT and p.node != node for p in to_old)
    came = any(p.direction is Way.IN and p.node == node for p in to_old)
    return (sent and not came) or (isinstance(stimulus, Move) and _sends_no_more(evidence, stimulus, since))


def _sends_no_more(evidence: Evidence, move: Move, since_ns: int) -> bool:
    """Whether a NIC sent from its old address until it moved and not since, though its application has sent messages since."""
    left = [
        p.time_ns
        for p in evidence.trace.sightings
        if isinstance(p, IpDatagram)
        and (p.node, p.nic, p.direction) == (move.node, move.nic, Way.OUT)
        and str(p.source) == move.old
    ]
    way = "up" if move.node == evidence.ends[0] else "down"
    goes_on = any(key[1] == way and t > since_ns + _SAME_INSTANT_NS for key, t in evidence.sent.items())
    return bool(left) and max(left) <= since_ns + _SAME_INSTANT_NS and goes_on


def _seen_from_now_on(evidence: Evidence, stimulus: Attach) -> bool:
    """Whether a NIC was captured on after and never before, though its address was not sent from."""
    at = [p.time_ns for p in evidence.trace.sightings if (p.node, p.nic) == (stimulus.node, stimulus.nic)]
    return bool(at) and min(at) >= stimulus.t


def _answers_no_more(evidence: Evidence, stimulus: Readdress) -> bool:
    """Whether packets went on coming for the old address of a NIC, and none left from it any more, as some had before."""
    gone_ns = stimulus.t + round(stimulus.overlap_s * 1e9)
    at = [
        p
        for p in evidence.trace.sightings
        if isinstance(p, IpDatagram) and (p.node, p.nic) == (stimulus.node, stimulus.nic)
    ]
    left = [p.time_ns for p in at if p.direction is Way.OUT and str(p.source) == stimulus.old]
    came = [p.time_ns for p in at if p.direction is Way.IN and str(p.destination) == stimulus.old]
    since = gone_ns + _SAME_INSTANT_NS
    return any(t < gone_ns for t in left) and max(left) <= since and any(t > since for t in came)


def _announced(evidence: Evidence, stimulus: Announced) -> bool:
    """Whether a node asked for an address that it got to be added, one that it gave up to be deleted, or one to be sent to."""
    new = stimulus.new if isinstance(stimulus, Renumber) else ""
    old = stimulus.old if isinstance(stimulus, Renumber | Release) else ""
    primary, port = (stimulus.primary, stimulus.peer_port) if isinstance(stimulus, Favour) else ("", None)
    return any(
        (isinstance(request, AddIp) and str(request.address) == new)
        or (isinstance(request, DeleteIp) and str(request.address) == old)
        or (isinstance(request, SetPrimary) and str(request.address) == primary)
        for packet, chunk in evidence.trace.asconfs
        if packet.node == stimulus.node
        and packet.direction is Way.OUT
        and packet.time_ns >= stimulus.t
        and port in (None, packet.message.dport)
        and isinstance(chunk, chunks.Asconf)
        for request in chunk.requests
    )


def _fell_silent(evidence: Evidence, stimulus: Fail) -> bool:
    """Whether a node was heard of before, and never after (or not until it was back or revived).

    Its links are cut one after another, which takes milliseconds where each instruction takes time.
    """
    times = [p.time_ns for p in evidence.trace.sightings if p.node == stimulus.node]
    back = stimulus.t + round(stimulus.back_s * 1e9) if stimulus.back_s else _revived_ns(evidence, stimulus)
    cut = [e.t for e in evidence.of(NicDown) if e.node == stimulus.node]
    done = max((t for t in cut if stimulus.t <= t < stimulus.t + _AT_ONCE_NS), default=stimulus.t)
    absent = [t for t in times if done <= t < back]
    return any(t < stimulus.t for t in times) and not absent


def _advertises_no_more(evidence: Evidence, stimulus: Crash) -> bool:
    """Whether an agent advertised itself before, and never after (or not until it was revived)."""
    times, back = _advertisements(evidence, stimulus), _revived_ns(evidence, stimulus)
    return any(t < stimulus.t for t in times) and not any(stimulus.t < t < back for t in times)


def _advertisements(evidence: Evidence, stimulus: Stimulus) -> list[int]:
    """When the agent that a stimulus is done to was seen to advertise itself."""
    return [p.time_ns for p, _ in advertisements(evidence.trace) if p.node == stimulus.node]


def _revived_ns(evidence: Evidence, stimulus: Stimulus) -> float:
    """When an agent that died was revived; infinity for never."""
    later = [s.t for s in evidence.of(Revive) if s.node == stimulus.node and s.t > stimulus.t]
    return min(later, default=inf)


def _requests(evidence: Evidence, stimulus: Stimulus) -> tuple[list[UdpPacket], list[UdpPacket]]:
    """The Registration Requests that a mobile node sent before a stimulus and after it."""
    sent = [
        packet
        for packet, message in registrations(evidence.trace)
        if isinstance(message, RegistrationRequest)
        and packet.direction is Way.OUT
        and packet.node == stimulus.node
    ]
    return (
        [p for p in sent if p.time_ns < stimulus.t],
        [p for p in sent if p.time_ns >= stimulus.t],
    )
