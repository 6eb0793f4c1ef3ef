"""The system calls that a guest's process may not make on this machine's kernel, as a seccomp program.

A guest of root's writes as root. So that nothing which it leaves in its run directory gives root to who runs it, no file can be
made set-user-id or set-group-id, or get capabilities, whatever code runs in the process. Everything else is up to the file
systems. The program is classic BPF over struct seccomp_data (linux/seccomp.h, linux/audit.h), for x86-64.
"""

from __future__ import annotations

import errno
import struct
from typing import Final

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X86_64: Final = 0xC000003E
_X32: Final = 0x40000000
_SET_ID: Final = 0o6000
_CREATES: Final = 0o100 | 0o20000000  # O_CREAT and O_TMPFILE

# System calls, by number, with the places of their arguments mode and, where the mode counts for new files only, flags.
_MODES: Final = {
    90: 1,  # chmod
    91: 1,  # fchmod
    268: 2,  # fchmodat
    452: 2,  # fchmodat2
    85: 1,  # creat
    133: 1,  # mknod
    259: 2,  # mknodat
}
_OPENS: Final = {2: (1, 2), 257: (2, 3)}  # open, openat
_ATTRIBUTES: Final = (188, 189, 190, 463)  # setxattr, lsetxattr, fsetxattr, setxattrat
# openat2, whose mode a filter cannot see, and io_uring, which would open files past every filter.
_HIDDEN: Final = (437, 425, 426, 427)


def program() -> bytes:
    """The filter as an array of struct sock_filter."""
    code = [_op(_LOAD, _ARCHITECTURE), _op(_EQUAL, _X86_64, 1, 0), _refuse(errno.ENOSYS)]
    code += [_op(_LOAD, _NUMBER), _op(_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    for number in _HIDDEN:
        code += [_op(_EQUAL, number, 0, 1), _refuse(errno.ENOSYS)]
    for number in _ATTRIBUTES:
        code += [_op(_EQUAL, number, 0, 1), _refuse(errno.EOPNOTSUPP)]
    for number, mode in _MODES.items():
        code += _block(number, [*_test(mode, _SET_ID), _refuse(errno.EPERM)])
    for number, (flags, mode) in _OPENS.items():
        # Skips the mode's test, of three instructions, where no file is made.
        made = [_op(_LOAD, _ARGUMENTS + 8 * flags), _op(_ANY_BIT, _CREATES, 0, 3)]
        code += _block(number, [*made, *_test(mode, _SET_ID), _refuse(errno.EPERM)])
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; ``then`` and ``otherwise`` are how many of the next a jump leaves out."""
    return struct.pack("=HBBI", code, then, otherwise, value)


def _refuse(code: int) -> bytes:
    return _op(_RETURN, _ERRNO | code)


def _test(argument: int, bits: int) -> list[bytes]:
    """Leave out the next instruction unless one of the bits is set in an argument's lower half."""
    return [_op(_LOAD, _ARGUMENTS + 8 * argument), _op(_ANY_BIT, bits, 0, 1)]


def _block(number: int, body: list[bytes]) -> list[bytes]:
    """Do body for one system call; what falls through is allowed."""
    return [_op(_EQUAL, number, 0, len(body) + 1), *body, _op(_RETURN, _ALLOW)]
