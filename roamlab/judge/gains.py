"""What an attacker gained, from the capture and the events: data, granted requests, associations, mobility bindings.

``attack.stakes`` names the addresses of the attacker (or its victim), the node they lead to, and what the attacker is expected
to gain on this kernel; ``attack.sent`` is one packet of the attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.judge.registrations import registrations
from roamlab.protocols import payload
from roamlab.protocols.mobileip.registration import RegistrationReply
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks, packet
from roamlab.protocols.sctp.parameters import ErrorCauseIndication
from roamlab.protocols.trace import SctpPacket
from roamlab.record.attack_events import AttackSent, AttackStakes
from roamlab.record.event import Event
from roamlab.record.events import AssociationRestarted, SctpState
from roamlab.record.mobile_ip_events import MipTable
from roamlab.record.result import Measure

_TOLD: Final = {
    "data": "{} DATA packets",
    "requests": "{} forged requests granted",
    "associations": "{} of the mobile node's associations replaced or invented",
    "bindings": "{} changes of the mobility binding",
    "denials": "{} messages of the session not delivered",
    "injections": "{} tunnelled datagrams forwarded",
}
KINDS: Final = tuple(_TOLD)
"""The kinds of gain."""


def gains(evidence: Evidence) -> dict[str, int]:
    """How much of each kind the attacker got; nothing where nobody attacked."""
    stakes = evidence.of(AttackStakes)
    if not stakes:
        return {}
    stake, since = stakes[0], _since(evidence)
    return {
        "data": sum(1 for _ in _data(evidence, stake)),
        "requests": _granted(evidence, stake),
        "associations": _associations(evidence, stake, since),
        "bindings": sum(e.node == stake.target and e.t >= since for e in evidence.of(MipTable)),
        "denials": sum(t >= since and key not in evidence.delivered for key, t in evidence.sent.items()),
        "injections": _injected(evidence, stake),
    }


def gained(evidence: Evidence) -> list[str]:
    """One sentence: what the attacker got."""
    if not evidence.of(AttackStakes):
        return []
    size = _data_bytes(evidence, evidence.of(AttackStakes)[0])
    got = [
        _TOLD[kind].format(number) + (f" ({size} bytes)" if kind == "data" else "")
        for kind, number in gains(evidence).items()
        if number
    ]
    return [f"the attacker got: {', '.join(got) or 'nothing'}"]


def wrong_gains(evidence: Evidence) -> list[str]:
    """Where the attacker got more or less than the scenario expects of this kernel, as sentences."""
    wrong = []
    for stake in evidence.of(AttackStakes):
        for kind, number in gains(evidence).items():
            if bool(number) != (kind in stake.concedes):
                expected = "some" if kind in stake.concedes else "none"
                wrong.append(f"the attacker got {_TOLD[kind].format(number)} ({expected} expected)")
    return wrong


def denied(evidence: Evidence) -> bool:
    """Whether this kernel is expected to let an attacker end the session."""
    return any("denials" in stake.concedes for stake in evidence.of(AttackStakes))


def attack_measures(evidence: Evidence) -> list[Measure]:
    """What was gained as figures, the packets of the attack, and what came to the stakes besides DATA."""
    stakes = evidence.of(AttackStakes)
    if not stakes:
        return []
    to_stakes, sent = list(_to_stakes(evidence, stakes[0])), evidence.of(AttackSent)
    heartbeats = sum(_carries(p, chunks.Heartbeat) for p in to_stakes)
    others = sum(not _carries(p, chunks.Data) and not _carries(p, chunks.Heartbeat) for p in to_stakes)
    return [
        *(Measure(f"attacker_{kind}", float(n), "", "less") for kind, n in gains(evidence).items()),
        Measure("attacker_data", float(_data_bytes(evidence, stakes[0])), "bytes", "less"),
        Measure("attacker_packets", float(len(sent))),
        Measure("attacker", float(sum(len(e.data) // 2 for e in sent)), "bytes"),
        Measure("attacker_answers", float(len(to_stakes)), "", "less"),
        Measure("attacker_answers", float(sum(len(p.raw) for p in to_stakes)), "bytes", "less"),
        Measure("attacker_heartbeats", float(heartbeats), "", "less"),
        Measure("attacker_other_answers", float(others), "", "less"),
        *_replies(evidence, stakes[0]),
    ]


def _to_stakes(evidence: Evidence, stake: AttackStakes) -> Iterator[SctpPacket]:
    """SCTP packets for the attacker's or victim's addresses, as they arrive where those lead to."""
    for p in evidence.trace.sctp:
        if p.node == stake.where and p.direction is Way.IN and str(p.destination) in stake.addresses:
            yield p


def _data(evidence: Evidence, stake: AttackStakes) -> Iterator[SctpPacket]:
    """SCTP packets with DATA that the attacker has got: what came to the stakes, and what the target sent him elsewhere.

    A packet whose verification tag the attacker chose is in his association, whatever address it goes to: on the path he reads
    it as it passes. The session's messages in it are a gain; what he asked for himself is not.
    """
    yield from (p for p in _to_stakes(evidence, stake) if _carries(p, chunks.Data))
    tags = _chosen_tags(evidence)
    for p in evidence.trace.sctp if tags else ():
        if (
            (p.node, p.direction) == (stake.target, Way.OUT)
            and p.message.tag in tags
            and str(p.destination) not in stake.addresses
            and any(isinstance(chunk, chunks.Data) and _of_the_session(evidence, chunk) for chunk in p.chunks)
        ):
            yield p


def _chosen_tags(evidence: Evidence) -> frozenset[int]:
    """The verification tags that the attacker chose in INITs of his own."""
    return frozenset(
        chunk.tag
        for event in evidence.of(AttackSent)
        if not event.udp
        for chunk in packet.decode(bytes.fromhex(event.data)).chunks
        if isinstance(chunk, chunks.Init)
    )


def _of_the_session(evidence: Evidence, chunk: chunks.Data) -> bool:
    message = payload.decode(chunk.data)
    return message is not None and message.session not in evidence.others


def _data_bytes(evidence: Evidence, stake: AttackStakes) -> int:
    """Bytes of the SCTP packets with DATA that the attacker has got."""
    return sum(len(p.raw) for p in _data(evidence, stake))


def _carries(seen: SctpPacket, kind: type[chunks.Chunk]) -> bool:
    return any(isinstance(chunk, kind) for chunk in seen.chunks)


def _granted(evidence: Evidence, stake: AttackStakes) -> int:
    """Requests of forged ASCONFs that the target acknowledged without a cause.

    An acknowledgement is that of the last ASCONF with its serial number: a forged one that was discarded may be followed by the
    mobile node's own.
    """
    forged = {
        (event.source, sent.tag, chunk)
        for event in evidence.of(AttackSent)
        if event.forged and not event.udp
        for sent in (packet.decode(bytes.fromhex(event.data)),)
        for chunk in sent.chunks
        if isinstance(chunk, chunks.Asconf)
    }
    waiting: dict[int, int] = {}
    granted = 0
    for seen, chunk in evidence.trace.asconfs:
        if seen.node != stake.target:
            continue
        if isinstance(chunk, chunks.Asconf) and seen.direction is Way.IN:
            known = (str(seen.source), seen.message.tag, chunk) in forged
            waiting[chunk.serial] = len(chunk.requests) if known else 0
        elif isinstance(chunk, chunks.AsconfAck) and seen.direction is Way.OUT:
            refused = sum(isinstance(p, ErrorCauseIndication) for p in chunk.parameters)
            granted += max(0, waiting.pop(chunk.serial, 0) - refused)
    return granted


def _associations(evidence: Evidence, stake: AttackStakes, since: int) -> int:
    """Associations that the target restarted, and those that it has more of at its last account than at its first."""
    restarted: int = sum(e.node == stake.target and e.t >= since for e in evidence.of(AssociationRestarted))
    counts: list[int] = [e.associations for e in evidence.of(SctpState) if e.node == stake.target]
    return restarted + (max(0, counts[-1] - counts[0]) if counts else 0)


def _injected(evidence: Evidence, stake: AttackStakes) -> int:
    """Datagrams that the attacker sent in a tunnel, and that the target sent on without it."""
    sent = {bytes.fromhex(e.data) for e in evidence.of(AttackSent) if e.tunnelled}
    return len(
        sent
        & {
            p.udp.payload
            for p in evidence.trace.udp
            if (p.node, p.direction) == (stake.target, Way.OUT) and not p.outer
        }
    )


def _since(evidence: Evidence) -> int:
    """When the attack began: with its first packet, or where the mobile node itself asks, with that."""
    begun: tuple[Event, ...] = (*evidence.of(AttackSent), *evidence.stimuli)
    return begun[0].t if begun else 0


def _replies(evidence: Evidence, stake: AttackStakes) -> list[Measure]:
    """The code of the home agent's last Registration Reply since the attack began (RFC 5944, 3.4)."""
    codes = [
        message.code
        for seen, message in registrations(evidence.trace)
        if isinstance(message, RegistrationReply)
        and (seen.node, seen.direction) == (stake.target, Way.OUT)
        and seen.time_ns >= _since(evidence)
    ]
    return [Measure("attacker_reply_code", float(codes[-1]))] if codes else []
