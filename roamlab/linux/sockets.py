"""Socket options that Python has no name for."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33

Instruction = tuple[int, int, int, int]
"""One instruction of classic BPF (linux/filter.h): code, jump if true, jump if false, constant."""


def force_send_buffer(sock: socket.socket, size: int) -> None:
    """Give a socket room to send, beyond net.core.wmem_max. PermissionError without CAP_NET_ADMIN."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, size)


def force_receive_buffer(sock: socket.socket, size: int) -> None:
    """Give a socket room to receive, beyond net.core.rmem_max. PermissionError without CAP_NET_ADMIN."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)


def attach_filter(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Have the kernel keep from a socket what a program of classic BPF refuses."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    where = struct.pack("HL", len(program), ctypes.addressof(buffer))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)
