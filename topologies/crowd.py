"""Many mobile nodes, each on a wireless link of its own, which can all move at once.

    m0, m1, ... ~~ home0 ... ──┐
                               r ── cn
          visited0, ... ───────┘

A segment shows every multicast to all who are on it, so that the work of a segment grows with the square of its nodes; here
each takes at most CELL nodes, as an access network would. IPv6 alone: no documentation prefix of IPv4 has room for hundreds.
"""

from dataclasses import dataclass
from typing import Final

from roamlab.topologies.addresses import CORRESPONDENT, CORRESPONDENTS, CROWD, MOBILE, ROUTER
from roamlab.topologies.topo import Topo

CELL: Final = 50
_EDGE_S: Final = 0.005
_CORE_S: Final = 0.020
_CORE_QUEUE: Final = 20_000  # what hundreds send in one instant is under way on this link at once


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mobile node can be: a segment, its address there (with prefix length) and its router's."""

    segment: str
    address: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Mobile:
    """A mobile node: its name, and its places before and after the move."""

    name: str
    home: Place
    visited: Place


class Crowd(Topo):
    """So many mobile nodes at home, and a correspondent node (``correspondent``, at ``address``)."""

    correspondent = "cn"
    address = str(CORRESPONDENTS.host6(CORRESPONDENT).ip)

    def build(self, *, nodes: int) -> None:
        """Make the topology."""
        self.mobiles = [
            Mobile(f"m{number}", _place("home", 0, number), _place("visited", 1, number))
            for number in range(nodes)
        ]
        self.addHost("r", ip=None, forward=True)
        for place in {p.segment: p for m in self.mobiles for p in (m.home, m.visited)}.values():
            self.addSwitch(place.segment, edge={"delay": _EDGE_S})
            port = {"ip": [f"{place.gateway}/64"]}
            self.addLink("r", place.segment, edge=False, intfName1=place.segment, params1=port)
        for mobile in self.mobiles:
            self.addHost(mobile.name, ip=None)
            here = {"ip": [mobile.home.address], "gateways": [mobile.home.gateway]}
            self.addLink(mobile.name, mobile.home.segment, intfName1="wlan0", wire=True, params1=here)
        self.addHost(self.correspondent, ip=None)
        self.addLink(
            self.correspondent,
            "r",
            intfName1="eth0",
            intfName2="to-cn",
            params1={
                "ip": [str(CORRESPONDENTS.host6(CORRESPONDENT))],
                "gateways": [str(CORRESPONDENTS.gateway6)],
            },
            params2={"ip": [str(CORRESPONDENTS.host6(ROUTER))]},
            delay=_CORE_S,
            max_queue_size=_CORE_QUEUE,
            introduced=True,
        )


def _place(kind: str, site: int, number: int) -> Place:
    cell, host = divmod(number, CELL)
    prefix = CROWD.network_address + (site << 80) + (cell << 64)
    return Place(f"{kind}{cell}", f"{prefix + MOBILE + host}/64", str(prefix + ROUTER))
