"""`python deny.py COMMAND...`: run a command without the system calls that a container without privileges is refused.

No namespaces of any kind, no mounts, no fixed addresses: as under Docker's default profile.
"""

import errno
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from roamlab.kernels.landlock import refuse_calls

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x50000
CLONE3, CLONE, PERSONALITY = 435, 56, 135
REFUSED = (272, 165, 166, 155, 308, 442)  # unshare, mount, umount2, pivot_root, setns, mount_setattr
NEW_NAMESPACES, FIXED_ADDRESSES = 0x7E020000, 0x0040000


def op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def refuse(number: int, code: int) -> list[bytes]:
    return [op(EQUAL, number, 0, 1), op(RETURN, ERRNO | code)]


def refuse_flags(number: int, flags: int) -> list[bytes]:
    """Refuse a call whose first argument has one of the flags."""
    looked = [op(LOAD, 16), op(ANY_BIT, flags, 0, 1), op(RETURN, ERRNO | errno.EPERM), op(RETURN, ALLOW)]
    return [op(EQUAL, number, 0, len(looked)), *looked]


def program() -> bytes:
    code = [op(LOAD, 0), *refuse(CLONE3, errno.ENOSYS)]
    for number in REFUSED:
        code += refuse(number, errno.EPERM)
    code += refuse_flags(CLONE, NEW_NAMESPACES) + refuse_flags(PERSONALITY, FIXED_ADDRESSES)
    return b"".join([*code, op(RETURN, ALLOW)])


if __name__ == "__main__":
    refuse_calls(program())
    os.execvp(sys.argv[1], sys.argv[1:])
