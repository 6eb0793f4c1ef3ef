"""What a scenario holds in its hands: nodes, their NICs, sessions between two nodes, and the streams of a session."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from roamlab.parameters import NameOf
from roamlab.protocols.mobility import Announce, Wishes
from roamlab.record.commands import Command, Prefer
from roamlab.record.events import Way
from roamlab.transports import find as find_transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roamlab.lab.lab import Lab
    from roamlab.lab.programs import Program, Ready
    from roamlab.topologies import Segment

PORT: Final = 5001
"""Where nodes listen."""
Family = Literal[4, 6]
Transport: TypeAlias = Annotated[str, NameOf(find_transport)]
"""The name of a transport: roamlab's own or one that was added (docs/transports.md)."""
Traffic = Literal["steady", "idle", "bulk", "requests"]
"""What a session's applications say: see `Session.traffic`."""
SctpStack = Literal["sctp", "usrsctp", "usrsctp-mn", "usrsctp-cn", "usrsctp-udp"]
"""The transports that are SCTP: the kernel's, and usrsctp at both ends or at one (docs/usrsctp.md)."""
Style = Literal["one-to-one", "one-to-many"]
"""Of a listening socket: to Linux one endpoint an association, or one for all."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages of ``size`` bytes, ``every`` so many seconds, in both directions of a session or in one of them."""

    session: Session
    every: float
    size: int
    ways: tuple[Way, ...] = ("up", "down")
    answers: bool = False
    """whether what goes down are the answers to what comes up, each sent at once"""


@dataclass(slots=True)
class Session:
    """What the applications of two nodes keep with each other; its associations may come and go.

    Attributes:
        number: its number in the run, from 1.
        mobile: the node whose messages go up; of a mobile node and a correspondent the mobile node, or else who connected.
        correspondent: the other one, whose messages go down.
        announce: who puts new addresses of ``mobile`` into ASCONFs.
        wishes: how far its mobility manager goes.
        managed: whether there is one.
        transport: its transport's name.
        called: whether ``correspondent`` set it up.
        anywhere: whether who was called listened on all its addresses though it is a mobile node.

    """

    number: int
    mobile: Node
    correspondent: Node
    announce: Announce
    wishes: Wishes
    managed: bool = True
    transport: Transport = "sctp"
    called: bool = False
    anywhere: bool = False

    @property
    def caller(self) -> Node:
        """Who sets it up."""
        return self.correspondent if self.called else self.mobile

    @property
    def listener(self) -> Node:
        """Who waits for it."""
        return self.mobile if self.called else self.correspondent

    def peer_of(self, node: Node) -> Node:
        """The other end."""
        return self.correspondent if node is self.mobile else self.mobile

    def stream(
        self, every: float = 0.02, size: int = 200, way: Literal["both", "up", "down"] = "both"
    ) -> Stream:
        """A stream to start, until two seconds before the scenario's end: up and down at once, or one ``way``."""
        return Stream(self, every, size, ("up", "down") if way == "both" else (way,))

    def requests(self, every: float = 0.1, size: int = 200) -> Stream:
        """Requests up, ``every`` so many seconds, each answered at once by a message of the same size."""
        return Stream(self, every, size, answers=True)

    def traffic(self, kind: Traffic) -> Stream:
        """What applications of a kind say.

        ``steady``, and ``idle`` once it says something: 50 messages a second each way of 200 octets. ``bulk``: a download of
        4.8 Mbit/s, 500 messages a second of 1,200 octets. ``requests``: ten a second, each answered at once.
        """
        if kind == "bulk":
            return self.stream(every=0.002, size=1200, way="down")
        return self.requests() if kind == "requests" else self.stream()


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC of a node; without a name the node itself, where a stimulus is done to no NIC in particular."""

    node: str
    name: str = ""


@dataclass(eq=False, slots=True)
class Node:
    """A node of the network: a mobile node, a correspondent, a router.

    What is done to it at a time is said by ``lab.at(...)``; what it does before anything moves, by its own methods.
    """

    name: str
    lab: Lab[object]
    sessions: list[Session] = field(default_factory=list)
    style: Style = "one-to-one"
    """of the SCTP socket that it listens with"""

    def nic(self, name: str) -> Nic:
        """One of its NICs, by name."""
        return Nic(self.name, name)

    def run(
        self,
        words: str | Sequence[str],
        *,
        ready: Ready = None,
        waits: bool = False,
        name: str = "",
        env: Mapping[str, str] | None = None,
        fed: bool = False,
    ) -> Program:
        """Start any program here, by its arguments or as a line for the shell; with ``waits`` wait until it is ``ready``.

        ``ready`` is a port that it listens on, a pattern of what it says, or None for any port. ``name``, ``env`` and
        ``fed`` are as in `Programs.run`. Raises LabError where it is not ready within 20 s, or ended before.
        """
        return self.lab.run(self.name, words, ready=ready, waits=waits, name=name, env=env, fed=fed)

    @property
    def address(self) -> str:
        """The address of its first NIC, of the lab's family."""
        return self.lab.site.address(self.name)

    def address_on(self, segment: Segment) -> str:
        """The address, of the lab's family, that it has when it is on a segment."""
        return self.lab.site.address_on(segment, self.name)

    def connect(
        self,
        peer: Node,
        *,
        family: Family = 4,
        announce: Announce = Announce.SOCKET,
        managed: bool | None = None,
        set_primary: bool = True,
        delete: bool = True,
        transport: Transport = "sctp",
        anywhere: bool = False,
    ) -> Session:
        """Set up an association (connection, flow) with a peer over IPv4 or IPv6 (``family``) now, and wait for it.

        ``announce`` says who puts new addresses of the mobile node into ASCONFs, ``set_primary`` and ``delete`` how far its
        mobility manager goes (FIG. 7); without being ``managed`` the node keeps its association as it is, which a
        correspondent that calls does unless it is told otherwise. A mobile node that is called listens on the address that
        it has then, or ``anywhere``. Raises LabError when there is no association within 20 s.
        """
        find_transport(transport)  # a name that there is not is told before anything is sent
        lab = self.lab
        lab.family = family
        called = self not in lab.mobiles and peer in lab.mobiles
        session = Session(
            number=len(lab.sessions) + 1,
            mobile=peer if called else self,
            correspondent=self if called else peer,
            announce=announce,
            wishes=Wishes(set_primary, delete),
            managed=not called if managed is None else managed,
            transport=transport,
            called=called,
            anywhere=anywhere,
        )
        for node in (session.mobile, session.correspondent):
            node.sessions.append(session)
        lab.sessions.append(session)
        lab.open(session)
        return session

    def attach(self, name: str, segment: Segment) -> Nic:
        """Give it a further NIC, on a segment, before its session; `lab.at` has the verb for one in service."""
        self.lab.site.attach(self.name, name, segment)
        return self.nic(name)

    def add_address(self, number: int = 1) -> str:
        """Give its first NIC another address of each family; the one of the lab's family."""
        return self.lab.site.add_address(self.name, number)

    def announces(self) -> None:
        """Have its kernel announce its addresses in ASCONFs, in associations that it is called for from now on."""
        self.lab.site.announcing(self.name)

    def prefers(self, address: str) -> None:
        """Have every INIT and INIT-ACK from now on ask for an address as primary path (FIG. 10; RFC 5061, 5.4)."""
        self.tell(Prefer(address, self.lab.family))

    def tell(self, command: Command) -> None:
        """Give its agent a command."""
        self.lab.agents.command(self.name, command)
