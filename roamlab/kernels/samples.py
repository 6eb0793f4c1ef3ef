"""Looks at a running process's registers from outside, without changing anything that it could notice (ptrace(2)).

A process that computes has other registers each time one looks. One that only waits for something that never comes goes through
the same few instructions with the same values, for ever.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time
from contextlib import suppress
from typing import Final

_SEIZE, _INTERRUPT, _GETREGS, _CONT, _DETACH = 0x4206, 0x4207, 12, 7, 17
_ALL: Final = 0x40000000  # __WALL: whatever kind of child it is
_REGISTERS: Final = 27  # of struct user_regs_struct
_RIP, _FLAGS = 16, 18
_APART_S: Final = 0.003


def registers(pid: int, times: int) -> list[tuple[int, ...]] | None:
    """The registers of a process at some moments; None where we may not look, or it is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(_SEIZE, pid, None, None) < 0:
        return None
    found: list[tuple[int, ...]] = []
    buffer = ctypes.create_string_buffer(8 * _REGISTERS)
    try:
        for _ in range(times):
            time.sleep(_APART_S)
            if libc.ptrace(_INTERRUPT, pid, None, None) < 0 or not _stopped(pid):
                return None
            if libc.ptrace(_GETREGS, pid, None, ctypes.addressof(buffer)) == 0:
                words = list(struct.unpack(f"{_REGISTERS}Q", buffer.raw))
                words[_FLAGS] = 0
                found.append(tuple(words))
            libc.ptrace(_CONT, pid, None, None)
    finally:
        if libc.ptrace(_INTERRUPT, pid, None, None) == 0 and _stopped(pid):
            libc.ptrace(_DETACH, pid, None, None)
    return found


def place(sample: tuple[int, ...]) -> int:
    """The address of the instruction that a process was at."""
    return sample[_RIP]


def _stopped(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.WIFSTOPPED(os.waitpid(pid, _ALL)[1])
    return False
