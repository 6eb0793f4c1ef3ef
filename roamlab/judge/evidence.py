"""What a capture and the events prove about a session: associations, messages sent and delivered, requests and answers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from roamlab.judge.byte_streams import ENDINGS, ByteStreams, ends
from roamlab.protocols import payload
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import chunks
from roamlab.protocols.trace import SctpPacket, Sighting, TcpPacket, Trace, UdpPacket
from roamlab.record.event import Event
from roamlab.record.events import LinkDown, RunStart
from roamlab.record.messages import Key, Messages, messages
from roamlab.record.stimuli import Stimulus

E = TypeVar("E", bound=Event)


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
    ``messages`` are what the applications report.
    """

    trace: Trace
    events: list[Event]
    associations: list[Association] = field(default_factory=list)
    arrived: dict[Key, Arrival] = field(default_factory=dict)
    departed: dict[Key, Arrival] = field(default_factory=dict)
    messages: Messages = field(init=False)
    _by_class: dict[type[Event], list[Any]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.messages = messages(self.events)

    def of(self, kind: type[E]) -> list[E]:
        """The events of a class, subclasses included, in order; to ask again costs nothing."""
        if kind not in self._by_class:
            self._by_class[kind] = [event for event in self.events if isinstance(event, kind)]
        return self._by_class[kind]

    @property
    def sent(self) -> dict[Key, int]:
        """When each message was sent."""
        return self.messages.sent

    @property
    def delivered(self) -> dict[Key, list[int]]:
        """When each message was delivered."""
        return self.messages.delivered

    @property
    def others(self) -> frozenset[int]:
        """The sessions that an attacker began for himself."""
        return self.messages.others

    @property
    def stimuli(self) -> list[Stimulus]:
        """What the scenario did, in order."""
        return self.of(Stimulus)

    def effect_ns(self, stimulus: Stimulus) -> int:
        """When a stimulus took effect: when its node saw the NIC's link go, or when it was given where none did.

        In virtual time that is the same instant; in real time the lab takes some milliseconds to pull a cable.
        """
        return next(
            (
                event.t
                for event in self.of(LinkDown)
                if event.t >= stimulus.t and (event.node, event.nic) == (stimulus.node, stimulus.nic)
            ),
            stimulus.t,
        )

    def following(self, stimulus: Stimulus) -> Stimulus | None:
        """The next stimulus to the same NIC; None where there is none."""
        where, later = (stimulus.node, stimulus.nic), self.stimuli
        rest = later[later.index(stimulus) + 1 :]
        return next((s for s in rest if s.nic and (s.node, s.nic) == where), None)

    def deliveries(self, direction: str) -> list[tuple[int, Key]]:
        """(time, message) of each first delivery to the application in one direction, by time."""
        return self.messages.deliveries(direction)


def gather(trace: Trace, events: Sequence[Event], mobile: str, correspondent: str) -> Evidence:
    """Read the capture and the events of a run; event times are taken to the capture's clock.

    ``mobile`` and ``correspondent`` are the session's two nodes. What an attacker has himself sent (``attack.session``) is
    none of the session's.
    """
    evidence = Evidence(trace, on_clock(events))
    reader = _Reader(evidence, mobile)
    for packet in trace.sightings:
        if packet.node in (mobile, correspondent):
            reader.read(packet)
    return evidence


def on_clock(events: Sequence[Event]) -> list[Event]:
    """Events of a run with their times on the capture's clock."""
    epoch_ns = next((event.epoch_ns for event in events if isinstance(event, RunStart)), 0)
    moved = [copy(event) for event in events]
    for event in moved:
        event.t += epoch_ns
    return moved


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
