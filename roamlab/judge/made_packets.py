"""Packets that no stack sent, but an attacker or an endpoint of roamlab's own: whether they arrived, and what was answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from roamlab.judge.evidence import Evidence
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import ErrorCauseIndication
from roamlab.protocols.trace import Message
from roamlab.record.attack_events import AttackSent, RawSent
from roamlab.record.stimuli import Made, RawPacket

_SOON_NS: Final = 900_000_000
_UNCOUNTED: Final = (chunks.Data, chunks.Sack, chunks.Heartbeat, chunks.HeartbeatAck)


def arrived(evidence: Evidence, stimulus: Made) -> bool:
    """Whether every packet of a stimulus left the node that made it and came to the one that it was meant for.

    HMACs are not compared: a receiving Linux overwrites them in the packet that is being captured (docs/findings.md).
    """
    made: tuple[AttackSent | RawSent, ...] = (*evidence.of(AttackSent), *evidence.of(RawSent))
    sent = [e for e in made if e.act == stimulus.act]
    passed: set[tuple[str, Way, str, object]] = {
        (p.node, p.direction, str(p.source), _essence(p.raw))
        for p in evidence.trace.sctp
        if p.time_ns >= stimulus.t
    }
    passed |= {
        (p.node, p.direction, str(p.source), p.udp.payload)
        for p in evidence.trace.udp
        if p.time_ns >= stimulus.t
    }
    return bool(sent) and all(
        (node, way, e.source, data if isinstance(e, AttackSent) and e.udp else _essence(data)) in passed
        for e in sent
        for data in (bytes.fromhex(e.data),)
        for node, way in ((stimulus.node, Way.OUT), (stimulus.target, Way.IN))
    )


def _essence(data: bytes) -> tuple[int, tuple[chunks.Chunk, ...]]:
    """A packet without what its receiver changes."""
    sent = Message(data)
    return sent.tag, tuple(replace(c, hmac=b"") if isinstance(c, chunks.Auth) else c for c in sent.chunks)


def answers(evidence: Evidence, stimulus: RawPacket) -> list[str]:
    """The packets that were sent back to a stimulus' association within 0.9 s, each as its chunks in their order.

    Serial numbers stand behind ASCONF-ACK, causes behind it, ABORT and ERROR. HEARTBEATs, DATA and SACKs, which come unasked,
    are left out, with packets that hold nothing else.
    """
    since, to = stimulus.t, (stimulus.target, Way.OUT, stimulus.port)
    counted = [
        [_word(chunk) for chunk in p.chunks if not isinstance(chunk, _UNCOUNTED)]
        for p in evidence.trace.sctp
        if (p.node, p.direction, p.message.dport) == to and since <= p.time_ns < since + _SOON_NS
    ]
    return [", ".join(words) for words in counted if words]


def wrong_replies(evidence: Evidence) -> list[str]:
    """Raw packets that were not answered as expected, one sentence each."""
    wrong = []
    for stimulus in evidence.of(RawPacket):
        if (got := answers(evidence, stimulus)) != list(stimulus.answers):
            wanted = " | ".join(stimulus.answers) or "nothing"
            what = f"{stimulus.what} at {stimulus.at_s} s"
            wrong.append(f"{what}: expected {wanted}, got {' | '.join(got) or 'nothing'}")
    return wrong


def _word(chunk: chunks.Chunk) -> str:
    match chunk:
        case chunks.AsconfAck():
            found = [c for p in chunk.parameters if isinstance(p, ErrorCauseIndication) for c in p.causes]
            words = [chunk.name, str(chunk.serial)]
        case chunks.Abort() | chunks.Error():
            found, words = list(chunk.causes), [chunk.name]
        case _:
            found, words = [], [str(chunk.name)]
    return " ".join([*words, *(f"0x{cause.type:04x}" for cause in found)])
