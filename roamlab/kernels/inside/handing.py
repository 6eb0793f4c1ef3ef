"""How a machine without a disk is given its job and hands its results out: what both sides of that know.

The results lie in a piece of the machine's memory that is none of Linux's, numbers little-endian:

    magic
    per file: length of its name (2 octets), name, size (8 octets)
    0 (2 octets)
    the files, one after the other

roamlab/kernels/machine/results.py reads them.
"""

from __future__ import annotations

import mmap
import os
import stat

JOB = "/run/job"
MAGIC = b"roamlab results 1\0"


def listing(files: list[tuple[bytes, int]]) -> bytes:
    """Give what stands before the files: the name and the size of each."""
    listed = (len(name).to_bytes(2, "little") + name + size.to_bytes(8, "little") for name, size in files)
    return MAGIC + b"".join(listed) + bytes(2)


def hand_out(top: str, at: int, room: int) -> None:
    """Copy the regular files below a directory to a place in memory that is none of Linux's, where the outside finds them.

    Raises OSError when they need more room than there is.
    """
    files: list[tuple[str, str, int]] = []
    for directory, _, names in os.walk(top):
        for name in sorted(names):
            path = f"{directory}/{name}"
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                files.append((path, os.path.relpath(path, top), status.st_size))
    head = listing([(os.fsencode(name), size) for _, name, size in files])
    if len(head) + sum(size for _, _, size in files) > room:
        raise OSError(f"the results are larger than {room >> 20} MiB")
    memory = os.open("/dev/mem", os.O_RDWR)
    with mmap.mmap(memory, room, offset=at) as window:
        begin = len(head)
        for path, _, size in files:
            with open(path, "rb") as file:  # noqa: PTH123
                window[begin : begin + size] = file.read(size).ljust(size, b"\0")
            begin += size
        window[: len(head)] = head
