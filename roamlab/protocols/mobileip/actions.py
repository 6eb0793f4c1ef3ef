"""What the state machines ask of their shells, and what they tell the run's record.

Actions are the machines' only way to the world. A shell carries them out in the order it gets them; each is safe to
repeat. Events are for people and verdicts: nothing depends on them.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple

from roamlab.record.mobile_ip_events import MipEvent

DEFAULT_TTL = 64
MAX_TTL = 255


class UdpAddress(NamedTuple):
    """An IPv4 address and a UDP port."""

    address: IPv4Address
    port: int


class Encapsulation(StrEnum):
    """How a tunnel wraps a datagram: IP in IP (protocol 4, RFC 2003) or GRE (protocol 47, RFC 2784)."""

    IPIP = "ipip"
    GRE = "gre"


@dataclass(frozen=True, slots=True)
class SendUdp:
    """Send a UDP datagram.

    `link` is the link-layer destination where the route can't say it (a visitor's home address means nothing to the
    foreign network's routes, and a mobile node away from home must not broadcast ARP: RFC 5944, 4.6); empty: by
    route. `interface` is the NIC's name; empty: by route.
    """

    data: bytes
    source: UdpAddress
    destination: UdpAddress
    ttl: int = DEFAULT_TTL
    link: bytes = b""
    interface: str = ""


@dataclass(frozen=True, slots=True)
class SendIcmp:
    """Send `data`, a whole ICMP message, with TTL 1 (RFC 5944, 2.1) and the sender's address on the link."""

    data: bytes
    destination: IPv4Address
    interface: str = ""


@dataclass(frozen=True, slots=True)
class AddTunnel:
    """Home agent: tunnel what comes for `home_address` to `care_of_address`; replaces one with the same addresses.

    With `reverse`, decapsulate as well what comes from `care_of_address`. With `broadcast`, tunnel the home network's
    broadcast datagrams too. Several tunnels for one home address: each gets a copy (RFC 5944, 4.2.3).
    """

    home_address: IPv4Address
    care_of_address: IPv4Address
    encapsulation: Encapsulation = Encapsulation.IPIP
    reverse: bool = False
    broadcast: bool = False


@dataclass(frozen=True, slots=True)
class RemoveTunnel:
    """Home agent: stop tunnelling to that care-of address."""

    home_address: IPv4Address
    care_of_address: IPv4Address


@dataclass(frozen=True, slots=True)
class ProxyArp:
    """Home agent: answer ARP requests for `home_address` with the own link-layer address, or no longer."""

    home_address: IPv4Address
    on: bool


@dataclass(frozen=True, slots=True)
class GratuitousArp:
    """Broadcast that `home_address` has a link-layer address: the sender's, or (home agent) the mobile node's.

    For `of_mobile_node` the shell takes `link`, or looks in the neighbour table when it is empty (RFC 5944, 4.6).
    """

    home_address: IPv4Address
    of_mobile_node: bool = False
    link: bytes = b""


@dataclass(frozen=True, slots=True)
class AnswerArp:
    """Mobile node: answer ARP requests for the home address (at home), or no longer (away)."""

    home_address: IPv4Address
    on: bool


@dataclass(frozen=True, slots=True)
class AddVisitor:
    """Foreign agent: deliver `home_address` on the link to `link`; replaces what was said of that address before.

    With `reverse`, what the visitor sends goes through a tunnel from `care_of_address` to `home_agent` (RFC 3024).
    """

    home_address: IPv4Address
    link: bytes
    home_agent: IPv4Address
    care_of_address: IPv4Address
    encapsulation: Encapsulation = Encapsulation.IPIP
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class RemoveVisitor:
    """Foreign agent: no longer deliver `home_address`, nor tunnel what it sends."""

    home_address: IPv4Address


@dataclass(frozen=True, slots=True)
class Decapsulate:
    """Foreign agent, or mobile node with a co-located care-of address: open tunnels that end here, or no longer."""

    care_of_address: IPv4Address
    encapsulation: Encapsulation
    on: bool


@dataclass(frozen=True, slots=True)
class SetDefaultRoute:
    """Mobile node: send everything through `gateway` on `interface`, whose link-layer address is `link`.

    The source of what it sends stays the home address. With `tunnel_to`, encapsulate it towards that home agent from
    `care_of_address` (a co-located care-of address with reverse tunnelling).
    """

    gateway: IPv4Address
    interface: str
    link: bytes = b""
    care_of_address: IPv4Address | None = None
    tunnel_to: IPv4Address | None = None
    encapsulation: Encapsulation = Encapsulation.IPIP


@dataclass(frozen=True, slots=True)
class RestoreHomeRoute:
    """Mobile node: the routes of the home network again, on `interface`."""

    interface: str


Action = (
    SendUdp
    | SendIcmp
    | AddTunnel
    | RemoveTunnel
    | ProxyArp
    | GratuitousArp
    | AnswerArp
    | AddVisitor
    | RemoveVisitor
    | Decapsulate
    | SetDefaultRoute
    | RestoreHomeRoute
)


class Outbox:
    """Queues of actions and events: the way out of every machine here."""

    def __init__(self) -> None:
        self._actions: deque[Action] = deque()
        self._events: deque[MipEvent] = deque()

    def next_action(self) -> Action | None:
        """Return the next action to carry out, or None."""
        return self._actions.popleft() if self._actions else None

    def next_event(self) -> MipEvent | None:
        """Return the next event to record, or None."""
        return self._events.popleft() if self._events else None

    def _do(self, *actions: Action) -> None:
        self._actions.extend(actions)

    def _tell(self, event: MipEvent) -> None:
        self._events.append(event)
