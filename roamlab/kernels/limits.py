"""How much of the machine's disk a guest may fill, and whether this shell's own limits leave room for one."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from roamlab.kernels.job import KernelError
from roamlab.record.guarded import FILE_LIMIT

RUN_LIMIT: Final = 2 * FILE_LIMIT
"""Bytes that all files of a run directory may take up together."""
FILES_LIMIT: Final = 10_000
CONSOLE_LIMIT: Final = 64 << 20
"""Bytes that a run may print."""
_NEEDED_FILES: Final = 256
_WANTED_FILES: Final = 65536
_GAP: Final = (1 << 30) + (64 << 20)
_LOOK_S: Final = 1.0
_BLOCK: Final = 512


def limited(memory_mib: int, *, fixed_addresses: bool) -> tuple[str, ...]:
    """The command that starts another with a bound on each file that it writes, and with as many open files as we may have.

    A guest's memory is a file too, and without fixed addresses has a random gap of up to 1 GiB in it.
    """
    files = min(_hard(resource.RLIMIT_NOFILE), _WANTED_FILES)
    memory = (memory_mib << 20) + (0 if fixed_addresses else _GAP)
    size = min(_hard(resource.RLIMIT_FSIZE), max(FILE_LIMIT, memory))
    return ("prlimit", f"--nofile={files}:{files}", f"--fsize={size}:{size}", "--core=0:0")


def check_limits(memory_mib: int) -> None:
    """Raise KernelError where this shell's limits (ulimit) are too narrow for a guest of so much memory."""
    files, size = _hard(resource.RLIMIT_NOFILE), _hard(resource.RLIMIT_FSIZE)
    if files < _NEEDED_FILES:
        raise KernelError(
            f"only {files} files may be open at once here (ulimit -n), and a guest needs {_NEEDED_FILES}; raise the limit"
        )
    if size < memory_mib << 20:
        raise KernelError(
            f"files may have {size >> 20} MiB at most here (ulimit -f), and a guest's memory is a file of {memory_mib} MiB; "
            "raise the limit"
        )


def _hard(kind: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return 1 << 62 if hard == resource.RLIM_INFINITY else hard


@dataclass(slots=True)
class RoomWatch:
    """Looks once a second at what a run directory takes up."""

    run_dir: Path
    _next: float = field(default=0.0, init=False)

    def __call__(self) -> str:
        """Give the sentence for which to end the run; empty when all is well."""
        if time.monotonic() < self._next:
            return ""
        self._next = time.monotonic() + _LOOK_S
        files, size = room_taken(self.run_dir)
        if files > FILES_LIMIT:
            return f"the run directory has more than {FILES_LIMIT} files"
        if size > RUN_LIMIT:
            return f"the run directory takes up more than {RUN_LIMIT >> 20} MiB"
        return ""


def room_taken(directory: Path) -> tuple[int, int]:
    """How many files a directory has, those below it included, and the bytes that they take up; stops at the limit."""
    files = size = 0
    left = [os.fspath(directory)]
    while left and files <= FILES_LIMIT:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    files += 1
                    if files > FILES_LIMIT:
                        break
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
        except OSError:
            continue  # gone meanwhile, or closed to us
    return files, size
