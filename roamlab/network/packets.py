"""Packets taken from packet sockets many at a time: one system call for all of them instead of one each."""

import ctypes
import errno
import mmap
import os
import socket
import struct
import time
from typing import Final

from roamlab.linux.libc import libc

SO_TIMESTAMPNS: Final = 35  # the option and its control message have one number (64-bit Linux)
_AT_ONCE: Final = 64
_LARGEST: Final = 64 * 1024 + 64
_NAME, _CONTROL, _HEAD = 20, 32, 64  # bytes: sockaddr_ll; cmsghdr with a timespec; mmsghdr
_PACKET_TYPE: Final = 10  # offset of sll_pkttype
_STAMP: Final = struct.Struct("=Qiiqq")  # cmsghdr (length, level, type), then seconds and nanoseconds
_MMSGHDR: Final = struct.Struct(
    "=QI4xQQQQi4xI4x"
)  # name, its length, iov, their number, control, its length, flags; length
_IOVEC: Final = struct.Struct("=QQ")


Packet = tuple[int, int, bytes]
"""When (ns since the epoch, the kernel's stamp), its packet(7) type (for us, outgoing, ...), the frame."""


class PacketReader:
    """Buffers for :meth:`read`; one serves any number of sockets. Memory is only taken for frames as large as they come."""

    def __init__(self) -> None:
        self._frames = mmap.mmap(-1, _AT_ONCE * _LARGEST)
        self._names = mmap.mmap(-1, _AT_ONCE * _NAME)
        self._controls = mmap.mmap(-1, _AT_ONCE * _CONTROL)
        iovecs = bytearray()
        heads = bytearray()
        frames, names, controls = (_address(m) for m in (self._frames, self._names, self._controls))
        self._iovecs = (ctypes.c_char * (_AT_ONCE * _IOVEC.size))()
        for number in range(_AT_ONCE):
            iovecs += _IOVEC.pack(frames + number * _LARGEST, _LARGEST)
            iovec = ctypes.addressof(self._iovecs) + number * _IOVEC.size
            name, control = names + number * _NAME, controls + number * _CONTROL
            heads += _MMSGHDR.pack(name, _NAME, iovec, 1, control, _CONTROL, 0, 0)
        self._iovecs.raw = bytes(iovecs)
        self._fresh = bytes(heads)
        self._heads = (ctypes.c_char * len(heads))()

    def read(self, fd: int) -> list[Packet]:
        """Up to 64 packets that wait in a packet socket; an empty list when none do.

        Raises:
            OSError: what the socket has to say, once: its NIC went down or was removed.

        """
        ctypes.memmove(self._heads, self._fresh, len(self._fresh))
        found = libc.recvmmsg(fd, self._heads, _AT_ONCE, socket.MSG_DONTWAIT, None)
        if found < 0:
            code = ctypes.get_errno()
            if code == errno.EAGAIN:
                return []
            raise OSError(code, os.strerror(code))
        kinds = self._names[_PACKET_TYPE : found * _NAME : _NAME]
        packets = []
        for number, stamp in enumerate(_STAMP.iter_unpack(self._controls[: found * _CONTROL])):
            head = _MMSGHDR.unpack_from(self._heads, number * _HEAD)
            # Without a stamp the kernel leaves no control message.
            when = stamp[3] * 1_000_000_000 + stamp[4] if head[5] else time.time_ns()
            start = number * _LARGEST
            packets.append((when, kinds[number], self._frames[start : start + head[7]]))
        return packets

    @property
    def at_once(self) -> int:
        """How many packets a read takes at most; fewer mean that no more waited."""
        return _AT_ONCE


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
