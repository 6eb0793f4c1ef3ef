"""Stands by a guest where bubblewrap cannot: takes from it what it needs no right to, and leaves nothing of it behind.

    warden.py PARENT NUMBER WRITABLE... -- COMMAND...

The command and all that it starts can write below these directories alone, as far as this kernel has Landlock. When the
command ends, or our parent does, everything that it started is killed, wherever it went, and the first NUMBER of them are
removed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from shutil import rmtree

sys.path.insert(0, __file__.rsplit("/", 3)[0])
from roamlab.kernels import filter as refused
from roamlab.kernels import landlock

_SET_PDEATHSIG, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36
# Of these SIGCONT alone has a process go on that is stopped: it is what the kernel sends when our parent dies.
_HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGCONT}
_libc = ctypes.CDLL(None, use_errno=True)


def main(parent: int, scratch: int, writable: list[str], command: list[str]) -> int:
    """Run the command to its end, or to our parent's; give its exit status, 128 + N when signal N ended it or us."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    _libc.prctl(_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
    _libc.prctl(_SET_NAME, b"warden", 0, 0, 0)
    _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        return 128 + signal.SIGTERM if os.getppid() != parent else _stand_by(parent, writable, command)
    finally:
        _end_all()
        for directory in writable[:scratch]:
            rmtree(directory, ignore_errors=True)


def _stand_by(parent: int, writable: list[str], command: list[str]) -> int:
    us = os.getpid()
    child = os.fork()
    if child == 0:
        _become(us, writable, command)
    while True:
        heard = signal.sigwait(_HEARD)
        if heard not in (signal.SIGCHLD, signal.SIGCONT):
            return 128 + heard
        if os.getppid() != parent:
            return 128 + signal.SIGTERM
        while True:  # several may have ended
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if pid == 0:
                break


def _become(us: int, writable: list[str], command: list[str]) -> None:
    """Give up rights and become the command; never returns."""
    try:
        _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != us:
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        if landlock.version():
            landlock.restrict_writes(writable, ("/dev/null",))
        with suppress(OSError):  # a kernel without seccomp
            landlock.refuse_calls(refused.program())
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"roamlab: failed {error}\n".encode())
    finally:
        os._exit(127)


def _end_all() -> None:
    """Kill our descendants: each becomes our child when its own parent is gone."""
    while True:
        with suppress(OSError):
            for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - no more imports than needed
                with open(f"/proc/self/task/{thread}/children") as children:  # noqa: PTH123
                    for pid in map(int, children.read().split()):
                        os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    end = sys.argv.index("--")
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:end], sys.argv[end + 1 :]))
