"""How long a network takes to build: ours and stock Mininet, same topology, same kernel, each in a process of its own.

python -m roamlab.network.bench ours|stock HOSTS        one measurement, as JSON on standard output
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import mininet.net
import mininet.node
from mininet.topo import SingleSwitchTopo

from roamlab.linux.namespace import Namespace, enter
from roamlab.network.net import Mininet
from roamlab.where import ROOT

_GATEWAY: Final = "via 192.0.2.254"
_IP_BASE: Final = "192.0.2.0/24"


def build_time(hosts: int) -> dict[str, float]:
    """Measure a switch with that many hosts, each with a link, an address and a default route.

    Returns:
        hosts; ours_s and stock_s, wall time from nothing to a working network, without imports; ours_stop_s and
        stock_stop_s; ratio, stock_s / ours_s.

    Raises:
        ValueError: not 2 to 250 hosts, which the documentation prefix holds.
        RuntimeError: one of the two failed; stock Mininet needs mnexec, ifconfig and ip.

    """
    if not 2 <= hosts <= 250:
        raise ValueError(f"2 to 250 hosts, not {hosts}")
    ours, stock = (_measure(kind, hosts) for kind in ("ours", "stock"))
    return {
        "hosts": hosts,
        "ours_s": ours["build_s"],
        "stock_s": stock["build_s"],
        "ours_stop_s": ours["stop_s"],
        "stock_stop_s": stock["stop_s"],
        "ratio": stock["build_s"] / ours["build_s"],
    }


def _measure(kind: str, hosts: int) -> dict[str, float]:
    command = [sys.executable, "-m", "roamlab.network.bench", kind, str(hosts)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(
            f"building {hosts} hosts ({kind}) failed: {result.stderr.strip().splitlines()[-1:]}"
        )
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


class _Bridge(mininet.node.Switch):
    """Mininet's LinuxBridge with ip(8) in the place of brctl(8), command for command."""

    def start(self, _controllers: object) -> None:
        self.cmd("ip link add name", self, "type bridge")
        for intf in self.intfList():
            if self.name in intf.name:
                self.cmd("ip link set dev", intf, "master", self)
        self.cmd("ip link set dev", self, "up")

    def stop(self, deleteIntfs: bool = True) -> None:  # noqa: N803
        self.cmd("ip link del dev", self)
        super().stop(deleteIntfs)


def build_ours(hosts: int) -> dict[str, float]:
    """Build ours here and stop it: build_s and stop_s in seconds."""
    return _time(lambda topo: Mininet(topo, ipBase=_IP_BASE), hosts)


def build_stock(hosts: int) -> dict[str, float]:
    """Build stock Mininet in the namespace that the process is in, and stop it: build_s and stop_s in seconds."""
    mininet.net.Mininet.inited = True  # it would raise the machine's own limits otherwise
    return _time(
        lambda topo: mininet.net.Mininet(topo, switch=_Bridge, controller=None, ipBase=_IP_BASE), hosts
    )


def _time(make: Callable[[SingleSwitchTopo], Any], hosts: int) -> dict[str, float]:
    topo = SingleSwitchTopo(k=hosts, hopts={"defaultRoute": _GATEWAY})
    start = time.perf_counter()
    net = make(topo)
    net.start()
    built = time.perf_counter()
    net.stop()
    return {"build_s": built - start, "stop_s": time.perf_counter() - built}


def main() -> None:
    """One measurement, in a network namespace of its own."""
    kind, hosts = sys.argv[1], int(sys.argv[2])
    enter(Namespace.new({}).fd)
    json.dump({"ours": build_ours, "stock": build_stock}[kind](hosts), sys.stdout)


if __name__ == "__main__":
    main()
