"""What the rooms of a run ask of each other: a lab and its verbs of the site, Mobile IP of the place that it runs in.

Types alone: nothing here is imported while a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from roamlab.agents.agent import Agent
from roamlab.lab.handles import Nic
from roamlab.lab.mobile_ip import MobileIp, MobilityAgent, Terms
from roamlab.lab.programs import ProgramPlace
from roamlab.record.commands import Command
from roamlab.record.stimuli import Move
from roamlab.topologies import Segment
from roamlab.transports.base import Ground

if TYPE_CHECKING:
    from roamlab.transports.base import Readable


class HasHome(Protocol):
    """A topology with a segment ``home``."""

    @property
    def home(self) -> Segment:
        """Where the mobile node starts."""


class HasVisited(Protocol):
    """A topology with a segment ``visited``."""

    @property
    def visited(self) -> Segment:
        """A foreign segment."""


class HasVisited2(Protocol):
    """A topology with a segment ``visited2``."""

    @property
    def visited2(self) -> Segment:
        """Another foreign segment."""


class Commands(Protocol):
    """The agents of a run, as a scenario and its verbs command them."""

    def await_ready(self) -> None:
        """Wait until every agent has said that it serves. Raises LabError when one doesn't."""

    def command(self, name: str, command: Command) -> None:
        """Tell the agent of a node to do something. Raises LabError when it is gone."""

    def readers(self) -> Mapping[Readable, Callable[[], None]]:
        """What to wait on for agents' reports, and what to call when it can be read."""

    def kill(self, name: str) -> None:
        """End an agent with SIGKILL."""


class MobileIpPlace(Protocol):
    """What Mobile IP asks of the place that it runs in: a scenario's site, or a network that a person acts on."""

    mobile: str
    mobile_nic: str

    def tell(self, name: str, command: Command) -> None:
        """Give an agent a command."""

    def wired_delay(self, start: str, end: str) -> float:
        """One-way delay between two nodes or segments over wired links, in seconds."""


class Site(MobileIpPlace, ProgramPlace, Ground, Protocol):
    """What a lab and its verbs ask of the place where a scenario plays (``roamlab.lab.site.Site``).

    Addresses are those of the sessions' ``family``, as text without prefix length, unless it says otherwise. LabError where a
    node or NIC isn't there.
    """

    family: int
    asconf: bool
    mobiles: list[str]
    correspondents: list[str]
    hosts: list[str]
    segments: dict[str, Segment]
    mobile_ip: MobileIp | None

    @property
    def home(self) -> Segment:
        """The segment that the first mobile node starts on."""

    @property
    def wildcard(self) -> str:
        """The unspecified address."""

    def start(self, node: str) -> Segment:
        """The segment that a node starts on."""

    def outside(self, segment: Segment) -> tuple[int, str]:
        """The NIC by which a segment's router reaches all others: its device index and its IPv4 address."""

    def address(self, node: str, nic: str = "") -> str:
        """The address of one of a node's NICs, by default its first."""

    def address_on(self, segment: Segment, node: str = "") -> str:
        """The address that a node, by default the mobile node, has when it is on a segment."""

    def of_family(self, addresses: list[str]) -> str:
        """The first of these addresses (with prefix lengths) that is of the sessions' family."""

    def where(self, nic: Nic) -> Segment:
        """The segment that a NIC is on, or was on last."""

    def delays_ns(self, segment: Segment, node: str) -> tuple[int, int]:
        """One-way delays between a node on a segment and the other end of its first session: up, down."""

    def moving(self, nic: Nic, segment: Segment) -> Move:
        """A NIC's move to a segment, with what the capture must show of it."""

    def without_asconf(self) -> None:
        """Switch ASCONF off on all nodes, for associations that are set up from now on."""

    def announcing(self, node: str) -> None:
        """Have a node's kernel announce its addresses in ASCONFs."""

    def announce(self, node: str, nic: str) -> None:
        """Have a node tell its neighbours its new IPv4 address."""

    def without_auth(self) -> None:
        """Take ASCONFs without AUTH on all nodes."""

    def start_mobile_ip(self, terms: Terms, *, used: bool = True) -> MobileIp:
        """Set Mobile IP up on the segments' routers and, where it is ``used``, on the mobile node."""

    def mobility_agent(self, name: str) -> MobilityAgent:
        """A home or foreign agent, by its node. Raises LabError for one that there isn't."""

    def start_agent(self, agent: MobilityAgent) -> None:
        """Start a home or foreign agent's process and let it serve."""

    def start_again(self, name: str) -> None:
        """Start the agent of a mobile node or a correspondent after it was killed."""

    def staff(self, name: str, make: Callable[..., Agent], host: str = "") -> None:
        """Start an agent's process in a host, by default the one of its name."""

    def cut(self, name: str) -> None:
        """Take the links of all NICs of a host away."""

    def mend(self, name: str) -> None:
        """Undo :meth:`cut`."""

    def unplug(self, nic: Nic) -> None:
        """Take the link of a NIC away."""

    def plug(self, nic: Nic, segment: Segment) -> None:
        """Plug a NIC into a segment, with that segment's addresses."""

    def move(self, nic: Nic, segment: Segment) -> None:
        """Take a NIC from its segment to another with no time in between."""

    def attach(self, node: str, name: str, segment: Segment) -> None:
        """Add a NIC to a node, on a segment, with that segment's addresses."""

    def detach(self, nic: Nic) -> None:
        """Remove a NIC, with its link and its addresses."""

    def link(self, nic: Nic, *, up: bool) -> None:
        """Give a NIC its carrier or take it away; its addresses stay."""

    def fresh_addresses(self, nic: Nic) -> list[str]:
        """Addresses, with prefix lengths, of the segment that a NIC is on that no node has had."""

    def readdress(self, nic: Nic, addresses: list[str], *, keep: bool) -> None:
        """Give a NIC these addresses in the place of those that it has, or beside them until `drop_old_addresses`."""

    def drop_old_addresses(self, nic: Nic) -> None:
        """Take the addresses from a NIC that `readdress` has kept."""

    def add_address(self, node: str, number: int = 1) -> str:
        """Give a node's first NIC another address of each family."""

    def remove_address(self, node: str, number: int = 1) -> str:
        """Take that address from the node again."""

    def ends(self, nic: Nic, peer: str, *, back: bool) -> tuple[str, str]:
        """The prefixes that a peer and a NIC's segment have: from the peer to the segment, or ``back``."""

    def block(self, router: str, source: str, destination: str) -> None:
        """Have a router drop what comes from one prefix and goes to another."""

    def allow(self, router: str, source: str, destination: str) -> None:
        """Undo `block`."""

    def impair(self, nic: Nic, **options: object) -> None:
        """Change what the link of a NIC does to packets, in both directions."""

    def route_through(self, nic: Nic) -> None:
        """Make a NIC the one that its node's own traffic takes by default."""
