"""Three foreign networks, each at a router of its own in a ring, and two correspondents: what a longer walk needs.

mn ~~ home ──── r1 ──── r2 ──── north
│  ╲    │
cn, cn2 ──┤    ╲  │
r4 ──── r3 ──── east
└── south
"""

from roamlab.topologies.roaming import RoamingTopo, Segment, edge


class ThreeVisited(RoamingTopo):
    """A home segment and three foreign ones; addresses and routes are roamlab's.

    Parameters
    ----------
        edge_delay_ms: the wireless edge of each segment, in both directions.
        core_delay_ms: one way, of each link between two routers.

    """

    home: Segment
    north: Segment
    east: Segment
    south: Segment

    def build(self, *, edge_delay_ms: float = 5.0, core_delay_ms: float = 10.0) -> None:
        """Make the topology."""
        wireless, core = edge(edge_delay_ms, 0.0, 0.0, 20.0), core_delay_ms / 1000
        for router in ("r1", "r2", "r3", "r4"):
            self.add_router(router)
        for left, right in (("r1", "r2"), ("r2", "r3"), ("r3", "r4"), ("r4", "r1"), ("r1", "r3")):
            self.add_transit(left, right, delay=core)
        self.home = self.add_segment("home", "r1", edge=wireless)
        self.north = self.add_segment("north", "r2", edge=wireless)
        self.east = self.add_segment("east", "r3", edge=wireless)
        self.south = self.add_segment("south", "r4", edge=wireless)
        self.add_mobile(self.home)
        self.add_correspondent("r1", delay=core)
        self.add_correspondent("r4", delay=core, name="cn2")
