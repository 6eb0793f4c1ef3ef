"""Ends a guest that burns the CPU while its virtual clock stands still, and names what spins.

In virtual time the processor is infinitely fast: a program that waits for the clock in a loop, instead of
sleeping, waits for ever. From outside that shows as CPU time used with no word from inside, whose first
process gives one each virtual second.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from kernels.console import Progress

SPIN_CPU_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_MAGIC, _PROTOCOL, _DATA = 0xCAFEBABE, 2, 512  # arch/um/drivers/mconsole.h
_ASK_S = 2.0


@dataclass(slots=True)
class SpinWatch:
    """Called while a run goes on; see kernels.supervise.Watch. mconsole is the guest's control socket as it sees it."""

    mconsole: str
    limit_s: float = SPIN_CPU_S
    _said: int = field(default=-1, init=False)
    _cpu_s: float = field(default=0.0, init=False)

    def __call__(self, pid: int, progress: Progress) -> str:
        """Give the sentence for which to end the run; empty when all is well."""
        guest = guest_process(pid)
        used = cpu_seconds(guest)
        if progress.heard != self._said:
            self._said, self._cpu_s = progress.heard, used
        if used - self._cpu_s < self.limit_s:
            return ""
        who = current_process(guest, self.mconsole) or "a process that could not be named"
        return (
            f"hang at step {progress.step}: {who} spins, "
            f"{self.limit_s:g} s of CPU without virtual time going on"
        )


def guest_process(pid: int) -> int:
    """The UML process below pid: the deepest first child (the sandbox's processes each have one)."""
    while children := _children(pid):
        if (Path(f"/proc/{pid}/comm").read_text().strip()) not in ("bwrap", "setarch"):
            break
        pid = children[0]
    return pid


def cpu_seconds(pid: int) -> float:
    """CPU seconds that pid and its children, the guest's processes, have used (0 when gone)."""
    total = 0.0
    for process in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15])) / _TICKS
    return total


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def current_process(guest: int, mconsole: str) -> str:
    """Ask a guest for its running process, as `NAME (process N)`; empty when it doesn't say.

    Magic SysRq p prints the registers with `Pid: N, comm: NAME`.
    """
    request = struct.pack("=III", _MAGIC, _PROTOCOL, 7) + b"sysrq p".ljust(_DATA, b"\0")
    with (
        # An abstract name of ours would not be seen from the guest's network namespace.
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker,
    ):
        asker.bind(f"{directory}/reply")
        asker.settimeout(_ASK_S)
        try:
            asker.sendto(request, f"/proc/{guest}/root{mconsole}")
            answer = asker.recv(4096)
        except OSError:
            return ""
    found = re.search(rb"(?:Pid|PID): (\d+),? [Cc]omm: (\S+)", answer)
    return f"{found[2].decode()} (process {found[1].decode()})" if found else ""
