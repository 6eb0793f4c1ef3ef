"""What all topologies with a mobile node have: segments it can be on, a correspondent node, and delays between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from roamlab.topologies.addresses import CORRESPONDENT, MOBILE, ROUTER, Subnet
from roamlab.topologies.topo import Topo

MOBILE_NODE: Final = "mn"
CORRESPONDENT_NODE: Final = "cn"
WLAN: Final = "wlan0"


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
        """Seconds from NIC to segment and from segment to NIC."""
        common = float(self.edge.get("delay", 0.0))
        up, down = (float((self.edge.get(way) or {}).get("delay", common)) for way in ("up", "down"))
        return up, down


class RoamingTopo(Topo):
    """A topology with a mobile node.

    Attributes:
        segments: by name, the one that the mobile node starts on first.
        mobile, mobile_nic, correspondent: names of nodes and of the mobile node's first NIC.

    """

    mobile = MOBILE_NODE
    mobile_nic = WLAN
    correspondent = CORRESPONDENT_NODE

    def __init__(self, *args: Any, **params: Any) -> None:
        self.segments: dict[str, Segment] = {}
        super().__init__(*args, **params)

    def add_segment(self, name: str, router: str, subnet: Subnet, edge: Mapping[str, Any]) -> Segment:
        """Add a switch for the segment, and its router's port, which is wired and impairs nothing."""
        segment = self.segments[name] = Segment(name, router, subnet, dict(edge))
        self.addSwitch(name, edge=segment.edge)
        self.addLink(router, name, edge=False, intfName1=name, params1={"ip": subnet.addresses(ROUTER)})
        return segment

    def add_router(self, name: str, routes: Mapping[str, str]) -> str:
        """Add a host that forwards both families by static routes."""
        return str(self.addHost(name, ip=None, forward=True, routes=dict(routes)))

    def add_transit(self, left: str, right: str, subnet: Subnet, delay: float) -> None:
        """Link two routers; the left one is host 1 of the subnet, the right one host 2.

        They know each other from the start: else the first packet to take a new path would pay for it, once a run.
        """
        self.addLink(
            left,
            right,
            intfName1=f"to-{right}",
            intfName2=f"to-{left}",
            params1={"ip": subnet.addresses(1)},
            params2={"ip": subnet.addresses(2)},
            delay=delay,
            introduced=True,
        )

    def add_mobile(self, segment: Segment) -> str:
        """Add the mobile node on a segment, at home as far as addresses go."""
        name = self.addHost(self.mobile, ip=None)
        here = {"ip": segment.mobile_addresses(), "gateways": segment.gateways}
        self.addLink(name, segment.name, intfName1=self.mobile_nic, wire=True, params1=here)
        return str(name)

    def add_correspondent(self, router: str, subnet: Subnet, delay: float) -> str:
        """Add the correspondent node behind a router."""
        name = self.addHost(self.correspondent, ip=None)
        here = {"ip": subnet.addresses(CORRESPONDENT), "gateways": subnet.gateways}
        there = {"ip": subnet.addresses(ROUTER)}
        self.addLink(
            name,
            router,
            intfName1="eth0",
            intfName2=f"to-{name}",
            params1=here,
            params2=there,
            delay=delay,
            introduced=True,
        )
        return str(name)

    def delay(self, start: str, end: str) -> float:
        """One-way delay in seconds between two nodes or segments over wired links.

        The mobile node's own link is no part of it: use `path_delay`.

        Raises:
            KeyError: there is no wired path.

        """
        reached = {start: 0.0}
        todo = [start]
        for node in todo:  # the wired part is a tree, so the first way is the only one
            for left, right, info in self.links(withInfo=True):
                other = right if left == node else left if right == node else None
                if other is not None and other not in reached and self.mobile not in (left, right):
                    reached[other] = reached[node] + float(info.get("delay", 0.0))
                    todo.append(other)
        return reached[end]

    def path_delay(self, segment: str) -> tuple[float, float]:
        """One-way delays in seconds mobile → correspondent and correspondent → mobile for a NIC on a segment.

        Queueing and the time to send a packet at the links' rates come on top: these are lower bounds.
        """
        up, down = self.segments[segment].edge_delay()
        wired = self.delay(segment, self.correspondent)
        return up + wired, wired + down


def edge(delay_ms: float, jitter_ms: float, loss: float, bw: float | None) -> dict[str, Any]:
    """The edge of a segment in link parameters, leaving out what isn't impaired."""
    values = {"delay": delay_ms / 1000, "jitter": jitter_ms / 1000, "loss": loss, "bw": bw}
    return {name: value for name, value in values.items() if value}
