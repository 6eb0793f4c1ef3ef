"""Capture files: written as pcapng, read as pcapng or classic pcap.

Format: draft-ietf-opsawg-pcapng and draft-ietf-opsawg-pcap; the sections named below are the former's.

The writer makes each block in memory and hands it over in one `write`, so that on an unbuffered file a writer
that is killed leaves whole blocks only. What a run leaves behind depends on its packets alone: no date, no host
and no version is written.
"""

import errno
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, Protocol

from roamlab.protocols.errors import DecodeError

ETHERNET: Final = 1
RAW: Final = 101
"""IPv4 or IPv6 without a frame around it."""

_SECTION, _INTERFACE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 3, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_END, _USERAPPL, _IF_NAME, _IF_TSRESOL, _IF_TSOFFSET, _EPB_FLAGS = 0, 4, 2, 9, 14, 2
_PACKET_HEAD = struct.Struct("<IIIIIII")
_PACKET_TAIL = struct.Struct("<HHIHHI")
# Magic number of a classic capture, read little-endian: byte order and nanoseconds a tick of the fraction.
_CLASSIC: Final = {
    0xA1B2C3D4: ("<", 1000),
    0xD4C3B2A1: (">", 1000),
    0xA1B23C4D: ("<", 1),
    0x4D3CB2A1: (">", 1),
}


class Direction(IntEnum):
    """Which way a packet went, seen from the NIC (bits 0 and 1 of epb_flags, section 4.3.1)."""

    UNKNOWN = 0
    IN = 1
    OUT = 2


class ByteSink(Protocol):
    """A binary file open for writing."""

    def write(self, data: bytes, /) -> int | None:
        """Take `data`; return how many bytes were taken."""


class Writer:
    """Appends whole blocks to `file`; each call is one write of one block.

    Open the file with `buffering=0`: a buffer would be cut anywhere when the process is killed.
    """

    def __init__(self, file: ByteSink) -> None:
        self._file = file
        self._interfaces = 0
        body = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        self._write(_block(_SECTION, body + _option(_USERAPPL, b"roamlab") + _option(_END, b"")))

    def interface(self, name: str, *, linktype: int = ETHERNET) -> int:
        """Describe an interface; return its number for `packet`. Allowed at any time: NICs come in service."""
        options = _option(_IF_NAME, name.encode()) + _option(_IF_TSRESOL, b"\x09") + _option(_END, b"")
        self._write(_block(_INTERFACE, struct.pack("<HHI", linktype, 0, 0) + options))
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self,
        interface: int,
        time_ns: int,
        data: bytes,
        *,
        direction: Direction,
        original_length: int | None = None,
    ) -> None:
        """Append a packet seen on `interface` at `time_ns` since the epoch.

        `original_length` is its length on the wire, where `data` is only its beginning.
        """
        if not 0 <= interface < self._interfaces:
            raise ValueError(f"interface {interface} was not described; {self._interfaces} were")
        padding = -len(data) % 4
        length = _PACKET_HEAD.size + len(data) + padding + _PACKET_TAIL.size
        on_wire = len(data) if original_length is None else original_length
        head = _PACKET_HEAD.pack(
            _ENHANCED, length, interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), on_wire
        )
        tail = _PACKET_TAIL.pack(_EPB_FLAGS, 4, direction, _END, 0, length)
        self._write(b"".join((head, data, bytes(padding), tail)))

    def _write(self, block: bytes) -> None:
        written = self._file.write(block)
        if written is not None and written != len(block):
            raise OSError(errno.ENOSPC, f"{written} of a block's {len(block)} bytes were written")


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as its block describes it (section 4.2)."""

    name: str
    linktype: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A captured packet. `original_length` exceeds `len(data)` where the capture kept its beginning only.

    `time_ns` is since the epoch, and 0 for a simple packet block, which has no time.
    """

    time_ns: int
    interface_name: str
    linktype: int
    direction: Direction
    data: bytes
    original_length: int


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """A capture in file order; `truncated` says that the file ends inside a block, which is left out.

    `places` counts each packet's place in the file from 0, where only some were asked for.
    """

    interfaces: tuple[Interface, ...]
    packets: tuple[Packet, ...]
    truncated: bool
    places: Sequence[int] | None = None


def read(path: str | Path, only: Callable[[str], bool] | None = None) -> CaptureFile:
    """Read the capture at `path`; DecodeError where it is not one, or is damaged other than by being cut off.

    `only` is asked for each interface by name whether its packets are wanted: passing over a packet is several times faster.
    """
    return decode(Path(path).read_bytes(), only)


def decode(data: bytes, only: Callable[[str], bool] | None = None) -> CaptureFile:
    """Read a capture from its bytes; DecodeError as for `read`."""
    if len(data) < 4:
        return CaptureFile((), (), truncated=True)
    (magic,) = struct.unpack_from("<I", data)
    if magic in _CLASSIC:
        return _decode_classic(data, *_CLASSIC[magic])
    if magic != _SECTION:
        raise DecodeError(f"not a capture: the file begins with {data[:4].hex()}")
    return _Reader(data, only).read()


class _Reader:
    """Walks the blocks of a pcapng file; a section header sets the byte order and forgets the interfaces."""

    def __init__(self, data: bytes, only: Callable[[str], bool] | None) -> None:
        self._data = data
        self._only = only
        self._packets: list[Packet] = []
        self._places: list[int] = []
        self._count = 0
        self._unwanted: set[int] = set()  # of the section's interfaces
        self._all: list[Interface] = []
        self._section: list[Interface] = []
        self._clocks: list[Callable[[int], int]] = []  # of the section's interfaces, like the next
        self._snap_lengths: list[int] = []
        self._order("<")

    def _order(self, order: str) -> None:
        self._u32 = struct.Struct(order + "I")
        self._block_head = struct.Struct(order + "III")
        self._enhanced = struct.Struct(order + "IIIII")
        self._description = struct.Struct(order + "HHI")
        self._option_head = struct.Struct(order + "HH")
        self._offset = struct.Struct(order + "q")

    def read(self) -> CaptureFile:
        data, size, start = self._data, len(self._data), 0
        while start + 12 <= size:
            if data[start : start + 4] == b"\n\r\r\n":
                self._begin_section(start)
            kind, length, number = self._block_head.unpack_from(data, start)
            if length < 12 or length % 4:
                raise DecodeError(f"pcapng: block at byte {start} has length {length}")
            if start + length > size:
                break
            if self._u32.unpack_from(data, start + length - 4) != (length,):
                raise DecodeError(
                    f"pcapng: block at byte {start} ends with another length than it begins with"
                )
            body, end = start + 8, start + length - 4
            if kind == _ENHANCED and number in self._unwanted:
                self._count += 1
            elif kind == _ENHANCED:
                self._enhanced_packet(body, end)
            elif kind == _INTERFACE:
                self._interface(body, end)
            elif kind == _SIMPLE:
                self._simple_packet(body, end)
            start += length
        places = None if self._only is None else tuple(self._places)
        return CaptureFile(tuple(self._all), tuple(self._packets), start != size, places)

    def _begin_section(self, start: int) -> None:
        magic = self._data[start + 8 : start + 12]
        order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(magic)
        if order is None:
            raise DecodeError(f"pcapng: section at byte {start} has byte-order magic {magic.hex()}")
        self._order(order)
        self._section = []
        self._unwanted = set()
        self._clocks = []
        self._snap_lengths = []

    def _interface(self, start: int, end: int) -> None:
        if end - start < 8:
            raise DecodeError(f"pcapng: interface description at byte {start} is too short")
        linktype, _, snap_length = self._description.unpack_from(self._data, start)
        name, resolution, offset = f"if{len(self._section)}", 6, 0
        for code, value in self._options(start + 8, end):
            if code == _IF_NAME:
                name = value.decode(errors="replace")
            elif code == _IF_TSRESOL and value:
                resolution = value[0]
            elif code == _IF_TSOFFSET and len(value) == 8:
                (offset,) = self._offset.unpack(value)
        interface = Interface(name, linktype)
        if self._only is not None and not self._only(name):
            self._unwanted.add(len(self._section))
        self._section.append(interface)
        self._clocks.append(_clock(resolution, offset))
        self._snap_lengths.append(snap_length)
        self._all.append(interface)

    def _enhanced_packet(self, start: int, end: int) -> None:
        if end - start < 20:
            raise DecodeError(f"pcapng: enhanced packet at byte {start} is too short")
        number, high, low, captured, on_wire = self._enhanced.unpack_from(self._data, start)
        place, self._count = self._count, self._count + 1
        begin = start + 20
        options = begin + captured + -captured % 4
        if options > end:
            raise DecodeError(
                f"pcapng: enhanced packet at byte {start} has {captured} bytes in too short a block"
            )
        if number >= len(self._section):
            raise DecodeError(
                f"pcapng: packet at byte {start} is of interface {number}, which is not described"
            )
        interface = self._section[number]
        direction = Direction.UNKNOWN
        if options < end:
            for code, value in self._options(options, end):
                if code == _EPB_FLAGS and len(value) == 4:
                    direction = _DIRECTIONS[self._u32.unpack(value)[0] & 3]
        self._places.append(place)
        self._packets.append(
            Packet(
                self._clocks[number](high << 32 | low),
                interface.name,
                interface.linktype,
                direction,
                self._data[begin : begin + captured],
                on_wire,
            )
        )

    def _simple_packet(self, start: int, end: int) -> None:
        if end - start < 4 or not self._section:
            raise DecodeError(f"pcapng: simple packet at byte {start} is too short or has no interface")
        (on_wire,) = self._u32.unpack_from(self._data, start)
        place, self._count = self._count, self._count + 1
        if 0 in self._unwanted:
            return
        self._places.append(place)
        begin, interface = start + 4, self._section[0]
        captured = min(on_wire, end - begin, self._snap_lengths[0] or on_wire)
        data = self._data[begin : begin + captured]
        self._packets.append(Packet(0, interface.name, interface.linktype, Direction.UNKNOWN, data, on_wire))

    def _options(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Return (code, value) of each option (section 3.5)."""
        options = []
        while start + 4 <= end:
            code, length = self._option_head.unpack_from(self._data, start)
            if code == _END:
                break
            if start + 4 + length > end:
                raise DecodeError(f"pcapng: option at byte {start} runs past its block")
            options.append((code, self._data[start + 4 : start + 4 + length]))
            start += 4 + length + -length % 4
        return options


_DIRECTIONS = (Direction.UNKNOWN, Direction.IN, Direction.OUT, Direction.UNKNOWN)


def _clock(resolution: int, offset: int) -> Callable[[int], int]:
    """Return what turns ticks into nanoseconds: if_tsresol and if_tsoffset in seconds (section 4.2)."""
    power = resolution & 0x7F
    base = offset * 10**9
    if resolution & 0x80:
        return lambda ticks: (ticks * 10**9 >> power) + base
    if power > 9:
        return lambda ticks: ticks // 10 ** (power - 9) + base
    factor = 10 ** (9 - power)
    return lambda ticks: ticks * factor + base


def _decode_classic(data: bytes, order: str, tick_ns: int) -> CaptureFile:
    """Read a classic capture: a header of 24 bytes, then records of 16 bytes and their data."""
    if len(data) < 24:
        return CaptureFile((), (), truncated=True)
    # The field's upper bits tell of a frame check sequence, not of the link type.
    linktype = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    interface = Interface("if0", linktype)
    record, packets, start, size = struct.Struct(order + "IIII"), [], 24, len(data)
    while start + 16 <= size:
        seconds, fraction, captured, on_wire = record.unpack_from(data, start)
        begin = start + 16
        if begin + captured > size:
            break
        packets.append(
            Packet(
                seconds * 10**9 + fraction * tick_ns,
                interface.name,
                linktype,
                Direction.UNKNOWN,
                data[begin : begin + captured],
                on_wire,
            )
        )
        start = begin + captured
    return CaptureFile((interface,), tuple(packets), truncated=start != size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length
