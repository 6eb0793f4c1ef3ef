"""Calls that Python's standard library doesn't have, through the C library that the interpreter runs on."""

from __future__ import annotations

import ctypes
import os
from typing import Final

CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_TIMERSLACK: Final = 29

libc: Final = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Return a call's result. Raises OSError, which names ``what`` failed, where it is negative."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def die_with_parent(signum: int) -> None:
    """Have the kernel send this process a signal when its parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def exact_timers() -> None:
    """Have timers of this process expire to the nanosecond, not within the default 50 us (PR_SET_TIMERSLACK)."""
    libc.prctl(_PR_SET_TIMERSLACK, 1)


def be_scheduled_as_any_other() -> None:
    """Give up the place before others that the lab has in virtual time (SCHED_FIFO) and its children inherit."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
