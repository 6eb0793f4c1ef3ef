"""Whatever ends the builder, nothing of its network stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from roamlab.protocols.pcapng import read
from tests.netns.conftest import until
from tests.processes import alive, gone

BUILDER = """
import os, socket, sys, time
from pathlib import Path
from roamlab.network.net import Mininet
from roamlab.topologies import TwoSegments
net = Mininet(TwoSegments())
capture = net.capture_to(Path(sys.argv[1]))
net["mn"].cmd("sleep 1000 &")
ping = net["cn"].popen(["sleep", "1000"])
print(net["mn"].cmd("ping -c1 -W2 203.0.113.10").count("1 received"), flush=True)
print(capture.pid, net["mn"].pid, net["mn"].lastPid or 0, ping.pid, flush=True)
time.sleep(1000)
"""


def marked(word: str) -> list[str]:
    """The processes with a word in their environment: the kernel gives numbers of namespaces out again, but not this."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if word.encode() in environment.read_bytes():
                line = (
                    environment.with_name("cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace")
                )
                state = environment.with_name("wchan").read_text()
                found.append(f"{environment.parent.name} ({state}): {line}")
        except OSError:
            continue
    return found


def test_killed_builder_leaves_no_process_and_no_namespace_and_a_whole_capture(tmp_path):
    file = tmp_path / "c.pcapng"
    links = Path("/proc/net/dev").read_text().count(":")
    mark = f"builder-{uuid4().hex}"
    builder = subprocess.Popen(
        ["nohup", sys.executable, "-c", BUILDER, str(file)],  # what ignores a hangup must end as well
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ROAMLAB_TEST": mark},
    )
    assert builder.stdout.readline() == "1\n"
    numbers = [int(word) for word in builder.stdout.readline().split()]
    pids = [pid for pid in numbers if pid]
    assert all(alive(pid) for pid in pids)
    assert marked(mark)
    os.kill(builder.pid, signal.SIGKILL)
    builder.communicate()
    assert gone(pids), [pid for pid in pids if alive(pid)]
    assert until(lambda: not marked(mark), 120), marked(mark)  # a namespace ends with its last process
    assert Path("/proc/net/dev").read_text().count(":") == links
    trace = read(file)
    assert not trace.truncated
    assert {"mn.wlan0", "cn.eth0"} <= {packet.interface_name for packet in trace.packets}
