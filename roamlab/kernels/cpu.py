"""One guest, one CPU: hands processors out so that guests running at once go to different ones."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

_ROUNDS = 64
_TCG = "QEMU TCG CPU"


@lru_cache
def emulated(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether QEMU emulates this machine's processor (TCG).

    There a guest in seccomp mode has wrong registers after some signals: its Python imports what it did not ask for, or spins.
    By ptrace it runs as anywhere (docs/vm.md).
    """
    try:
        return _TCG in cpuinfo.read_text(errors="replace")
    except OSError:
        return False


@contextmanager
def own_cpu() -> Iterator[int]:
    """Take the CPU with the fewest guests on it, as its number, until the block ends.

    The claim is an abstract Unix socket: it needs no file, every process of the machine sees it, and the
    kernel drops it when its owner dies, however it dies.
    """
    cpus = sorted(os.sched_getaffinity(0))
    # Neither slot free in any round: share the first CPU, it is only a matter of speed.
    for place in range(_ROUNDS):
        for cpu in cpus:
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0roamlab-cpu-{cpu}-{place}")
            except OSError:
                claim.close()
                continue
            with claim:
                yield cpu
                return
    yield cpus[0]


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Let processes started in the block inherit one CPU (None: all of ours).

    Only the calling thread is pinned meanwhile; this needs no code between fork and exec.
    """
    before = os.sched_getaffinity(0)
    if cpu is None:
        yield
        return
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
