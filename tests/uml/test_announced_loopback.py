"""Loopback addresses that the kernel announces, and should not (docs/findings.md, 15).

Kernels before 6.13 do so more often, and Debian's 6.1 and 6.12 are played by tests/machine.
"""

from __future__ import annotations

import re
import shlex
import sys

import pytest

from roamlab.kernels.build import BuiltKernel, boot, cached

pytestmark = pytest.mark.timeout(300)

# A mobile node whose loopback comes up before (by how many seconds) or after its session does; then it sends for a while.
MOBILE_NODE = """
import socket, subprocess, sys, time, sctp
for name in ("auth_enable", "addip_enable", "default_auto_asconf"):
    with open("/proc/sys/net/sctp/" + name, "w") as file:
        file.write("1")
before = float(sys.argv[1])
loopback = ["ip", "link", "set", "lo", "up"]
if before > 0:
    subprocess.run(loopback, check=True)
    time.sleep(before)
session = sctp.sctpsocket_tcp(socket.AF_INET)
session.connect(("192.0.2.1", 5000))
if before == 0:
    subprocess.run(loopback, check=True)
try:
    for _ in range(4):
        time.sleep(1)
        session.sctp_send(b"data")
    print("told all of it", flush=True)
except ConnectionResetError:
    print("told ConnectionResetError", flush=True)
time.sleep(2)
"""
# Says what came in over its loopback: what it sent to 127.0.0.1 itself.
CORRESPONDENT_NODE = """
import socket, time, sctp
for name in ("auth_enable", "addip_enable"):
    with open("/proc/sys/net/sctp/" + name, "w") as file:
        file.write("1")
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.bind(("lo", 0))
server = sctp.sctpsocket_tcp(socket.AF_INET)
server.bind(("192.0.2.1", 5000))
server.listen(1)
session, _ = server.accept()
time.sleep(6)
wire.setblocking(False)
chunks = []
while True:
    try:
        chunks.append(wire.recv(65535)[32])
    except BlockingIOError:
        break
print("told over lo", *chunks, flush=True)
"""
HOSTS = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
ip netns add cn
ip -n cn link set lo up
ip link add mn type veth peer name cn netns cn
ip address add 192.0.2.2/24 dev mn && ip link set mn up
ip -n cn address add 192.0.2.1/24 dev cn && ip -n cn link set cn up
"""
HEARTBEAT, ABORT = 4, 6


@pytest.fixture(scope="module")
def newest() -> BuiltKernel:
    kernel = cached(version="7")
    if kernel is None:
        pytest.skip("needs a lab kernel: ./lab kernel")
    return kernel


def told(kernel: BuiltKernel, before_s: float) -> set[str]:
    """What both nodes say when the mobile node's loopback comes up some time before the session (0: after it)."""
    mobile, correspondent = (
        f"{sys.executable} -I -c {shlex.quote(program)}" for program in (MOBILE_NODE, CORRESPONDENT_NODE)
    )
    script = (
        f"{HOSTS}ip netns exec cn {correspondent} 2>&1 &\nsleep 1\n{mobile} {before_s} 2>&1\nwait $!\n"
        "echo o > /proc/sysrq-trigger\nsleep 10\n"
    )
    words = boot.virtual_time(kernel.metadata.version, 1)
    printed = boot.run(kernel.path, words, script, memory_mib=256)
    return set(re.findall(r"^told (.*)$", printed, re.MULTILINE))


def test_a_loopback_that_comes_up_is_announced_and_ends_the_session(newest: BuiltKernel) -> None:
    """The correspondent node probes 127.0.0.1, which is itself, and takes its own ABORT for the mobile node's."""
    assert told(newest, 0) == {"ConnectionResetError", f"over lo {HEARTBEAT} {ABORT}"}


def test_what_came_up_before_the_session_is_not_announced(newest: BuiltKernel) -> None:
    assert told(newest, 0.2) == {"all of it", "over lo"}
