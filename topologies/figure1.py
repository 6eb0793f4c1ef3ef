"""FIG. 1 of the design: a mobile node between its home segment and two foreign ones.

    mn ~~ home ── ha (R2) ── r1 ──┐
                                  │
                              internet ── cn
                                  │
       visited ── fa ────── r3 ───┤
        └ pc16               │    ┘
       visited2 ── fa2 ──────┘

`~~` is a wireless edge. ha, fa and fa2 are the routers of their segments and so the home agent and the foreign agents.
"""

from typing import Any

from roamlab.parameters import Milliseconds, Percent, Rate
from roamlab.topologies import addresses
from roamlab.topologies.addresses import EVERYTHING
from roamlab.topologies.roaming import RoamingTopo, Segment, edge


class HomeAndVisited(RoamingTopo):
    """FIG. 1.

    Parameters
    ----------
        edge_delay_ms, edge_jitter_ms, edge_loss (percent), edge_bw (Mbit/s, None is unlimited): the wireless edge of each
            segment, in both directions.
        visited_delay_ms, visited2_delay_ms: the edge delay of one segment, where it differs.
        visited_up_delay_ms, visited_loss (percent), visited_bw (Mbit/s): how the edge of visited differs besides: its delay
            from the NIC alone, its loss, its rate.
        core_delay_ms: one way, of each of the three links to the internet, cn's among them.
        site_delay_ms: one way, of each link between a segment's router and its site's border router.

    """

    home: Segment
    visited: Segment
    visited2: Segment

    def build(
        self,
        *,
        edge_delay_ms: Milliseconds = 5.0,
        edge_jitter_ms: Milliseconds = 0.0,
        edge_loss: Percent = 0.0,
        edge_bw: Rate | None = 20.0,
        visited_delay_ms: Milliseconds | None = None,
        visited2_delay_ms: Milliseconds | None = None,
        visited_up_delay_ms: Milliseconds | None = None,
        visited_loss: Percent | None = None,
        visited_bw: Rate | None = None,
        core_delay_ms: Milliseconds = 20.0,
        site_delay_ms: Milliseconds = 1.0,
    ) -> None:
        """Make the topology."""
        plan = addresses
        core, site = core_delay_ms / 1000, site_delay_ms / 1000
        self.add_router("ha", EVERYTHING.routes(plan.HA_R1, 2))
        self.add_router("r1", {**EVERYTHING.routes(plan.R1_INTERNET, 2), **plan.HOME.routes(plan.HA_R1, 1)})
        self.add_router("fa", EVERYTHING.routes(plan.FA_R3, 2))
        self.add_router("fa2", EVERYTHING.routes(plan.FA2_R3, 2))
        self.add_router(
            "r3",
            {
                **EVERYTHING.routes(plan.R3_INTERNET, 2),
                **plan.VISITED.routes(plan.FA_R3, 1),
                **plan.VISITED2.routes(plan.FA2_R3, 1),
            },
        )
        self.add_router(
            "internet",
            {
                **plan.HOME.routes(plan.R1_INTERNET, 1),
                **plan.HOME_SITE.routes(plan.R1_INTERNET, 1),
                **plan.VISITED.routes(plan.R3_INTERNET, 1),
                **plan.VISITED2.routes(plan.R3_INTERNET, 1),
                **plan.FOREIGN_SITE.routes(plan.R3_INTERNET, 1),
            },
        )
        self.add_transit("ha", "r1", plan.HA_R1, site)
        self.add_transit("r1", "internet", plan.R1_INTERNET, core)
        self.add_transit("fa", "r3", plan.FA_R3, site)
        self.add_transit("fa2", "r3", plan.FA2_R3, site)
        self.add_transit("r3", "internet", plan.R3_INTERNET, core)

        def wireless(
            delay_ms: float | None, loss: float | None = None, bw: float | None = None
        ) -> dict[str, Any]:
            return edge(
                edge_delay_ms if delay_ms is None else delay_ms,
                edge_jitter_ms,
                edge_loss if loss is None else loss,
                edge_bw if bw is None else bw,
            )

        new = wireless(visited_delay_ms, visited_loss, visited_bw)
        if visited_up_delay_ms is not None:
            new["up"] = {"delay": visited_up_delay_ms / 1000}

        self.home = self.add_segment("home", "ha", plan.HOME, wireless(None))
        self.visited = self.add_segment("visited", "fa", plan.VISITED, new)
        self.visited2 = self.add_segment("visited2", "fa2", plan.VISITED2, wireless(visited2_delay_ms))
        self.add_mobile(self.home)
        self.add_host("pc16", self.visited, plan.PC16)
        self.add_correspondent("internet", plan.CORRESPONDENTS, core)
