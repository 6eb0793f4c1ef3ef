"""What a capture holds, and how it ends."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from roamlab.linux.errors import NetworkError
from roamlab.protocols import pcapng
from roamlab.protocols.pcapng import Direction
from tests.netns.conftest import reaches, udp

CN4, HOME4, VISITED4 = "203.0.113.10", "192.0.2.10", "198.51.100.10"


def fields(path, display_filter, *names):
    """A row of fields for each packet that tshark shows."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    command = [
        "tshark",
        "-r",
        str(path),
        "-Y",
        display_filter,
        "-T",
        "fields",
        "-o",
        "udp.check_checksum:TRUE",
    ]
    for name in names:
        command += ["-e", name]
    home = {**os.environ, "HOME": str(path.parent)}  # tshark crashes when it may not read its own
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=home)
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_a_packet_is_captured_on_each_nic_with_its_direction(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    report = net.stop_capture()
    rows = fields(
        tmp_path / "c.pcapng", "udp.length == 13", "frame.interface_name", "frame.packet_flags_direction"
    )
    assert [(name, int(direction, 0)) for name, direction in rows] == [
        ("mn.wlan0", Direction.OUT),
        ("r.home", Direction.IN),
        ("r.to-cn", Direction.OUT),
        ("cn.eth0", Direction.IN),
    ]
    assert report.error == ""
    assert set(report.dropped.values()) == {0}


def test_captured_checksums_are_those_of_a_wire(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    net.stop_capture()
    rows = fields(tmp_path / "c.pcapng", "udp", "udp.checksum.status")
    assert rows
    assert {status for (status,) in rows} == {"1"}


def test_no_captured_frame_exceeds_the_mtu(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    with udp(net["cn"], CN4) as there, udp(net["mn"], HOME4, 0) as here:
        here.sendto(bytes(9000), (CN4, 7))
        assert len(there.recv(10000)) == 9000
    net.stop_capture()
    rows = fields(tmp_path / "c.pcapng", "ip.src == 192.0.2.10", "frame.len")
    assert len(rows) == 4 * 7
    assert max(int(length) for (length,) in rows) == 1514


def test_nic_attached_in_service_joins_the_capture(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    nic = net.attach("mn", "wlan1", "visited")
    nic.configure(["198.51.100.10/25"], ["198.51.100.1"])
    assert reaches(net["mn"], VISITED4, net["cn"], CN4)
    report = net.stop_capture()
    rows = fields(tmp_path / "c.pcapng", 'udp and frame.interface_name == "mn.wlan1"', "udp.length")
    assert rows == [["13"], ["12"]]
    assert list(report.packets)[-1] == "mn.wlan1"


def test_capture_survives_a_nic_that_goes_down_and_one_that_is_removed(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    nic = net.attach("mn", "wlan1", "visited")
    net.detach(nic)
    home = net.nic("mn", "wlan0")
    home.down(admin=True)
    home.up(admin=True)
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    assert net.stop_capture().error == ""
    assert len(fields(tmp_path / "c.pcapng", "udp", "udp.length")) == 8


def test_frames_for_other_nodes_are_not_taken(net, tmp_path):
    """A segment that hasn't learned an address floods; a NIC's own filter drops what isn't for it."""
    stranger = net.attach("cn", "wlan9", "home")
    stranger.configure(["192.0.2.99/24"])
    net.capture_to(tmp_path / "c.pcapng")
    net["r"].setARP("192.0.2.98", "02:00:00:00:00:98")
    net["r"].cmd("ip neigh add 192.0.2.98 lladdr 02:00:00:00:00:98 dev home nud permanent")
    with udp(net["r"], "192.0.2.1", 0) as here:
        here.sendto(b"flood", ("192.0.2.98", 7))
    net.stop_capture()
    rows = fields(tmp_path / "c.pcapng", "udp.length == 13", "frame.interface_name")
    assert rows == [["r.home"]]


def test_times_follow_each_packet_along_its_path(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    with udp(net["cn"], CN4) as there, udp(net["mn"], HOME4, 0) as here:
        for number in range(200):
            here.sendto(bytes([number & 255]), (CN4, 7))
        received = [there.recv(10) for _ in range(200)]
    assert len(received) == 200
    report = net.stop_capture()
    rows = fields(tmp_path / "c.pcapng", "udp", "frame.time_epoch", "frame.interface_name", "udp.payload")
    assert len(rows) == 800
    by_packet = {}
    for _, name, payload in sorted(rows, key=lambda row: row[0]):
        by_packet.setdefault(payload, []).append(name)
    assert set(map(tuple, by_packet.values())) == {("mn.wlan0", "r.home", "r.to-cn", "cn.eth0")}
    assert sum(report.packets.values()) >= 800


def test_unwritable_capture_file_is_refused(net, tmp_path):
    with pytest.raises(FileNotFoundError):
        net.capture_to(tmp_path / "missing" / "c.pcapng")


def test_full_disk_is_reported_as_what_cut_the_capture_off(net):
    net.capture_to(Path("/dev/full"))
    reaches(net["mn"], HOME4, net["cn"], CN4)
    assert "No space left" in net.stop_capture().error


def test_one_capture_at_a_time(net, tmp_path):
    net.capture_to(tmp_path / "c.pcapng")
    with pytest.raises(NetworkError, match="already"):
        net.capture_to(tmp_path / "d.pcapng")


def test_packets_are_written_while_the_capture_goes_on(net, tmp_path):
    path = tmp_path / "c.pcapng"
    net.capture_to(path)
    assert reaches(net["mn"], HOME4, net["cn"], CN4)
    deadline = time.monotonic() + 5
    while not pcapng.read(path).packets and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pcapng.read(path).packets
