"""Ends a guest that burns the CPU while its virtual clock stands still, and names what spins.

In virtual time the processor is infinitely fast: a program that waits for the clock in a loop, instead of
sleeping, waits for ever. From outside that shows as CPU time used with no word from inside, whose first
process gives one each virtual second.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

from roamlab.kernels.console import Progress

SPIN_CPU_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_MAGIC, _PROTOCOL, _DATA = 0xCAFEBABE, 2, 512  # arch/um/drivers/mconsole.h
_ANSWER_S = 2.0
_REGISTERS = re.compile(r"\bPID: (\d+),? comm: (\S+)", re.IGNORECASE)


@dataclass(slots=True)
class SpinWatch:
    """Called while a run goes on (see roamlab.kernels.supervise.Watch).

    mconsole  the guest's management socket, as a path in its own file system
    limit_s   seconds of CPU time without a word from inside that are too many
    """

    mconsole: str
    limit_s: float = SPIN_CPU_S
    _heard: int = field(default=-1, init=False)
    _cpu_s: float = field(default=0.0, init=False)
    _asked: float = field(default=0.0, init=False)

    def __call__(self, pid: int, progress: Progress) -> str:
        """Give the sentence for which to end the run; empty when all is well."""
        guest = guest_process(pid)
        if self._asked:
            return self._answer(progress)
        used = cpu_seconds(guest)
        if progress.heard != self._heard:
            self._heard, self._cpu_s = progress.heard, used
        if used - self._cpu_s >= self.limit_s:
            self._asked = time.monotonic()
            ask_for_registers(guest, self.mconsole)
        return ""

    def _answer(self, progress: Progress) -> str:
        """Look on the console for the registers that we asked for; make do without them after a while."""
        named = [found for line in progress.tail if (found := _REGISTERS.search(line))]
        if not named and time.monotonic() - self._asked < _ANSWER_S:
            return ""
        who = f"{named[-1][2]} (process {named[-1][1]})" if named else "a process that could not be named"
        lost = f"{self.limit_s:g} s of CPU went by, and no virtual time"
        return f"hang at step {progress.step}: {who} spins: {lost}"


def guest_process(pid: int) -> int:
    """The UML process below pid: the deepest first child (the sandbox's processes each have one)."""
    while children := _children(pid):
        if (Path(f"/proc/{pid}/comm").read_text().strip()) not in (
            "prlimit",
            "bwrap",
            "warden",
            "setarch",
        ):
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


def ask_for_registers(guest: int, mconsole: str) -> None:
    """Have a guest print its registers and its running process on its console (magic SysRq 9, then p)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker, contextlib.suppress(OSError):
        for command in (b"sysrq 9", b"sysrq p"):
            request = struct.pack("=III", _MAGIC, _PROTOCOL, len(command)) + command.ljust(_DATA, b"\0")
            asker.sendto(request, f"/proc/{guest}/root{mconsole}")
