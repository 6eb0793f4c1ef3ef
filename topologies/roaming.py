"""What all topologies with mobile nodes have: segments, routers, nodes that move or stay, and the links between them.

A topology names these and leaves the rest to roamlab: a subnet that is not given is cut from the documentation prefixes
(`topologies/plan.py`), and a router whose routes are not given has the shortest way to every subnet. docs/topologies.md shows
it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from roamlab.topologies.addresses import CORRESPONDENT, MOBILE, ROUTER, Subnet
from roamlab.topologies.plan import Plan
from roamlab.topologies.topo import Topo
from roamlab.topologies.ways import Ways

MOBILE_NODE: Final = "mn"
CORRESPONDENT_NODE: Final = "cn"
WLAN: Final = "wlan0"
ETHERNET: Final = "eth0"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that a mobile node can be attached to.

    Attributes:
        name: the switch's.
        router: the node that is its router (and mobility agent).
        subnet: its prefixes.
        edge: what the wireless link of a NIC on it does to packets, as link parameters: delay and jitter in seconds, loss
            in percent, bw in Mbit/s; "up" and "down" hold what differs in that direction, up being from the NIC.

    """

    name: str
    router: str
    subnet: Subnet
    edge: Mapping[str, Any]

    @property
    def gateways(self) -> list[str]:
        """The router's addresses, IPv4 and IPv6."""
        return self.subnet.gateways

    def mobile_addresses(self, number: int = 0) -> list[str]:
        """The addresses, IPv4 and IPv6 with prefix lengths, of the mobile node (or another one) when it is here."""
        return self.subnet.addresses(MOBILE + number)

    def edge_delay(self) -> tuple[float, float]:
        """The least time from NIC to segment and from segment to NIC (s): the delay less the jitter around it."""
        common, jitter = float(self.edge.get("delay", 0.0)), float(self.edge.get("jitter", 0.0))
        up, down = (
            max(0.0, float(own.get("delay", common)) - float(own.get("jitter", jitter)))
            for own in ((self.edge.get(way) or {}) for way in ("up", "down"))
        )
        return up, down


@dataclass(frozen=True, slots=True)
class Start:
    """Where a mobile node or a correspondent starts.

    Attributes:
        nic: its first NIC.
        segment: the segment that this is on, None for a node that is linked to a router and can't move.
        addresses: that NIC's, with prefix lengths.
        gateways: its routers', without.

    """

    nic: str
    segment: Segment | None
    addresses: list[str]
    gateways: list[str]


class RoamingTopo(Topo):
    """A topology with mobile nodes.

    Attributes:
        segments: by name, the one that the first mobile node starts on first.
        starts: mobile nodes and correspondents by name, in the order in which they were added.
        mobiles, correspondents: their names.
        mobile, mobile_nic, correspondent: names of the first of each, and of the mobile node's first NIC.
        machine: what the kernel's one table or queue for all nodes must have room for, as sysctls.
        one_agent: whether one process serves as the agent of all mobile nodes (nodes/crowd.py).

    """

    mobile = MOBILE_NODE
    mobile_nic = WLAN
    correspondent = CORRESPONDENT_NODE
    machine: ClassVar[Mapping[str, int]] = {}
    one_agent: ClassVar[bool] = False

    def __init__(self, *args: object, **params: object) -> None:
        self.segments: dict[str, Segment] = {}
        self.starts: dict[str, Start] = {}
        self.mobiles: list[str] = []
        self.correspondents: list[str] = []
        self._numbers: dict[str, int] = {}
        self._plan = Plan()
        self._ways = Ways()
        self._to_route: list[str] = []
        super().__init__(*args, **params)
        for router in self._to_route:
            self.nodeInfo(router)["routes"] = self._ways.routes(router)

    # -- what a topology names ---------------------------------------------------------------------------------------

    def add_segment(
        self, name: str, router: str, subnet: Subnet | None = None, edge: Mapping[str, Any] | None = None
    ) -> Segment:
        """Add a switch for the segment, and its router's port, which is wired and impairs nothing."""
        subnet = self._plan.segment(subnet)
        segment = self.segments[name] = Segment(name, router, subnet, dict(edge or {}))
        self._ways.subnet(router, subnet)
        self.addSwitch(name, edge=segment.edge)
        self.addLink(router, name, edge=False, intfName1=name, params1={"ip": subnet.addresses(ROUTER)})
        return segment

    def add_router(self, name: str, routes: Mapping[str, str] | None = None) -> str:
        """Add a host that forwards both families by static routes, gateways by prefix; by default the shortest ways."""
        if routes is None:
            self._to_route.append(name)
        return str(self.addHost(name, ip=None, forward=True, routes=dict(routes or {})))

    def add_transit(
        self, left: str, right: str, subnet: Subnet | None = None, delay: float = 0.0, **impairments: object
    ) -> None:
        """Link two routers; the left one is host 1 of the subnet, the right one host 2.

        ``delay`` is in seconds and one way; ``impairments`` are link parameters as `Segment` has them. The routers know each
        other from the start: else the first packet to take a new path would pay for it, once a run.
        """
        subnet = self._plan.link(subnet)
        self._ways.link(left, right, subnet, delay)
        self.addLink(
            left,
            right,
            intfName1=f"to-{right}",
            intfName2=f"to-{left}",
            params1={"ip": subnet.addresses(1)},
            params2={"ip": subnet.addresses(2)},
            delay=delay,
            introduced=True,
            **impairments,
        )

    def add_mobile(self, segment: Segment, name: str = MOBILE_NODE, nic: str = WLAN) -> str:
        """Add a mobile node on a segment, at home as far as addresses go."""
        if not self.mobiles:
            self.mobile, self.mobile_nic = name, nic
        self.mobiles.append(name)
        return self._add_on_segment(name, nic, segment)

    def add_correspondent(
        self,
        at: str | Segment,
        subnet: Subnet | None = None,
        delay: float = 0.0,
        name: str = CORRESPONDENT_NODE,
        **impairments: object,
    ) -> str:
        """Add a correspondent node: on a segment, where it can move, or linked to a router by a subnet of its own.

        Only a link to a router has a ``delay``, in seconds and one way, and ``impairments``; a segment's edge has its own.
        """
        if not self.correspondents:
            self.correspondent = name
        self.correspondents.append(name)
        if isinstance(at, Segment):
            return self._add_on_segment(name, ETHERNET, at)
        number = 2 if subnet is None else CORRESPONDENT
        subnet = self._plan.link(subnet)
        self._ways.subnet(at, subnet)
        self._number(name)
        start = self.starts[name] = Start(ETHERNET, None, subnet.addresses(number), subnet.gateways)
        self.addHost(name, ip=None)
        self.addLink(
            name,
            at,
            intfName1=start.nic,
            intfName2=f"to-{name}",
            params1={"ip": start.addresses, "gateways": start.gateways},
            params2={"ip": subnet.addresses(ROUTER)},
            delay=delay,
            introduced=True,
            **impairments,
        )
        return name

    def add_host(self, name: str, segment: Segment, number: int, *, gateways: bool = True) -> str:
        """Add a wired host on a segment, with this host number in its subnet; without ``gateways`` it has no way back."""
        self.addHost(name, ip=None)
        here: dict[str, Any] = {"ip": segment.subnet.addresses(number)}
        if gateways:
            here["gateways"] = segment.gateways
        self.addLink(name, segment.name, edge=False, intfName1=ETHERNET, params1=here)
        return name

    def _add_on_segment(self, name: str, nic: str, segment: Segment) -> str:
        here = segment.mobile_addresses(self._number(name))
        self.starts[name] = Start(nic, segment, here, segment.gateways)
        self.addHost(name, ip=None)
        at = {"ip": here, "gateways": segment.gateways}
        self.addLink(name, segment.name, intfName1=nic, wire=True, params1=at)
        return name

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    # -- what follows from it ----------------------------------------------------------------------------------------

    def addresses_on(self, node: str, segment: Segment, turn: int = 0) -> list[str]:
        """The addresses, IPv4 and IPv6 with prefix lengths, that a mobile node or a correspondent has on a segment.

        Each ``turn`` has others, for a network that renumbers its hosts. Raises ValueError when the subnet is too small.
        """
        return segment.mobile_addresses(self._numbers[node] + turn * len(self._numbers))

    def delay(self, start: str, end: str) -> float:
        """One-way delay in seconds between two nodes or segments over wired links, along the shortest way.

        The links of nodes that can move are no part of it: use `path_delay`.

        Raises:
            KeyError: there is no wired path.

        """
        reached: dict[str, float] = {}
        reachable = {start: 0.0}
        while reachable:
            node = min(reachable, key=reachable.__getitem__)
            reached[node] = reachable.pop(node)
            for left, right, info in self.links(withInfo=True):
                other = right if left == node else left if right == node else None
                if other is None or other in reached or self._roams(left) or self._roams(right):
                    continue
                far = reached[node] + float(info.get("delay", 0.0))
                reachable[other] = min(far, reachable.get(other, far))
        return reached[end]

    def path_delay(self, segment: str, peer: str = "") -> tuple[float, float]:
        """One-way delays in seconds to and from a peer for a NIC on a segment.

        The peer is a segment, for a node there, or a node that can't move; by default the correspondent. Queueing and the
        time to send a packet at the links' rates come on top: these are lower bounds.
        """
        up, down = self.segments[segment].edge_delay()
        peer = peer or self.correspondent
        if (start := self.starts.get(peer)) is not None and start.segment is not None:
            peer = start.segment.name
        peer_up, peer_down = self.segments[peer].edge_delay() if peer in self.segments else (0.0, 0.0)
        wired = self.delay(segment, peer)
        return up + wired + peer_down, peer_up + wired + down

    def _roams(self, node: str) -> bool:
        return node in self.starts and self.starts[node].segment is not None


def edge(delay_ms: float, jitter_ms: float, loss: float, bw: float | None) -> dict[str, Any]:
    """The edge of a segment in link parameters, leaving out what isn't impaired."""
    values = {"delay": delay_ms / 1000, "jitter": jitter_ms / 1000, "loss": loss, "bw": bw}
    return {name: value for name, value in values.items() if value}
