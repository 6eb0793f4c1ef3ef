"""Static routes by shortest path: over which of its neighbours a router reaches each subnet."""

import heapq
from dataclasses import dataclass, field

from roamlab.topologies.addresses import Subnet


@dataclass(slots=True)
class Ways:
    """Routers, the subnets at them, and the links between them, each with its one-way delay in seconds."""

    _at: dict[str, list[Subnet]] = field(default_factory=dict)
    _neighbours: dict[str, list[tuple[str, Subnet, int, float]]] = field(default_factory=dict)

    def subnet(self, router: str, subnet: Subnet) -> None:
        """A router has a port in a subnet: a segment's, or a single host's."""
        self._at.setdefault(router, []).append(subnet)

    def link(self, left: str, right: str, subnet: Subnet, delay: float) -> None:
        """Two routers are linked, the left one as host 1 of the subnet, the right one as host 2."""
        for here, there, number in ((left, right, 2), (right, left, 1)):
            self.subnet(here, subnet)
            self._neighbours.setdefault(here, []).append((there, subnet, number, delay))

    def routes(self, router: str) -> dict[str, str]:
        """The gateways of a router by prefix, for all subnets that it has no port in.

        The way with the least delay counts, of equal ones the one with the fewest routers, then the one that was named first.

        Raises:
            ValueError: there is no way to a subnet.

        """
        found: dict[str, str] = {}
        reached = set(self._at.get(router, ()))
        for other, (via, number) in self._first_hops(router).items():
            for subnet in self._at.get(other, ()):
                if subnet not in reached:
                    reached.add(subnet)
                    found |= subnet.routes(via, number)
        for name, subnets in self._at.items():
            for subnet in subnets:
                if subnet not in reached:
                    raise ValueError(f"{router} has no way to {subnet} at {name}: link the two by a transit")
        return found

    def _first_hops(self, start: str) -> dict[str, tuple[Subnet, int]]:
        """The other routers, the nearest first, with the link and the host number on it that lead there."""
        found: dict[str, tuple[Subnet, int]] = {}
        done = {start}
        order = 0
        queue: list[tuple[float, int, int, str, tuple[Subnet, int] | None]] = [(0.0, 0, order, start, None)]
        while queue:
            far, hops, _, node, first = heapq.heappop(queue)
            if node != start:
                if node in done or first is None:
                    continue
                done.add(node)
                found[node] = first
            for other, subnet, number, delay in self._neighbours.get(node, ()):
                if other not in done:
                    order += 1
                    way = (far + delay, hops + 1, order, other, first or (subnet, number))
                    heapq.heappush(queue, way)
        return found
