"""Lab kernels of older series, where they are in the cache: they boot, keep virtual time and play what the newest plays.

Building one takes minutes, so that nothing here builds any.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import roamlab
from roamlab.kernels.build import BuiltKernel, boot, cached
from roamlab.protocols import trace
from roamlab.protocols.sctp.chunks import AsconfAck
from roamlab.protocols.sctp.parameters import ErrorCauseIndication
from roamlab.record.identity import hashes
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory

Play = Callable[..., Result]

pytestmark = pytest.mark.timeout(300)
OLDER = ("6.1", "6.12")
# The figures, the attacks that old code might answer otherwise, and the scenario that found a read that waits for ever.
SURVIVED = (
    *(
        "control",
        "cookie-ack-lost",
        "fig01",
        "fig05",
        "fig07",
        "fig08",
        "fig09",
        "fig09-kernel",
        "fig10",
        "mip-move",
    ),
)
BROKE = ("fig06", "fig09-fixed", "fig09-unmanaged")
ATTACKS = (
    "attack-asconf",
    "attack-bombing-last",
    "attack-bombing-sacks",
    "attack-camping",
    "attack-cookie-later",
    "attack-stealing",
)
REFUSED = 0x00A4  # Request Refused - No Authorization
DELETE = 1  # the correlation id of the ASCONF's second request

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


def in_the_cache(series: str) -> BuiltKernel:
    kernel = cached(version=series)
    if kernel is None:
        pytest.skip(
            f"no lab kernel {series} in the cache: build it with ./lab kernel --version {series or '7'}"
        )
    return kernel


@pytest.fixture(scope="module", params=OLDER)
def kernel(request: pytest.FixtureRequest) -> BuiltKernel:
    return in_the_cache(request.param)


@pytest.fixture(scope="module")
def play(kernel: BuiltKernel, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play a scenario in an older kernel."""
    runs = tmp_path_factory.mktemp("older")

    def once(name: str, **settings: str) -> Result:
        return roamlab.run(name, kernel=kernel.name, runs=runs, **settings)

    return once


def test_it_passes_the_check_of_its_build(kernel: BuiltKernel) -> None:
    boot.check(kernel.path, kernel.metadata.version)


@pytest.mark.parametrize("scenario", [*SURVIVED, *BROKE])
def test_a_figure_comes_to_its_verdict(scenario: str, play: Play) -> None:
    judgement = play(scenario).judgement
    assert judgement.verdict == ("broke" if scenario in BROKE else "survived"), judgement.reasons


def test_the_delete_of_the_lookup_address_is_refused_and_the_session_survives(
    kernel: BuiltKernel, play: Play
) -> None:
    result = play("fig09-kernel")
    run = RunDirectory(Path(result.run_dir))
    described = run.read("manifest.json")["kernel"]
    assert (described["version"], described["mode"]) == (f"{kernel.metadata.version}-roamlab", "ptrace")
    assert described["virtual_time"]
    answers = {
        (parameter.correlation_id, cause.type)
        for packet in trace.load(run.path / "capture.pcapng").sctp
        if packet.node == "cn"
        for chunk in packet.chunks
        if isinstance(chunk, AsconfAck)
        for parameter in chunk.parameters
        if isinstance(parameter, ErrorCauseIndication)
        for cause in parameter.causes
    }
    assert answers == {(DELETE, REFUSED)}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attacker_gets_what_is_known_of_the_kernel_and_no_more(attack: str, play: Play) -> None:
    judgement = play(attack).judgement
    assert judgement.verdict == judgement.expected, judgement.reasons
    assert not [reason for reason in judgement.reasons if " expected)" in reason]


def test_one_seed_gives_the_same_bits(play: Play) -> None:
    first, again = (hashes(Path(play("fig07").run_dir)) for _ in range(2))
    assert first == again


def test_a_co_located_care_of_address_is_registered_and_used(play: Play) -> None:
    judgement = play("mip-move", care_of="co-located").judgement
    assert judgement.verdict == "survived", judgement.reasons


# -- an address that the kernel should not announce (docs/findings.md, 15)


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


@pytest.mark.parametrize("series", [*OLDER, ""], ids=[*OLDER, "newest"])
def test_a_loopback_that_comes_up_is_announced_and_ends_the_session(series: str) -> None:
    """The correspondent node probes 127.0.0.1, which is itself, and takes its own ABORT for the mobile node's."""
    assert told(in_the_cache(series), 0) == {"ConnectionResetError", f"over lo {HEARTBEAT} {ABORT}"}


def test_before_6_13_a_loopback_that_came_up_less_than_half_a_second_ago_is_announced_too(
    kernel: BuiltKernel,
) -> None:
    assert told(kernel, 0.2) == {"ConnectionResetError", f"over lo {HEARTBEAT} {ABORT}"}
    assert told(kernel, 0.6) == {"all of it", "over lo"}


def test_from_6_13_on_what_came_up_before_the_session_is_not_announced() -> None:
    newest = in_the_cache("7")
    assert told(newest, 0.2) == {"all of it", "over lo"}
