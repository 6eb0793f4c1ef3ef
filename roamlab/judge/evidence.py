"""What a capture and the events prove about a session: associations, messages sent and delivered, requests and answers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from roamlab.judge.byte_streams import ENDINGS, ByteStreams, ends
from roamlab.protocols import payload
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.trace import SctpPacket, Sighting, TcpPacket, Trace, UdpPacket

Key = tuple[int, str, int]
"""(session, "up" or "down", sequence number): one message of a session."""


@dataclass(slots=True)
class Association:
    """One association (TCP: connection, UDP: flow) as the wire shows it; times in ns (CLOCK_REALTIME).

    ``name`` tells it from others: an association by its verification tags, the others by their addresses and ports.
    """

    name: str
    ended: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The packet that brought a message of ours (or the last of it), seen where it arrived (or left)."""

    time_ns: int
    packet: SctpPacket | TcpPacket | UdpPacket
    message: Message
    association: int


@dataclass(slots=True)
class Evidence:
    """Everything that a verdict is drawn from.

    ``arrived`` and ``departed`` hold the first sighting of each message at its receiver's and its sender's NICs.
    ``others`` are the sessions that an attacker began for himself.
    ``sent`` and ``delivered`` are what the applications report: times in ns by message; a message delivered twice has two.
    """

    trace: Trace
    events: list[dict[str, Any]]
    associations: list[Association] = field(default_factory=list)
    arrived: dict[Key, Arrival] = field(default_factory=dict)
    departed: dict[Key, Arrival] = field(default_factory=dict)
    sent: dict[Key, int] = field(default_factory=dict)
    delivered: dict[Key, list[int]] = field(default_factory=dict)
    others: set[int] = field(init=False)
    _by_kind: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for event in self.events:
            self._by_kind.setdefault(event["kind"], []).append(event)
        self.others = {event["session"] for event in self.of_kind("attack.session")}

    def of_kind(self, *kinds: str) -> list[dict[str, Any]]:
        """The events of these kinds, in order; to ask again costs nothing for one kind."""
        if len(kinds) == 1:
            return self._by_kind.get(kinds[0], [])
        return [event for event in self.events if event["kind"] in kinds]

    def effect_ns(self, stimulus: dict[str, Any]) -> int:
        """When a stimulus took effect: when its node saw the NIC's link go, or when it was given where none did.

        In virtual time that is the same instant; in real time the lab takes some milliseconds to pull a cable.
        """
        return next(
            (
                int(event["t"])
                for event in self.of_kind("link.down")
                if event["t"] >= stimulus["t"]
                and (event["node"], event["nic"]) == (stimulus["node"], stimulus.get("nic"))
            ),
            int(stimulus["t"]),
        )

    def following(self, stimulus: dict[str, Any]) -> dict[str, Any] | None:
        """The next stimulus to the same NIC; None where there is none."""
        where = (stimulus["node"], stimulus.get("nic"))
        later = self.of_kind("stimulus")
        return next(
            (
                s
                for s in later[later.index(stimulus) + 1 :]
                if (s["node"], s.get("nic")) == where and s.get("nic")
            ),
            None,
        )

    def deliveries(self, direction: str) -> list[tuple[int, Key]]:
        """(time, message) of each first delivery to the application in one direction, by time."""
        return sorted((times[0], key) for key, times in self.delivered.items() if key[1] == direction)


def gather(trace: Trace, events: Sequence[dict[str, Any]], mobile: str, correspondent: str) -> Evidence:
    """Read the capture and the events of a run; event times are taken to the capture's clock.

    ``mobile`` and ``correspondent`` are the session's two nodes. What an attacker has himself sent (``attack.session``) is
    none of the session's.
    """
    epoch = events[0]["epoch_ns"] if events else 0
    evidence = Evidence(trace, [{**event, "t": event["t"] + epoch} for event in events])
    for event in evidence.events:
        if event.get("session") in evidence.others:
            continue
        if event["kind"] in ("data.sent", "data.unsent"):
            evidence.sent[event["session"], event["dir"], event["seq"]] = event["t"]
        elif event["kind"] == "data.received":
            evidence.delivered.setdefault((event["session"], event["dir"], event["seq"]), []).append(
                event["t"]
            )
    reader = _Reader(evidence, mobile)
    for packet in trace.sightings:
        if packet.node in (mobile, correspondent):
            reader.read(packet)
    return evidence


class _Reader:
    """Reads the two end nodes' packets, in the capture's order."""

    def __init__(self, evidence: Evidence, mobile: str) -> None:
        self._evidence = evidence
        self._mobile = mobile
        self._owner: dict[Hashable, int] = {}
        self._asked: dict[int, int] = {}
        """Whose INIT an INIT-ACK answered, by the tags in the two."""
        self._bytes = ByteStreams()

    def read(self, packet: Sighting) -> None:
        if isinstance(packet, SctpPacket):
            self._sctp(packet)
        elif isinstance(packet, TcpPacket):
            self._tcp(packet)
        elif isinstance(packet, UdpPacket):
            self._carried(packet, packet.udp.payload, "flow")

    def _sctp(self, packet: SctpPacket) -> None:
        for chunk in packet.chunks:
            match chunk:
                case chunks.InitAck():
                    self._offered(packet.tag, chunk.tag)
                case chunks.CookieEcho():
                    self._taken(packet.tag)
                case chunks.Abort() | chunks.Shutdown():
                    self._ended(packet, packet.tag, chunk.name)
                case chunks.Data():
                    self._message(packet, chunk.data, packet.tag)

    def _offered(self, asked: int, offered: int) -> None:
        """An INIT-ACK: each INIT that comes again is answered with another tag, until a COOKIE-ECHO takes one of them."""
        number = self._owner.get(asked)
        if number is None:
            number = self._owner[asked] = len(self._evidence.associations)
            self._evidence.associations.append(Association(_named(asked, offered)))
        self._owner[offered] = number
        self._asked[offered] = asked

    def _taken(self, tag: int) -> None:
        if tag in self._asked:
            self._evidence.associations[self._owner[tag]].name = _named(self._asked[tag], tag)

    def _tcp(self, packet: TcpPacket) -> None:
        for data in self._bytes.messages(packet):
            self._carried(packet, data, "connection")
        for flag, name in ENDINGS.items():
            if packet.tcp.flags & flag:
                self._ended(packet, frozenset(ends(packet)), name)

    def _carried(self, packet: TcpPacket | UdpPacket, data: bytes, kind: str) -> None:
        key = frozenset(ends(packet))
        if key not in self._owner and payload.decode(data) is not None:
            self._owner[key] = len(self._evidence.associations)
            (source, sport), (destination, dport) = ends(packet)
            name = f"{kind} {source}:{sport} to {destination}:{dport}"
            self._evidence.associations.append(Association(name))
        self._message(packet, data, key)

    def _ended(self, packet: Sighting, key: Hashable, how: str) -> None:
        number = self._owner.get(key)
        if number is not None and self._evidence.associations[number].ended is None:
            self._evidence.associations[number].ended = (packet.time_ns, how)

    def _message(self, packet: SctpPacket | TcpPacket | UdpPacket, data: bytes, key: Hashable) -> None:
        message = payload.decode(data)
        if message is None or message.kind is not Kind.DATA or message.session in self._evidence.others:
            return
        at_sender = (packet.node == self._mobile) == (message.direction is Direction.UP)
        if at_sender == (packet.direction is Way.OUT):
            seen = self._evidence.departed if at_sender else self._evidence.arrived
            arrival = Arrival(packet.time_ns, packet, message, self._owner.get(key, -1))
            seen.setdefault((message.session, message.direction.word, message.sequence), arrival)


def _named(asked: int, offered: int) -> str:
    return f"association (tags {asked:08x} and {offered:08x})"
