"""Ends a guest that can never go on, and names what spins and where; one that computes may take as long as it likes.

In virtual time the processor is infinitely fast: a program that waits in a loop, instead of sleeping, waits for ever. Where it
makes system calls the lab kernel gives each a price (patches/busy-time.patch), and the clock goes on. Where it makes none, it
shows from outside: CPU time is used with no word from inside, whose first process gives one each virtual second, and the
program's registers take the same few values again and again. Those of one that computes do not.
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

from roamlab.kernels import samples
from roamlab.kernels.console import Progress

SPIN_CPU_S = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_MAGIC, _PROTOCOL, _DATA = 0xCAFEBABE, 2, 512  # arch/um/drivers/mconsole.h
_ANSWER_S = 2.0
_AFTER_S = 0.5
_BURST = 10  # looks at a time
_LOOKS = 90  # looks before anything is concluded
_STATES = 30  # that a loop which gets nowhere goes through: about as many as it has instructions
_BLIND_S = 60.0  # of CPU time, where nobody lets us look
_REGISTERS = re.compile(r"\bPID: (\d+),? comm: (\S+)", re.IGNORECASE)


@dataclass(slots=True)
class SpinWatch:
    """Called while a run goes on (see roamlab.kernels.supervise.Watch).

    mconsole  the guest's management socket, as a path in its own file system
    limit_s   seconds of CPU time without a word from inside after which we look closer
    """

    mconsole: str
    limit_s: float = SPIN_CPU_S
    _heard: int = field(default=-1, init=False)
    _cpu_s: float = field(default=0.0, init=False)
    _asked: float = field(default=0.0, init=False)
    _seen: list[tuple[int, ...]] = field(default_factory=list, init=False)
    _why: str = field(default="", init=False)
    _at: int = field(default=0, init=False)

    def __call__(self, pid: int, progress: Progress) -> str:
        """Give the sentence for which to end the run; empty when all is well."""
        guest = guest_process(pid)
        if self._asked:
            return self._answer(progress)
        used = cpu_seconds(guest)
        if progress.heard != self._heard:
            self._heard, self._cpu_s = progress.heard, used
            self._seen.clear()
        lost = used - self._cpu_s
        if lost >= self.limit_s and self._spins(guest, lost):
            self._asked = time.monotonic()
            ask_for_registers(guest, self.mconsole)
        return ""

    def _spins(self, guest: int, lost_s: float) -> bool:
        """Look at the program that runs; tell whether it gets nowhere, once that is clear."""
        busiest = max(_children(guest), key=_user_ticks, default=0)
        looked = samples.registers(busiest, _BURST) if busiest else None
        if looked is None:
            self._why = "nothing tells whether it computes or waits"
            return lost_s >= max(_BLIND_S, self.limit_s)
        self._seen += looked
        if len(self._seen) < _LOOKS:
            return False
        states = len(set(self._seen))
        self._at = samples.place(self._seen[-1])
        self._why = f"the registers took {states} values in {len(self._seen)} looks"
        if states <= _STATES:
            return True
        self._seen.clear()
        self._cpu_s += self.limit_s  # it computes; look again later
        return False

    def _answer(self, progress: Progress) -> str:
        """Look on the console for the registers that we asked for; make do without them after a while."""
        named = [found for line in progress.tail if (found := _REGISTERS.search(line))]
        # What the program's addresses mean follows the registers.
        if time.monotonic() - self._asked < (_AFTER_S if named else _ANSWER_S):
            return ""
        who = f"{named[-1][2]} (process {named[-1][1]})" if named else "a process that could not be named"
        where = f" at {progress.place(self._at)}" if self._at else ""
        lost = f"{self.limit_s:g} s of CPU went by, and no virtual time"
        return f"hang at step {progress.step}: {who} spins{where}: {lost}; {self._why}"


def guest_process(pid: int) -> int:
    """The UML process below pid: the deepest first child (the sandbox's processes each have one)."""
    while children := _children(pid):
        if (Path(f"/proc/{pid}/comm").read_text().strip()) not in (
            "setpriv",
            "sh",
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


def _user_ticks(pid: int) -> int:
    """Ticks of CPU that a process has spent in its own code."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


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
