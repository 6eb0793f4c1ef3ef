"""Links with netem, which needs a kernel that has it: one network in a guest, looked at from several sides."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from roamlab.kernels.choose import select
from roamlab.kernels.job import Job
from roamlab.protocols.pcapng import Packet, read

pytestmark = pytest.mark.skipif(shutil.which("linux.uml") is None, reason="needs Debian's user-mode-linux")
REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, socket, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from roamlab.network.net import Mininet
from roamlab.topologies import TwoSegments

def udp(node, address, port):
    with node.namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    return sock

with Mininet(TwoSegments(edge_delay_ms=40)) as net:
    net.capture_to(Path(sys.argv[2]))
    there, here = udp(net["cn"], "203.0.113.10", 7), udp(net["mn"], "192.0.2.10", 0)
    there.settimeout(2)
    link = net.nic("mn").link
    def send(text, times=1):
        for _ in range(times):
            here.sendto(text, ("203.0.113.10", 7))
    send(b"first")
    there.recv(100)
    send(b"forty")
    there.recv(100)
    link.impair(up={"delay": "120ms"})
    send(b"more")
    there.recv(100)
    link.impair(delay="1ms", loss=30)
    send(b"lossy", 200)
    time.sleep(0.5)
    link.impair(loss=0, delay="200ms")
    send(b"under way")
    net.unplug(net.nic("mn"))
    time.sleep(0.4)
    net.plug(net.nic("mn"), "home")
    time.sleep(0.4)
    dropped = sum(net.stop_capture().dropped.values())
json.dump({"dropped": dropped}, sys.stdout)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Packet]]:
    run_dir = tmp_path_factory.mktemp("run")
    (run_dir / "script.py").write_text(SCRIPT)
    lines: list[str] = []
    argv = (sys.executable, str(run_dir / "script.py"), str(REPOSITORY), str(run_dir / "c.pcapng"))
    needs = frozenset({"veth", "bridge", "netem", "htb", "packet", "ipv6"})
    outcome = select("debian").execute(Job(argv, run_dir, seed=1, limit_s=60, needs=needs), lines.append)
    assert (outcome.status, outcome.reason) == (0, ""), lines
    return json.loads(lines[-1]), read(run_dir / "c.pcapng").packets


def passing(packets: list[Packet], nic: str, payload: bytes) -> list[int]:
    """When packets that end with the payload passed a NIC."""
    return [p.time_ns for p in packets if p.interface_name == nic and p.data.endswith(payload)]


def delay(seen: tuple[dict[str, Any], list[Packet]], payload: bytes) -> float:
    packets = seen[1]
    return (passing(packets, "r.home", payload)[0] - passing(packets, "mn.wlan0", payload)[0]) / 1e9


def test_the_capture_sees_a_packet_before_and_after_its_delay(seen):
    assert 0.040 <= delay(seen, b"forty") < 0.080


def test_a_delay_is_changed_in_service_and_for_one_direction(seen):
    assert 0.120 <= delay(seen, b"more") < 0.160


def test_a_lost_packet_was_sent_and_never_arrived(seen):
    sent, arrived = (len(passing(seen[1], nic, b"lossy")) for nic in ("mn.wlan0", "r.home"))
    assert sent == 200
    assert 100 <= arrived <= 175


def test_a_packet_under_way_is_lost_when_the_nic_is_unplugged(seen):
    assert len(passing(seen[1], "mn.wlan0", b"under way")) == 1
    assert not passing(seen[1], "r.home", b"under way")


def test_the_capture_dropped_nothing(seen):
    assert seen[0]["dropped"] == 0
