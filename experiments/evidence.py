"""What a capture and the events prove about a session: associations, messages sent and delivered, requests and answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocols import payload
from protocols.payload import Direction, Kind, Message
from protocols.pcapng import Direction as Way
from protocols.sctp import chunks
from protocols.trace import SctpPacket, Trace

Key = tuple[int, str, int]
"""(session, "up" or "down", sequence number): one message of a session."""


@dataclass(slots=True)
class Association:
    """One association as the wire shows it; times in ns (CLOCK_REALTIME).

    ``tags`` are both verification tags: packets that carry either belong to it.
    """

    tags: tuple[int, int]
    begun_ns: int
    ended: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One DATA chunk with a message of ours, seen where it arrived (or left)."""

    time_ns: int
    packet: SctpPacket
    message: Message
    association: int


@dataclass(slots=True)
class Evidence:
    """Everything that a verdict is drawn from.

    ``arrived`` and ``departed`` hold the first sighting of each message at its receiver's and its sender's NICs.
    ``sent`` and ``delivered`` are what the applications report: times in ns by message; a message delivered twice has two.
    """

    trace: Trace
    events: list[dict[str, Any]]
    associations: list[Association] = field(default_factory=list)
    arrived: dict[Key, Arrival] = field(default_factory=dict)
    departed: dict[Key, Arrival] = field(default_factory=dict)
    sent: dict[Key, int] = field(default_factory=dict)
    delivered: dict[Key, list[int]] = field(default_factory=dict)

    def of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        """The events of these kinds, in order."""
        return [event for event in self.events if event["kind"] in kinds]

    def deliveries(self, direction: str) -> list[tuple[int, Key]]:
        """(time, message) of each first delivery to the application in one direction, by time."""
        return sorted((times[0], key) for key, times in self.delivered.items() if key[1] == direction)


def gather(trace: Trace, events: Sequence[dict[str, Any]], mobile: str, correspondent: str) -> Evidence:
    """Read the capture and the events of a run; event times are taken to the capture's clock.

    ``mobile`` and ``correspondent`` are the session's two nodes.
    """
    epoch = events[0]["epoch_ns"] if events else 0
    evidence = Evidence(trace, [{**event, "t": event["t"] + epoch} for event in events])
    for event in evidence.events:
        if event["kind"] in ("data.sent", "data.unsent"):
            evidence.sent[event["session"], event["dir"], event["seq"]] = event["t"]
        elif event["kind"] == "data.received":
            evidence.delivered.setdefault((event["session"], event["dir"], event["seq"]), []).append(
                event["t"]
            )
    owner: dict[int, int] = {}
    for packet in trace.sctp:
        if packet.node in (mobile, correspondent):
            _read(evidence, packet, owner, mobile)
    return evidence


def _read(evidence: Evidence, packet: SctpPacket, owner: dict[int, int], mobile: str) -> None:
    for chunk in packet.chunks:
        match chunk:
            case chunks.InitAck():
                if packet.tag not in owner:
                    owner[packet.tag] = owner[chunk.tag] = len(evidence.associations)
                    evidence.associations.append(Association((packet.tag, chunk.tag), packet.time_ns))
            case chunks.Abort() | chunks.Shutdown():
                number = owner.get(packet.tag)
                if number is not None and evidence.associations[number].ended is None:
                    evidence.associations[number].ended = (packet.time_ns, chunk.name)
            case chunks.Data():
                message = payload.decode(chunk.data)
                if message is None or message.kind is not Kind.DATA:
                    continue
                key = (message.session, message.direction.word, message.sequence)
                at_sender = (packet.node == mobile) == (message.direction is Direction.UP)
                if at_sender == (packet.direction is Way.OUT):
                    seen = evidence.departed if at_sender else evidence.arrived
                    seen.setdefault(key, Arrival(packet.time_ns, packet, message, owner.get(packet.tag, -1)))


def requests(packets: Iterable[SctpPacket]) -> list[tuple[SctpPacket, chunks.Asconf | chunks.AsconfAck]]:
    """Every ASCONF and ASCONF-ACK with its packet, in the capture's order."""
    return [
        (packet, chunk)
        for packet in packets
        for chunk in packet.chunks
        if isinstance(chunk, chunks.Asconf | chunks.AsconfAck)
    ]
