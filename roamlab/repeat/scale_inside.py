"""The inside of a scale run: a crowd of mobile nodes, one association each, all moving at once.

`python -m roamlab.repeat.scale_inside RUN_DIR NODES`; see roamlab/repeat/scale.py for what is made of it.
"""

from __future__ import annotations

import sys
from ipaddress import ip_interface
from pathlib import Path
from typing import Final

from roamlab.lab.inside import step
from roamlab.lab.lean import lean

PORT: Final = 5001
MESSAGES: Final = 12
"""What each node sends, one a second; the move comes in the middle."""
_MOVE_S, _PREFER_S, _END_S = 6.0, 8.0, 16.0
_SCTP: Final = {"net.sctp.addip_enable": 1, "net.sctp.auth_enable": 1}


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
    from roamlab.record.commands import Join, Listen, PreferEach, Stream
    from roamlab.record.event import Event
    from roamlab.record.events import RunEnd, SessionOpened
    from roamlab.record.run_directory import CAPTURE, EventLog, RunDirectory
    from roamlab.topologies.crowd import Crowd

    clock = SystemClock()
    log = EventLog(RunDirectory(path), clock.now_ns())
    for name, entries in Crowd.machine.items():
        Path("/proc/sys", *name.split(".")).write_text(str(entries))
    step("network")
    crowd = Crowd(nodes=nodes)
    away = {
        name: crowd.away_from(home)
        for name, start in crowd.starts.items()
        if (home := start.segment) is not None
    }
    peer = str(ip_interface(crowd.starts[crowd.correspondent].addresses[-1]).ip)
    # Mininet counts through its address base for each host, though every one here has its address from the topology.
    with Mininet(topo=crowd, ipBase="192.0.0.0/16") as net:
        net.start()
        settle(clock)
        step("capture")
        net.capture_to(path / CAPTURE)
        step("agents")
        up: set[int] = set()

        def noticed(event: Event) -> None:
            log.write(event)
            if isinstance(event, SessionOpened):
                up.add(event.session)

        agents = Agents(clock, noticed)
        for name in (crowd.correspondent, *crowd.mobiles):
            net[name].sysctl(_SCTP)
        homes = {number: net[name].namespace.fd for number, name in enumerate(crowd.mobiles)}
        cn = net[crowd.correspondent].namespace.fd
        agents.adopt(launch(CorrespondentNode, "cn", cn, path / "cn.log"))
        agents.adopt(launch(CrowdAgent, "crowd", cn, path / "crowd.log", keep=frozenset(homes.values())))
        agents.await_ready()
        step("associations")
        agents.command("cn", Listen("::", PORT))
        for session, namespace in homes.items():
            agents.command("crowd", Join(session, namespace, peer, PORT))
        Timeline(clock, clock.now_ns()).play(5.0, agents.readers, log.batch)
        if len(up) != nodes:
            print(f"roamlab: failed: {len(up)} of {nodes} associations came up", flush=True)
            return 3
        step("streams")
        start = clock.now_ns()
        for session in homes:
            first = start + 500_000_000
            agents.command("crowd", Stream(session, 10**9, 200, first, first + MESSAGES * 10**9))

        def move() -> None:
            step("move")
            for name in crowd.mobiles:
                nic, there = net.nic(name, "wlan0"), away[name]
                net.move(nic, there.name)
                nic.deconfigure()
                nic.configure(crowd.addresses_on(name, there), there.gateways)
            step("after the move")

        def prefer() -> None:
            addresses = {
                number: crowd.addresses_on(name, away[name])[0].partition("/")[0]
                for number, name in enumerate(crowd.mobiles)
            }
            agents.command("crowd", PreferEach(addresses))

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
        log.write(RunEnd(sum(report.dropped.values()), t=clock.now_ns(), node="lab"))
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
