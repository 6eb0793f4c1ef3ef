"""Two mobile nodes in two places, with two foreign networks between them, and a correspondent.

mn  ~~ home ───── r1 ───┐
visited ───── r2 ──┤
core ── cn
abroad ───── r3 ──┤
mn2 ~~ far ─────── r4 ──┘
"""

from roamlab.topologies.roaming import RoamingTopo, Segment, edge


class TwoMobiles(RoamingTopo):
    """Mobile node mn at home and mn2 at ``far``; each can go to ``visited`` or ``abroad``.

    Parameters
    ----------
        edge_delay_ms, edge_loss (percent): the wireless edge of each segment, in both directions.
        core_delay_ms: one way, of each link to the core, cn's among them.

    """

    home: Segment
    visited: Segment
    abroad: Segment
    far: Segment

    def build(
        self, *, edge_delay_ms: float = 5.0, edge_loss: float = 0.0, core_delay_ms: float = 10.0
    ) -> None:
        """Make the topology."""
        wireless, core = edge(edge_delay_ms, 0.0, edge_loss, 20.0), core_delay_ms / 1000
        self.add_router("core")
        for number in range(1, 5):
            self.add_transit(self.add_router(f"r{number}"), "core", delay=core)
        self.home = self.add_segment("home", "r1", edge=wireless)
        self.visited = self.add_segment("visited", "r2", edge=wireless)
        self.abroad = self.add_segment("abroad", "r3", edge=wireless)
        self.far = self.add_segment("far", "r4", edge=wireless)
        self.add_mobile(self.home)
        self.add_mobile(self.far, "mn2")
        self.add_correspondent("core", delay=core)
