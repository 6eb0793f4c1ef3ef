"""The lab kernel in the cache: what is built into it, what virtual time costs, and that everything follows from the seed.

The guests here are booted as bare as the build's own check does, on this machine's files and with a shell as init; how a
guest is confined and supervised is kernels' business and tested there.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from roamlab.kernels.build import BuiltKernel, boot, cached
from roamlab.kernels.build.recipes import asked, missing

KERNEL = cached()
pytestmark = pytest.mark.skipif(
    KERNEL is None, reason="no lab kernel in the cache: build one with ./lab kernel"
)

HERE = Path(__file__).resolve().parent
POWER_OFF = "\necho o > /proc/sysrq-trigger\nsleep 10\n"
PREPARE = "#!/bin/sh\nmount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t tmpfs tmp /tmp\nip link set lo up\n"
# Makes an SCTP association with AUTH and ASCONF, and a TCP connection, inside one host; prints from the wire what the
# kernel chose at random.
ENDPOINTS = r"""
import os, socket, sctp, time
for name in ("auth_enable", "addip_enable"):
    with open("/proc/sys/net/sctp/" + name, "w") as file:
        file.write("1")
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
wire.bind(("lo", 0))
server = sctp.sctpsocket_tcp(socket.AF_INET)
server.bind(("192.0.2.1", 5000))
server.listen(1)
client = sctp.sctpsocket_tcp(socket.AF_INET)
client.bind(("192.0.2.2", 0))
client.connect(("192.0.2.1", 5000))
peer, _ = server.accept()
peer.sctp_send(b"over sctp")
print("delivered", client.recv(100))
client.bindx([("192.0.2.3", client.getsockname()[1])])
listening = socket.create_server(("192.0.2.1", 5001))
connected = socket.create_connection(("192.0.2.1", 5001))
time.sleep(1)
print("peer has", sorted(address for address, _ in peer.getpaddrs()))
wire.setblocking(False)
seen = set()
while True:
    try:
        packet = wire.recv(65535)
    except BlockingIOError:
        break
    body = packet[4 * (packet[0] & 15):]
    port = int.from_bytes(body[:2], "big")
    if packet[9] == 132 and body[12] == 1:
        seen.add(f"sctp port {port} tag {body[16:20].hex()} tsn {body[28:32].hex()}")
    elif packet[9] == 132 and body[12] == 15:
        after = 12 + int.from_bytes(body[14:16], "big")
        seen.add(f"authenticated {body[after]:#x}")
    elif packet[9] == 6 and body[13] & 0x12 == 2:
        seen.add(f"tcp port {port} isn {body[4:8].hex()}")
print("\n".join(sorted(seen)))
print("python", os.urandom(8).hex())
"""
# A mobile node, in the guest's first namespace, loses its only address and gets another one; the kernel's own auto-ASCONF
# then asks for ADD and DELETE in one chunk, found through the deleted address.
ROAM = r"""
import socket, subprocess, sys, time, sctp
def mobile_node():
    for name in ("auth_enable", "addip_enable", "default_auto_asconf"):
        with open("/proc/sys/net/sctp/" + name, "w") as file:
            file.write("1")
    session = sctp.sctpsocket_tcp(socket.AF_INET)
    session.connect(("192.0.2.1", 5000))
    session.sctp_send(b"before")
    time.sleep(1)
    for change in ("del 192.0.2.2/24", "add 192.0.2.3/24"):
        subprocess.run(["ip", "address", *change.split(), "dev", "mn"], check=True)
    time.sleep(2)
    session.sctp_send(b"after")
    time.sleep(10)
def correspondent_node():
    for name in ("auth_enable", "addip_enable"):
        with open("/proc/sys/net/sctp/" + name, "w") as file:
            file.write("1")
    server = sctp.sctpsocket_tcp(socket.AF_INET)
    server.bind(("192.0.2.1", 5000))
    server.listen(1)
    session, _ = server.accept()
    received = []
    session.setblocking(False)
    for second in range(8):
        time.sleep(1)
        try:
            received.append(session.recv(100).decode())
        except BlockingIOError:
            pass
    print("received", *received, flush=True)
    print("peer has", *sorted(address for address, _ in session.getpaddrs()), flush=True)
globals()[sys.argv[1]]()
"""
ROAM_HOSTS = """
mount -t tmpfs run /run
ip netns add cn
ip link add mn type veth peer name cn netns cn
ip address add 192.0.2.2/24 dev mn && ip link set mn up
ip -n cn address add 192.0.2.1/24 dev cn && ip -n cn link set cn up
"""
ADDRESSES = "for host in 1 2 3; do ip address add 192.0.2.$host/32 dev lo; done\n"
TOLD = r"(delivered|peer|sctp|authenticated|tcp|python|\w+Error) "
CHOSEN = re.compile(r"\b(port|tag|tsn|isn|python) (\w+)")
RANDOM = "echo random=$(od -An -N16 -tx1 /dev/urandom)"
NEEDS_NFT = pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft: install nftables")


@pytest.fixture(scope="module")
def kernel() -> BuiltKernel:
    assert KERNEL is not None
    return KERNEL


def ask(kernel: BuiltKernel, script: str, seed: int = 1) -> str:
    """Run a shell script inside, in virtual time; gives what it printed."""
    words = boot.virtual_time(kernel.metadata.version, seed)
    return boot.run(kernel.path, words, PREPARE + script + POWER_OFF, memory_mib=256)


def talk(kernel: BuiltKernel, seed: int) -> str:
    """Run two endpoints inside; gives what they printed, without the kernel's own lines."""
    printed = ask(kernel, f"{ADDRESSES}{sys.executable} -I -c {shlex.quote(ENDPOINTS)} 2>&1", seed)
    return "\n".join(line for line in printed.splitlines() if re.match(TOLD, line))


@cache
def first_talk() -> str:
    assert KERNEL is not None
    return talk(KERNEL, 1)


def test_all_that_was_asked_for_is_built_in(kernel: BuiltKernel) -> None:
    shown = subprocess.run([kernel.path, "--showconfig"], capture_output=True, text=True, check=True).stdout
    config = (Path(boot.__file__).parent / "lab.config").read_text()
    assert missing(config, asked(shown)) == []
    assert asked(shown)["CONFIG_HZ"] == "1000"


def test_an_hour_of_sleep_inside_passes_well_within_a_test_s_ten_minutes(kernel: BuiltKernel) -> None:
    printed = ask(kernel, "date +%s\nsleep 3600\ndate +%s")
    before, after = (int(line) for line in printed.splitlines() if line.isdecimal())
    assert after - before == 3600
    assert before == boot.START_NS // 1_000_000_000


def test_sctp_with_auth_and_asconf_works_between_python_programs() -> None:
    told = first_talk().splitlines()
    assert "delivered b'over sctp'" in told
    assert "authenticated 0xc1" in told
    assert "peer has ['192.0.2.2', '192.0.2.3']" in told


def test_the_same_seed_gives_the_same_tags_ports_and_sequence_numbers(kernel: BuiltKernel) -> None:
    assert CHOSEN.search(first_talk())
    assert talk(kernel, 1) == first_talk()


def test_another_seed_gives_other_tags_ports_and_sequence_numbers(kernel: BuiltKernel) -> None:
    one, other = CHOSEN.findall(first_talk()), CHOSEN.findall(talk(kernel, 2))
    assert sorted(name for name, _ in one) == ["isn", "port", "port", "python", "tag", "tsn"]
    assert [name for name, _ in one] == [name for name, _ in other]
    assert all(mine != others for mine, others in zip(one, other, strict=True))


def test_what_else_stands_on_the_command_line_changes_nothing_random(kernel: BuiltKernel) -> None:
    version = kernel.metadata.version
    script = PREPARE + RANDOM + POWER_OFF
    told = [
        boot.run(kernel.path, [*boot.virtual_time(version, 1), *more], script)
        for more in ([], ["roamlab.note=x"])
    ]
    lines = [[line for line in printed.splitlines() if line.startswith("random=")] for printed in told]
    assert len(lines[0]) == 1
    assert lines[0] == lines[1]


def test_without_a_seed_the_host_gives_the_randomness(kernel: BuiltKernel) -> None:
    script = PREPARE + RANDOM + POWER_OFF
    told = {boot.run(kernel.path, ["seccomp=on", "random.trust_bootloader=on"], script) for _ in range(2)}
    lines = {line for printed in told for line in printed.splitlines() if line.startswith("random=")}
    assert len(lines) == 2


def test_in_real_time_a_second_takes_a_second_and_nothing_printed_is_lost(kernel: BuiltKernel) -> None:
    began = time.monotonic()
    printed = boot.run(kernel.path, ["seccomp=on"], PREPARE + "echo first\nsleep 1\necho last" + POWER_OFF)
    assert time.monotonic() - began > 1.0
    assert [line for line in printed.splitlines() if line in ("first", "last")] == ["first", "last"]


def test_the_generator_stays_the_same_after_an_hour_of_interrupts_and_reseeding(kernel: BuiltKernel) -> None:
    script = "for i in 1 2 3 4 5 6; do sleep 600; od -An -N16 -tx1 /dev/urandom; done"
    told = [re.findall(r"^(?: [0-9a-f]{2}){16}$", ask(kernel, script), re.MULTILINE) for _ in range(2)]
    assert len(set(told[0])) == 6
    assert told[0] == told[1]


def test_a_seed_that_is_no_number_stops_the_boot(kernel: BuiltKernel) -> None:
    printed = boot.run(kernel.path, ["roamlab.seed=lucky"], PREPARE + POWER_OFF)
    assert "roamlab.seed=lucky: not a decimal number" in printed


@pytest.mark.parametrize(
    "nic",
    [
        "veth peer name y",
        "dummy",
        "ifb",
        "bridge",
        "vrf table 10",
        "ipip local 192.0.2.1 remote 192.0.2.2",
        "gre local 192.0.2.1 remote 192.0.2.2",
        "sit local 192.0.2.1 remote 192.0.2.2",
        "ip6tnl local 2001:db8::1 remote 2001:db8::2",
        "ip6gre local 2001:db8::1 remote 2001:db8::2",
        "wireguard",
    ],
    ids=lambda nic: nic.split()[0],
)
def test_a_nic_of_each_kind_can_be_made(kernel: BuiltKernel, nic: str) -> None:
    assert "made it" in ask(kernel, f"ip link add x type {nic} && ip link set x up && echo made it")


@pytest.mark.parametrize(
    "queue",
    [
        "netem delay 20ms 5ms loss 1%",
        "htb default 1",
        "hfsc default 1",
        "tbf rate 1mbit burst 10k latency 50ms",
        "fq_codel",
        "fq",
        "codel",
        "sfq",
        "red limit 100000 avpkt 1000",
        "prio",
    ],
    ids=lambda queue: queue.split()[0],
)
def test_a_nic_takes_each_queue(kernel: BuiltKernel, queue: str) -> None:
    script = f"ip link add x type dummy && tc qdisc add dev x root {queue} && echo taken"
    assert "taken" in ask(kernel, script)


@pytest.mark.parametrize(
    "rule",
    [
        "matchall action mirred egress redirect dev lo",
        "flower ip_proto sctp action drop",
        "u32 match ip protocol 132 0xff action pass",
        "bpf bytecode '1,6 0 0 4294967295,' action pass",
        "matchall action nat egress 192.0.2.1/32 198.51.100.1",
        "matchall action police rate 1mbit burst 10k",
    ],
    ids=lambda rule: rule.split()[0],
)
def test_a_nic_takes_each_filter(kernel: BuiltKernel, rule: str) -> None:
    script = "ip link add x type dummy && tc qdisc add dev x clsact\n"
    assert "taken" in ask(kernel, f"{script}tc filter add dev x egress protocol ip {rule} && echo taken")


@NEEDS_NFT
@pytest.mark.parametrize(
    "rules",
    [
        "table ip n { chain c { type nat hook postrouting priority 100; oifname lo masquerade; }; }",
        "table ip n { chain c { type nat hook prerouting priority -100; ip protocol sctp dnat to 192.0.2.1; }; }",
        "table netdev n { chain c { type filter hook egress device lo priority 0; ip saddr set 192.0.2.1; }; }",
        "table netdev n { chain c { type filter hook ingress device lo priority 0; fwd to lo; }; }",
        "table inet n { chain c { type filter hook input priority 0; sctp dport 5000 queue num 1; }; }",
        "table inet n { chain c { type filter hook input priority 0; ct state established accept; limit rate 1/second; }; }",
    ],
    ids=["masquerade", "dnat", "egress-rewriting", "ingress-forwarding", "queue", "connection-tracking"],
)
def test_nftables_takes_what_the_lab_rewrites_with(kernel: BuiltKernel, rules: str) -> None:
    assert "taken" in ask(kernel, f"nft {shlex.quote(rules)} && echo taken")


def roam(kernel: BuiltKernel) -> list[str]:
    """Let a mobile node lose its only address; gives what the correspondent node received and has of it."""
    program = f"{sys.executable} -I -c {shlex.quote(ROAM)}"
    nodes = (
        f"ip netns exec cn {program} correspondent_node 2>&1 &\nsleep 1\n{program} mobile_node 2>&1\nwait $!"
    )
    printed = ask(kernel, ROAM_HOSTS + nodes)
    return [line for line in printed.splitlines() if re.match(r"(received|peer|\w+Error) ", line)]


def test_the_kernel_as_it_is_refuses_to_delete_the_lookup_address(kernel: BuiltKernel) -> None:
    """The regression of FIG. 9: once it is gone from Debian's kernel, this test says so and the variant can go too."""
    assert roam(kernel)[-1] == "peer has 192.0.2.2 192.0.2.3"


def test_the_variant_deletes_the_lookup_address_and_data_goes_on() -> None:
    variant = cached("asconf-lookup-delete")
    if variant is None:
        pytest.skip("no variant in the cache: build it with ./lab kernel --variant asconf-lookup-delete")
    assert roam(variant) == ["received before after", "peer has 192.0.2.3"]
