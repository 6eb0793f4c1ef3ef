"""Many mobile nodes, each on a wireless link of its own, which can all move at once.

    m0, m1, ... ~~ home, home1, ... ──────┐
                                          r ── cn
          visited, visited1, ... ─────────┘

A segment shows every multicast to all who are on it, so that the work of a segment grows with the square of its nodes; here
each takes at most CELL nodes, as an access network would. IPv6 alone: no documentation prefix of IPv4 has room for hundreds.
"""

from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import ClassVar, Final

from roamlab.topologies.addresses import CORRESPONDENTS, CROWD, Subnet
from roamlab.topologies.roaming import RoamingTopo, Segment

CELL: Final = 50
_EDGE: Final = {"delay": 0.005}
_CORE_S: Final = 0.020
_CORE_QUEUE: Final = 20_000  # what hundreds send in one instant is under way on this link at once
_NEIGHBOURS: Final = 8192


class Crowd(RoamingTopo):
    """So many mobile nodes at home, and a correspondent node.

    Parameters
    ----------
        nodes: how many mobile nodes.

    """

    home: Segment
    visited: Segment
    one_agent: ClassVar[bool] = True
    machine: ClassVar[Mapping[str, int]] = {
        # One table of a kernel holds the neighbours of all of its namespaces, and has room for 1024 unless told otherwise.
        **{
            f"net.ipv6.neigh.default.gc_thresh{number}": entries
            for number, entries in enumerate((_NEIGHBOURS, 2 * _NEIGHBOURS, 4 * _NEIGHBOURS), 1)
        },
        # What hundreds send in one instant crosses the machine's one queue between NICs at once; a cable has none.
        "net.core.netdev_max_backlog": 100_000,
    }

    def build(self, *, nodes: int = 20) -> None:
        """Make the topology."""
        self.add_router("r")
        cells = range(-(-nodes // CELL))
        self._homes = [self._cell("home", 0, cell) for cell in cells]
        self._visited = [self._cell("visited", 1, cell) for cell in cells]
        self.home, self.visited = self._homes[0], self._visited[0]
        for number in range(nodes):
            self.add_mobile(self._homes[number // CELL], f"m{number}")
        self.add_correspondent("r", CORRESPONDENTS, _CORE_S, max_queue_size=_CORE_QUEUE)

    def away_from(self, segment: Segment) -> Segment:
        """The foreign segment of a home segment."""
        return self._visited[self._homes.index(segment)]

    def _cell(self, kind: str, site: int, cell: int) -> Segment:
        prefix = CROWD.network_address + (site << 80) + (cell << 64)
        return self.add_segment(f"{kind}{cell or ''}", "r", Subnet(None, IPv6Network((prefix, 64))), _EDGE)
