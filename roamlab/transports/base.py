"""What a transport is: its channels on sockets, its reading of a capture, and what it needs and allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar, Literal, Protocol, runtime_checkable

from roamlab.linux.namespace import Namespace
from roamlab.protocols.mobility import Verb
from roamlab.protocols.trace import IpDatagram, Sighting
from roamlab.record.event import Event
from roamlab.record.events import Notice


@dataclass(frozen=True, slots=True)
class PathState:
    """What a stack keeps for one path: ``cwnd`` in bytes, its timer and the smoothed RTT in ms.

    The timer is SCTP's RTO (RFC 9260, 6.3), as the kernel tells it (RFC 6458, 8.2.2), or QUIC's PTO without backoff
    (RFC 9002, 6.2.1).
    """

    address: str
    cwnd: int
    rto_ms: int
    srtt_ms: int


class Channel(Protocol):
    """One association (connection, flow) of a session at one end; all calls return at once."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; a notification ``*.up`` or ``*.failed`` follows."""

    def send(self, data: bytes) -> bool:
        """Queue a message; False when there is no room for it now."""

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end, None when there is nothing now."""

    def hides_more(self) -> bool:
        """Whether something can be received that the descriptor does not show."""

    def shutdown(self) -> None:
        """End in order."""

    def close(self) -> None:
        """Close the socket."""


@runtime_checkable
class Measured(Protocol):
    """A channel that knows the state of its paths."""

    def paths(self) -> list[PathState]:
        """The state of each path to the peer, as it is now; none when the channel has ended."""


@runtime_checkable
class Recorded(Protocol):
    """A channel that keeps records of its own, for people to read in the run directory."""

    def records(self) -> dict[str, bytes]:
        """What is in each file, by a name that tells it from the node's other ones."""


class Listening(Protocol):
    """Where channels come from on the side that waits for them."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def accept(self) -> Channel | None:
        """The next channel, or None when there is none now."""


class Readable(Protocol):
    """What can be waited on."""

    def fileno(self) -> int:
        """The descriptor to wait on."""


class Loop(Protocol):
    """What an agent does for a `Keeper`: its loop, and its voice."""

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Call ``action`` once, at ``when_ns`` (CLOCK_REALTIME) or as soon after it as the loop comes round."""

    def on_readable(self, source: Readable, action: Callable[[], None]) -> None:
        """Call ``action`` whenever ``source`` can be read."""

    def emit(self, event: Event) -> None:
        """Report an event."""


class Keeper(Protocol):
    """Keeps one transport's sessions at a node whose addresses change, all of them; it is told at once of each change."""

    def address_up(self, address: str) -> None:
        """The node has a global address of the sessions' family; those that it had before come first."""

    def address_down(self, address: str) -> None:
        """The node has it no more."""

    def opened(self, channel: Channel) -> None:
        """A channel of this transport came up."""

    def closed(self, channel: Channel) -> None:
        """It ended, in whatever way."""


class Ground(Protocol):
    """The nodes of a session before it begins, as a transport may prepare them (`Transport.prepare`)."""

    @property
    def seed(self) -> int:
        """The run's seed."""

    def namespace(self, node: str) -> Namespace:
        """A node's network namespace. LabError for a node that there isn't."""

    def address(self, node: str) -> str:
        """The address of a node's first NIC, of the sessions' family."""

    def add_tunnel(self, node: str, name: str, kind: str, option: str, addresses: Sequence[str]) -> None:
        """Give a node a tunnel device of a kind of the kernel's, up, with addresses, and capture on it.

        MissingKernelOption, which names ``option``, where the kernel has none; NetlinkError where the device is there already.
        """


class Sink(Protocol):
    """Takes what a `Reader` finds. A carrier (association, connection, flow) is known by keys of the reader's own."""

    def carrier(self, key: Hashable, name: str) -> None:
        """A carrier exists; a second call gives it another name."""

    def also(self, key: Hashable, other: Hashable) -> None:
        """``other`` is another key of the carrier ``key``, which may be unknown so far."""

    def known(self, key: Hashable) -> bool:
        """Whether a carrier has that key."""

    def message(self, packet: IpDatagram, data: bytes, key: Hashable) -> None:
        """A packet brought a message's bytes, or the last of them."""

    def ended(self, packet: IpDatagram, key: Hashable, how: str) -> None:
        """A packet ended a carrier: ``how`` is its word for that."""


class Reader(Protocol):
    """Reads one transport's packets at the two ends of a session, in the capture's order."""

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink what a packet shows; packets of other transports show nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a packet is for, in words that fit on an arrow; ``kind`` is one of those that pictures tell apart."""

    words: str
    kind: Literal["data", "sack", "asconf", "setup", "heartbeat", "end"]


@runtime_checkable
class Tells(Protocol):
    """A `Reader` that knows what packets hold which nobody else can read."""

    def told(self, packet: Sighting) -> Told | None:
        """What a packet is for; None for one that is not the transport's. To be asked in the capture's order."""


@dataclass(frozen=True, slots=True)
class Crossings:
    """How often a packet must cross the new path, up and down, before a message may arrive over it (docs/measures.md).

    ``up`` and ``down`` are pairs (times up, times down) for messages in that direction.
    """

    up: tuple[int, int]
    down: tuple[int, int]

    def least_ns(self, up_ns: int, down_ns: int) -> tuple[int, int]:
        """The least time for messages up and down, with one-way delays up and down (ns)."""
        return (
            self.up[0] * up_ns + self.up[1] * down_ns,
            self.down[0] * up_ns + self.down[1] * down_ns,
        )


class Transport(ABC):
    """A transport. Derive from it, and give an instance to an entry point of the group ``roamlab.transports``.

    Attributes:
        name: What ``transport=`` takes.
        carrier: The word for what carries a session: ``association``, ``connection``, ``flow``.
        needs: The abilities of a kernel that it needs (roamlab/kernels/abilities.py).
        modules: What it imports of other packages though hardly any run does, by name: those that other modules' source does
            not name as well.
        reliable: Whether a message that is lost breaks the session.
        repeats: Whether it sends again what was lost, a greeting too.
        says_when_up: Whether a notification that can be read tells that a channel is up, rather than that it can be written.
        moving: What must cross the new path when its node's address changes; None where no session can outlive that.
        gives_up_s: After how many seconds without a path it ends a session by itself; infinite where a gap never is that long.
        connecting: What must cross it when the session connects again over it.
        known_to_break: Moves that no session of it outlives though `moving` says it might: ``nat`` (from behind a NAT to
            behind another), ``rebinding`` (a NAT gives it another port), ``silent`` (the old path dies and nobody is told),
            ``called`` (who was called moves).
        largest: The largest packet that it sends, octets with the IPv4 header; 0 where the path's MTU alone limits it.
        lacks: Kinds of move (`roamlab.repeat.moves.Move.kinds`) that it has no part in, each with the reason.
        stack: Which implementation it is, with its version; the kernel's own where that is empty.
        settings: What was configured, in a sentence; nothing where all is as it comes.
        reconfigures: The requests of RFC 5061 that a new address leads to, without which a session was not carried by them.

    """

    name: ClassVar[str]
    carrier: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    modules: ClassVar[tuple[str, ...]] = ()
    reliable: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    says_when_up: ClassVar[bool] = False
    moving: ClassVar[Crossings | None] = None
    gives_up_s: ClassVar[float] = inf
    connecting: ClassVar[Crossings]
    known_to_break: ClassVar[frozenset[str]] = frozenset()
    largest: ClassVar[int] = 0
    lacks: ClassVar[Mapping[str, str]] = {}
    stack: ClassVar[str] = ""
    settings: ClassVar[str] = ""
    reconfigures: ClassVar[frozenset[Verb]] = frozenset()

    @abstractmethod
    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:
        """A channel from a local address, to be connected; port 0 lets the kernel choose.

        ``kernel_announces`` has the kernel tell the peer of new addresses by itself, where it can.
        """

    @abstractmethod
    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> Listening:
        """Wait for channels; ``one_to_many`` is a style of SCTP sockets (RFC 6458, 3)."""

    @abstractmethod
    def reader(self) -> Reader:
        """A reader of its packets, for one run."""

    def prepare(self, ground: Ground, caller: str, listener: str) -> None:  # noqa: B027 - most have nothing to prepare
        """Make ready what the first session between two nodes needs that their agents can't make, before either begins."""

    def reader_of(self, events: Sequence[Event]) -> Reader:  # noqa: ARG002
        """A reader for a run with these events, which may tell what its packets hide: secrets to decrypt them with."""
        return self.reader()

    def keeper(self, loop: Loop, family: int) -> Keeper | None:  # noqa: ARG002
        """Who keeps its sessions over IPv4 or IPv6 (``family``) through moves, at a node where they are managed.

        None where nobody has to: nothing helps it, or it helps itself.
        """
        return None

    def asks(self, packet: Sighting) -> bool:  # noqa: ARG002
        """Whether a packet is the first of those that must cross the new path before data may (`moving`)."""
        return False

    def answers(self, packet: Sighting) -> bool:  # noqa: ARG002
        """Whether a packet is the answer to that one."""
        return False
