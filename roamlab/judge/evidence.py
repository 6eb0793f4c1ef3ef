"""What a capture and the events prove about a session: associations, messages sent and delivered, requests and answers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar, cast

from roamlab.protocols import payload
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import IpDatagram, Trace
from roamlab.record.event import Event
from roamlab.record.events import LinkDown, LinkUp, RunStart, SessionStart
from roamlab.record.messages import Key, Messages, messages
from roamlab.record.stimuli import Stimulus
from roamlab.transports import find

E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class Carrier:
    """One association (TCP: connection, UDP: flow) as the wire shows it; times in ns (CLOCK_REALTIME).

    ``name`` tells it from others: an association by its verification tags, the others by their addresses and ports.
    """

    name: str
    ended: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """The packet that brought a message of ours (or the last of it), seen where it arrived (or left)."""

    time_ns: int
    packet: IpDatagram
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
    associations: list[Carrier] = field(default_factory=list)
    arrived: dict[Key, Arrival] = field(default_factory=dict)
    departed: dict[Key, Arrival] = field(default_factory=dict)
    ends: tuple[str, str] = ("", "")
    """the session's nodes: whose messages go up, and the other"""
    messages: Messages = field(init=False)
    _by_class: dict[type[Event], list[Event]] = field(default_factory=dict, init=False, repr=False)
    _in_order: dict[tuple[bool, str], list[Arrival]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.messages = messages(self.events)

    def of(self, kind: type[E]) -> list[E]:
        """The events of a class, subclasses included, in order; to ask again costs nothing."""
        if kind not in self._by_class:
            self._by_class[kind] = [event for event in self.events if isinstance(event, kind)]
        return cast("list[E]", self._by_class[kind])

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
    def transport(self) -> str:
        """The name of the session's transport: the first session's, as long as a run is judged by one."""
        return next((start.transport for start in self.of(SessionStart)), "sctp")

    @property
    def stimuli(self) -> list[Stimulus]:
        """What the scenario did, in order."""
        return self.of(Stimulus)

    def effect_ns(self, stimulus: Stimulus) -> int:
        """When a stimulus took effect: when its node saw the NIC's link go, or when it was given where none did.

        In virtual time that is the same instant; in real time the lab takes some milliseconds to pull a cable.
        """
        gone = self.of(LinkDown)
        later = islice(gone, bisect_left(gone, stimulus.t, key=_time_ns), None)
        where = (stimulus.node, stimulus.nic)
        return next((event.t for event in later if (event.node, event.nic) == where), stimulus.t)

    def plugged_ns(self, stimulus: Stimulus, gone_ns: int, gap_ns: int) -> int:
        """When the NIC of a stimulus had a link again: as its node saw it, at the latest ``gap_ns`` after the link went.

        In real time the lab's two acts are each some milliseconds late, and not equally so.
        """
        due_ns = gone_ns + gap_ns
        back = self.of(LinkUp)
        first, last = bisect_left(back, gone_ns, key=_time_ns), bisect_right(back, due_ns, key=_time_ns)
        where = (stimulus.node, stimulus.nic)
        return next((e.t for e in islice(back, first, last) if (e.node, e.nic) == where), due_ns)

    def following(self, stimulus: Stimulus) -> Stimulus | None:
        """The next stimulus to the same NIC; None where there is none."""
        where, later = (stimulus.node, stimulus.nic), self.stimuli
        rest = later[later.index(stimulus) + 1 :]
        return next((s for s in rest if s.nic and (s.node, s.nic) == where), None)

    def departures(self, direction: str) -> list[Arrival]:
        """The messages of one direction as they left their sender, by time."""
        return self._seen(self.departed, direction, left=True)

    def arrivals(self, direction: str) -> list[Arrival]:
        """The messages of one direction as they arrived at their receiver, by time."""
        return self._seen(self.arrived, direction, left=False)

    def _seen(self, seen: dict[Key, Arrival], direction: str, *, left: bool) -> list[Arrival]:
        if (left, direction) not in self._in_order:
            mine = (arrival for key, arrival in seen.items() if key[1] == direction)
            self._in_order[left, direction] = sorted(mine, key=lambda arrival: arrival.time_ns)
        return self._in_order[left, direction]

    def deliveries(self, direction: str) -> list[tuple[int, Key]]:
        """(time, message) of each first delivery to the application in one direction, by time."""
        return self.messages.deliveries(direction)


def _time_ns(event: Event) -> int:
    return event.t


def gather(
    trace: Trace,
    events: Sequence[Event],
    mobile: str,
    correspondent: str,
    sessions: Mapping[int, tuple[str, str]] | None = None,
) -> Evidence:
    """Read the capture and the events of a run; event times are taken to the capture's clock.

    ``mobile`` and ``correspondent`` are the two nodes of every session, or of those that ``sessions`` doesn't name: whose
    messages go up, and the other. What an attacker has himself sent (``attack.session``) is none of the session's.
    """
    evidence = Evidence(trace, on_clock(events), ends=(mobile, correspondent))
    collector = _Collector(evidence, mobile, sessions or {})
    names = sorted({start.transport for start in evidence.of(SessionStart)})
    readers = [find(name).reader_of(evidence.events) for name in names]
    read = {mobile, correspondent, *(node for two in (sessions or {}).values() for node in two)}
    for packet in trace.sightings:
        if packet.node in read:
            for reader in readers:
                reader.read(packet, collector)
    return evidence


def on_clock(events: Sequence[Event]) -> list[Event]:
    """Events of a run with their times on the capture's clock."""
    epoch_ns = next((event.epoch_ns for event in events if isinstance(event, RunStart)), 0)
    moved = [copy(event) for event in events]
    for event in moved:
        event.t += epoch_ns
    return moved


class _Collector:
    """Takes what the transports' readers find at the two end nodes."""

    def __init__(self, evidence: Evidence, mobile: str, sessions: Mapping[int, tuple[str, str]]) -> None:
        self._evidence = evidence
        self._mobile = mobile
        self._sessions = sessions
        self._owner: dict[Hashable, int] = {}

    def carrier(self, key: Hashable, name: str) -> None:
        """A carrier exists, or has another name."""
        number = self._owner.get(key)
        if number is None:
            self._owner[key] = len(self._evidence.associations)
            self._evidence.associations.append(Carrier(name))
        else:
            self._evidence.associations[number].name = name

    def also(self, key: Hashable, other: Hashable) -> None:
        """Another key of a carrier."""
        if key in self._owner:
            self._owner[other] = self._owner[key]

    def known(self, key: Hashable) -> bool:
        """Whether a carrier has that key."""
        return key in self._owner

    def ended(self, packet: IpDatagram, key: Hashable, how: str) -> None:
        """A packet ended a carrier."""
        number = self._owner.get(key)
        if number is not None and self._evidence.associations[number].ended is None:
            self._evidence.associations[number].ended = (packet.time_ns, how)

    def message(self, packet: IpDatagram, data: bytes, key: Hashable) -> None:
        """A packet brought a message."""
        message = payload.decode(data)
        if message is None or message.kind is not Kind.DATA or message.session in self._evidence.others:
            return
        upper, lower = self._sessions.get(message.session, (self._mobile, packet.node))
        if packet.node not in (upper, lower):
            return
        at_sender = (packet.node == upper) == (message.direction is Direction.UP)
        if at_sender == (packet.direction is Way.OUT):
            seen = self._evidence.departed if at_sender else self._evidence.arrived
            arrival = Arrival(packet.time_ns, packet, message, self._owner.get(key, -1))
            seen.setdefault((message.session, message.direction.word, message.sequence), arrival)
