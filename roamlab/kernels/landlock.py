"""Landlock (landlock(7), Linux 5.13 on): a process gives up rights of its own, for good and for all that it starts.

What it can do without namespaces or privileges is to keep a guest from writing outside its directories; with newer kernels also
from TCP, and from signals and abstract sockets of other processes. It cannot hide files. Run by an interpreter without packages
of others, so these are the three system calls themselves.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2

_WRITE_FILE, _MAKE_CHAR, _MAKE_BLOCK, _REFER, _TRUNCATE, _IOCTL_DEV = (
    1 << 1,
    1 << 6,
    1 << 11,
    1 << 13,
    1 << 14,
    1 << 15,
)
_WRITES: Final = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make of every kind
_NEWER: Final = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
_TCP, _TCP_FROM = 3, 4
_SCOPES, _SCOPES_FROM = 3, 6  # abstract sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of Landlock's interface that this machine's kernel has; 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE, None, 0, _VERSION)))


def restrict_writes(directories: Iterable[str], files: Iterable[str]) -> None:
    """Give up every right to write but below the directories and in the files. Raises OSError."""
    known = version()
    handled = _WRITES | sum(right for since, right in _NEWER if known >= since)
    attributes = struct.pack(
        "=QQQ", handled, _TCP if known >= _TCP_FROM else 0, _SCOPES if known >= _SCOPES_FROM else 0
    )
    # An older kernel knows a shorter structure.
    size = 8 if known < _TCP_FROM else 16 if known < _SCOPES_FROM else 24
    ruleset = _check(_libc.syscall(_CREATE, attributes, size, 0), "landlock")
    inside = handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
    for paths, rights in ((directories, inside), (files, handled & (_WRITE_FILE | _TRUNCATE))):
        for path in paths:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", rights, place)
            _check(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"landlock {path}")
            os.close(place)
    no_new_privileges()
    _check(_libc.syscall(_RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def refuse_calls(program: bytes) -> None:
    """Put this process under a seccomp program (an array of struct sock_filter). Raises OSError."""
    no_new_privileges()
    held = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    _check(_libc.prctl(_SET_SECCOMP, _FILTER, described, 0, 0), "seccomp")


def no_new_privileges() -> None:
    """Have no program that is started from here on give rights: what both of the others need."""
    _check(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
