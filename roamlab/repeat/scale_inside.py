"""The inside of a scale run: a crowd of mobile nodes, one association each, all moving at once.

`python -m roamlab.repeat.scale_inside RUN_DIR NODES`; see roamlab/repeat/scale.py for what is made of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from roamlab.lab.inside import step
from roamlab.lab.lean import lean

PORT: Final = 5001
MESSAGES: Final = 12
"""What each node sends, one a second; the move comes in the middle."""
_MOVE_S, _PREFER_S, _END_S = 6.0, 8.0, 16.0
_SCTP: Final = {"net.sctp.addip_enable": 1, "net.sctp.auth_enable": 1}
_NEIGHBOURS: Final = 8192
_BACKLOG: Final = 100_000


def main(path: Path, nodes: int) -> int:
    """Play it; 0 when it came to its end."""
    step("imports")
    lean()
    from roamlab.agents.launch import launch
    from roamlab.lab.agents import Agents
    from roamlab.lab.clock import SystemClock, Timeline
    from roamlab.lab.settling import settle
    from roamlab.network.net import Mininet
    from roamlab.nodes.correspondent_node import CorrespondentNode
    from roamlab.nodes.crowd import Crowd as CrowdAgent
    from roamlab.record.run_directory import CAPTURE, EventLog, RunDirectory
    from roamlab.topologies.crowd import Crowd

    clock = SystemClock()
    log = EventLog(RunDirectory(path), clock.now_ns())
    # One table of a kernel holds the neighbours of all of its namespaces, and has room for 1024 unless told otherwise.
    for number, entries in enumerate((_NEIGHBOURS, 2 * _NEIGHBOURS, 4 * _NEIGHBOURS), 1):
        Path(f"/proc/sys/net/ipv6/neigh/default/gc_thresh{number}").write_text(str(entries))
    # What hundreds send in one instant crosses the machine's one queue between NICs at once; a cable has no such queue.
    Path("/proc/sys/net/core/netdev_max_backlog").write_text(str(_BACKLOG))
    step("network")
    crowd = Crowd(nodes=nodes)
    # Mininet counts through its address base for each host, though every one here has its address from the topology.
    with Mininet(topo=crowd, ipBase="192.0.0.0/16") as net:
        net.start()
        settle(clock)
        step("capture")
        net.capture_to(path / CAPTURE)
        step("agents")
        up: set[int] = set()

        def event(time_ns: int, node: str, kind: str, details: dict[str, Any]) -> None:
            log.write(time_ns, node, kind, **details)
            if kind == "session.opened":
                up.add(details["session"])

        agents = Agents(clock, event)
        for name in (crowd.correspondent, *(mobile.name for mobile in crowd.mobiles)):
            net[name].sysctl(_SCTP)
        homes = {number: net[mobile.name].namespace.fd for number, mobile in enumerate(crowd.mobiles)}
        cn = net[crowd.correspondent].namespace.fd
        agents.adopt(launch(CorrespondentNode, "cn", cn, path / "cn.log"))
        agents.adopt(launch(CrowdAgent, "crowd", cn, path / "crowd.log", keep=frozenset(homes.values())))
        agents.await_ready()
        step("associations")
        agents.command("cn", "listen", local="::", port=PORT)
        for session, namespace in homes.items():
            agents.command(
                "crowd", "join", session=session, namespace=namespace, peer=crowd.address, port=PORT
            )
        Timeline(clock, clock.now_ns()).play(5.0, agents.readers, log.batch)
        if len(up) != nodes:
            print(f"roamlab: failed: {len(up)} of {nodes} associations came up", flush=True)
            return 3
        step("streams")
        start = clock.now_ns()
        for session in homes:
            first = start + 500_000_000
            agents.command(
                "crowd",
                "stream",
                session=session,
                every_ns=10**9,
                size=200,
                start_ns=first,
                end_ns=first + MESSAGES * 10**9,
            )

        def move() -> None:
            step("move")
            for mobile in crowd.mobiles:
                nic = net.nic(mobile.name, "wlan0")
                net.move(nic, mobile.visited.segment)
                nic.deconfigure()
                nic.configure([mobile.visited.address], [mobile.visited.gateway])
            step("after the move")

        def prefer() -> None:
            addresses = {
                str(number): mobile.visited.address.partition("/")[0]
                for number, mobile in enumerate(crowd.mobiles)
            }
            agents.command("crowd", "prefer", addresses=addresses)

        timeline = Timeline(clock, start)
        timeline.at(_MOVE_S, move)
        timeline.at(_PREFER_S, prefer)
        timeline.play(_END_S, agents.readers, log.batch)
        step("collect")
        agents.stop()
        report = net.stop_capture()
        if report is None or report.error:
            print(f"roamlab: failed: the capture is not whole: {report and report.error}", flush=True)
            return 3
        log.write(clock.now_ns(), "lab", "run.end", capture_dropped=sum(report.dropped.values()))
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
