"""What a capture shows of a session that was never established: which message of the handshake was not answered."""

from __future__ import annotations

from typing import Final

from roamlab.protocols import trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Chunk, CookieAck, CookieEcho, Init, InitAck
from roamlab.protocols.trace import TcpPacket, Trace, UdpPacket
from roamlab.record.events import AssociationConnect, Listening
from roamlab.record.run_directory import CAPTURE, RunDirectory

_SYN: Final = 0x02
_HANDSHAKE: Final[tuple[tuple[type[Chunk], type[Chunk]], ...]] = ((Init, InitAck), (CookieEcho, CookieAck))


def attempt(run: RunDirectory) -> str:
    """How the set-up of a session failed, as a sentence; empty where the capture shows that nobody tried.

    Tried means that the first message of a handshake (SCTP's INIT, TCP's SYN) or a datagram left its sender.
    """
    try:
        ends = {event.node for event in run.events() if isinstance(event, AssociationConnect | Listening)}
        seen = trace.load(run.path / CAPTURE, ends)  # routers pass on what one of them sent
    except (OSError, DecodeError):
        return ""
    return _sctp(seen) or _others(seen)


def _sctp(seen: Trace) -> str:
    said = ""
    for asks, answers in _HANDSHAKE:
        asked = _count(seen, asks, Way.OUT)
        if not asked:
            break
        answered = _count(seen, answers, Way.IN)
        said = f"{asks.name} was sent {asked} times, {answers.name} arrived {answered} times"
        if not answered:
            break
    return f"no session was established: {said}" if said else ""


def _others(seen: Trace) -> str:
    if asked := sum(p.direction is Way.OUT and bool(p.tcp.flags & _SYN) for p in seen.of(TcpPacket)):
        return f"no session was established: {asked} SYNs were sent"
    if asked := sum(p.direction is Way.OUT for p in seen.of(UdpPacket)):
        return f"no session was established: {asked} datagrams were sent"
    return ""


def _count(seen: Trace, kind: type[Chunk], way: Way) -> int:
    return sum(p.direction is way and any(isinstance(c, kind) for c in p.chunks) for p in seen.sctp)
