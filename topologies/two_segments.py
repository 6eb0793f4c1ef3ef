"""The least in which a node can roam: two segments of one router, and the correspondent node behind it.

mn ~~ home ────┐
               r ── cn
     visited ──┘
"""

from roamlab.parameters import Milliseconds, Percent, Rate
from roamlab.topologies import addresses
from roamlab.topologies.roaming import RoamingTopo, Segment, edge


class TwoSegments(RoamingTopo):
    """Two segments; without delays, loss or rates of its own unless they are asked for.

    Parameters
    ----------
        edge_delay_ms, edge_jitter_ms, edge_loss (percent), edge_bw (Mbit/s, None is unlimited): the wireless edge of both
            segments, in both directions.
        core_delay_ms: one way, between router and correspondent.

    """

    home: Segment
    visited: Segment

    def build(
        self,
        *,
        edge_delay_ms: Milliseconds = 0.0,
        edge_jitter_ms: Milliseconds = 0.0,
        edge_loss: Percent = 0.0,
        edge_bw: Rate | None = None,
        core_delay_ms: Milliseconds = 0.0,
    ) -> None:
        """Make the topology."""
        self.add_router("r", {})
        wireless = edge(edge_delay_ms, edge_jitter_ms, edge_loss, edge_bw)
        self.home = self.add_segment("home", "r", addresses.HOME, wireless)
        self.visited = self.add_segment("visited", "r", addresses.VISITED, wireless)
        self.add_mobile(self.home)
        self.add_correspondent("r", addresses.CORRESPONDENTS, core_delay_ms / 1000)
