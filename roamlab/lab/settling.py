"""What has to be waited for before a network is made, and before a session may begin in it."""

from __future__ import annotations

import os
from typing import Final

from roamlab.lab.clock import Clock

# SCTP_ADDRESS_TICK_DELAY, and a tick of the slowest kernels (HZ=100).
_ADDRESS_QUEUE_NS: Final = 510_000_000
_LISTENS_FIRST: Final = (6, 13)
_BEAT_NS: Final = (
    64_000_000  # timers of some seconds go off on multiples of it (kernel/time/timer.c, level 2)
)
_OFF_BEAT_NS: Final = 1_200_000  # away from ticks, which look at the clock as well


def begin(clock: Clock) -> None:
    """Wait for a moment that does not depend on the machine.

    In virtual time only a look at the clock takes time, but how often programs look at it while they start depends on the
    machine's files.
    """
    clock.wait((), (clock.now_ns() // _BEAT_NS + 1) * _BEAT_NS + _OFF_BEAT_NS)


def settle(clock: Clock) -> int:
    """Wait until the kernel's SCTP has forgotten the addresses that the network was made with; gives the ns that took.

    Before 6.13 it queues them though nobody listens, and half a second later has SCTP_AUTO_ASCONF announce them, 127.0.0.1
    first, in whatever sessions there are by then (docs/findings.md, 15). On a real machine they are long gone; in virtual
    time network and session are made within a millisecond.
    """
    major, minor = os.uname().release.split(".")[:2]
    if (int(major), int(minor)) >= _LISTENS_FIRST:
        return 0
    began = clock.now_ns()
    clock.wait((), began + _ADDRESS_QUEUE_NS)
    return clock.now_ns() - began
