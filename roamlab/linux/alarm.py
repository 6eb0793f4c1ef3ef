"""A descriptor that becomes readable at a set time (timerfd_create(2)); Python's standard library has it from 3.13 on.

Waiting for it takes no time-out, which would have to be worked out from the clock at each turn of a loop, and would be rounded
to what the call that waits can tell apart.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Final

from roamlab.linux.libc import check, libc

_NONBLOCK: Final = os.O_NONBLOCK
_CLOEXEC: Final = os.O_CLOEXEC
_ABSOLUTE: Final = 1
_ITIMERSPEC: Final = struct.Struct("=qqqq")  # interval and first expiry, each in seconds and nanoseconds
_SECOND_NS: Final = 1_000_000_000


class Alarm:
    """One alarm on CLOCK_REALTIME."""

    def __init__(self) -> None:
        self._fd: int = -1  # for __del__, where there is none to be had
        self._fd = check(libc.timerfd_create(time.CLOCK_REALTIME, _NONBLOCK | _CLOEXEC), "timerfd_create")
        self._due_ns: int | None = None

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._fd

    def set(self, due_ns: int | None) -> None:
        """Be readable from ``due_ns`` on, at once where that is past; None is never."""
        if due_ns == self._due_ns:
            return
        self._due_ns = due_ns
        # Zero would switch it off; no clock was ever before 1970.
        seconds, rest = (0, 0) if due_ns is None else divmod(max(1, due_ns), _SECOND_NS)
        libc.timerfd_settime(self._fd, _ABSOLUTE, _ITIMERSPEC.pack(0, 0, seconds, rest), None)
