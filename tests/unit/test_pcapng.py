"""Capture files: ours read back, ours read by tshark, others' read by us."""

import io
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamlab.protocols import pcapng
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.pcapng import Direction, Interface, Packet, Writer

TIME = 1_700_000_000_123_456_789
FRAME = bytes.fromhex("02000000000202000000000188b5") + b"roamlab"

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


class Blocks:
    """A file that remembers each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.writes.append(data)
        return len(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.writes)


def two_interfaces() -> Blocks:
    blocks = Blocks()
    writer = Writer(blocks)
    first = writer.interface("mn.wlan0")
    writer.packet(first, TIME, FRAME, direction=Direction.OUT)
    second = writer.interface("mn.eth1", linktype=101)
    writer.packet(second, TIME + 1, b"\x45", direction=Direction.IN, original_length=60)
    return blocks


def test_what_was_written_is_read_back():
    capture = pcapng.decode(two_interfaces().data)
    assert capture.interfaces == (Interface("mn.wlan0", 1), Interface("mn.eth1", 101))
    assert capture.packets == (
        Packet(TIME, "mn.wlan0", 1, Direction.OUT, FRAME, len(FRAME)),
        Packet(TIME + 1, "mn.eth1", 101, Direction.IN, b"\x45", 60),
    )
    assert not capture.truncated


def test_each_call_is_one_write_of_one_whole_block():
    for block in two_interfaces().writes:
        begins, ends = struct.unpack_from("<I", block, 4)[0], struct.unpack("<I", block[-4:])[0]
        assert begins == ends == len(block)


def test_the_bytes_depend_on_the_packets_alone():
    assert two_interfaces().data == two_interfaces().data


def test_a_packet_of_an_interface_that_was_not_described_is_refused():
    with pytest.raises(ValueError, match="interface 0 was not described"):
        Writer(Blocks()).packet(0, TIME, FRAME, direction=Direction.IN)


def test_a_short_write_is_an_error():
    class Full(Blocks):
        def write(self, data: bytes) -> int:
            return 3

    with pytest.raises(OSError, match="3 of a block's"):
        Writer(Full())


@given(st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=40), st.sampled_from(Direction))))
def test_any_packets_survive_the_file(packets):
    blocks = Blocks()
    writer = Writer(blocks)
    interface = writer.interface("cn.eth0")
    for time_ns, data, direction in packets:
        writer.packet(interface, time_ns, data, direction=direction)
    read = [(item.time_ns, item.data, item.direction) for item in pcapng.decode(blocks.data).packets]
    assert read == packets


def test_a_file_cut_anywhere_gives_the_whole_packets_before_the_cut():
    blocks = two_interfaces()
    whole, ends = pcapng.decode(blocks.data), set()
    for count in range(1, len(blocks.writes) + 1):
        ends.add(len(b"".join(blocks.writes[:count])))
    for cut in range(len(blocks.data)):
        capture = pcapng.decode(blocks.data[:cut])
        assert capture.packets == whole.packets[: len(capture.packets)]
        assert capture.truncated == (cut not in ends)


@given(st.binary(max_size=80), st.integers(0, 300))
def test_junk_in_a_file_raises_decode_error_or_nothing(junk, at):
    data = two_interfaces().data
    for candidate in (junk, data[:28] + junk, data[:at] + junk + data[at + len(junk) :]):
        try:
            pcapng.decode(candidate)
        except DecodeError:
            continue


def test_a_file_that_is_not_a_capture_is_named_so():
    with pytest.raises(DecodeError, match="not a capture"):
        pcapng.decode(b"GIF89a....")


def test_a_damaged_block_in_the_middle_is_an_error():
    data = bytearray(two_interfaces().data)
    data[-1] ^= 1
    with pytest.raises(DecodeError, match="ends with another length"):
        pcapng.decode(bytes(data))


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def described(order: str, options: bytes = b"", snap_length: int = 0) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", 1, 0, snap_length) + options)


def enhanced(order: str, ticks: int, data: bytes) -> bytes:
    head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(order, 6, head + data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order_is_read_with_microseconds_by_default(order):
    data = section(order) + described(order) + enhanced(order, TIME // 1000, FRAME)
    (packet,) = pcapng.decode(data).packets
    assert packet == Packet(TIME // 1000 * 1000, "if0", 1, Direction.UNKNOWN, FRAME, len(FRAME))


@pytest.mark.parametrize(
    ("resolution", "ticks", "expected"),
    [(0, 5, 5 * 10**9), (3, 5, 5 * 10**6), (12, 5_999, 5), (0x80 | 10, 512, 5 * 10**8)],
)
def test_time_resolutions_are_powers_of_ten_or_two(resolution, ticks, expected):
    option = struct.pack("<HHB3x", 9, 1, resolution)
    data = section("<") + described("<", option) + enhanced("<", ticks, FRAME)
    assert pcapng.decode(data).packets[0].time_ns == expected


def test_the_time_offset_is_in_seconds():
    option = struct.pack("<HHq", 14, 8, -3)
    data = section("<") + described("<", option) + enhanced("<", 5_000_000, FRAME)
    assert pcapng.decode(data).packets[0].time_ns == 2 * 10**9


def test_a_second_section_brings_its_own_interfaces_and_byte_order():
    parts = [section(order) + described(order) + enhanced(order, 7, FRAME) for order in "<>"]
    capture = pcapng.decode(b"".join(parts))
    assert [packet.data for packet in capture.packets] == [FRAME, FRAME]
    assert len(capture.interfaces) == 2


def test_unknown_blocks_are_skipped():
    data = section("<") + block("<", 0x0BAD, b"custom") + described("<") + enhanced("<", 7, FRAME)
    assert len(pcapng.decode(data).packets) == 1


def test_a_simple_packet_has_no_time_and_is_cut_at_the_snap_length():
    data = section("<") + described("<", snap_length=5) + block("<", 3, struct.pack("<I", 21) + FRAME[:5])
    (packet,) = pcapng.decode(data).packets
    assert packet == Packet(0, "if0", 1, Direction.UNKNOWN, FRAME[:5], 21)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "tick_ns"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_classic_captures_are_read(order, magic, tick_ns):
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 101)
    data += struct.pack(order + "IIII", 17, 42, len(FRAME), 99) + FRAME
    capture = pcapng.decode(data)
    assert capture.packets == (Packet(17 * 10**9 + 42 * tick_ns, "if0", 101, Direction.UNKNOWN, FRAME, 99),)
    assert pcapng.decode(data[:-1]).truncated


def test_a_hundred_thousand_packets_are_read_in_about_a_second():
    blocks = Blocks()
    writer = Writer(blocks)
    writer.interface("mn.wlan0")
    writer.packet(0, TIME, bytes(1000), direction=Direction.OUT)
    data = b"".join(blocks.writes[:2]) + blocks.writes[2] * 100_000
    begin = time.process_time()
    assert len(pcapng.decode(data).packets) == 100_000
    assert time.process_time() - begin < 3  # about 0.5 s; room for a slow machine


def test_a_real_file_is_written_unbuffered_and_read_by_path(tmp_path: Path):
    with (tmp_path / "capture.pcapng").open("wb", buffering=0) as file:
        Writer(file).interface("ha.eth0")
    assert pcapng.read(tmp_path / "capture.pcapng").interfaces == (Interface("ha.eth0", 1),)


def test_a_buffered_file_object_does_too():
    file = io.BytesIO()
    Writer(file).interface("ha.eth0")
    assert pcapng.decode(file.getvalue()).interfaces[0].name == "ha.eth0"


@needs_tshark
def test_tshark_reads_names_times_directions_and_lengths(tmp_path: Path):
    path = tmp_path / "capture.pcapng"
    path.write_bytes(two_interfaces().data)
    fields = (
        "frame.interface_name",
        "frame.time_epoch",
        "frame.packet_flags_direction",
        "frame.cap_len",
        "frame.len",
    )
    output = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *(word for name in fields for word in ("-e", name))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    out, inbound = (f"0x{direction:08x}" for direction in (Direction.OUT, Direction.IN))
    assert [line.split("\t") for line in output.splitlines()] == [
        ["mn.wlan0", "1700000000.123456789", out, "21", "21"],
        ["mn.eth1", "1700000000.123456790", inbound, "1", "60"],
    ]
