"""What has to be waited for before a network is made, and before a session may begin in it."""

from __future__ import annotations

import os
from typing import Final

from roamlab.kernels.inside.phase import align, virtual
from roamlab.lab.clock import Clock

# SCTP_ADDRESS_TICK_DELAY, and a tick of the slowest kernels (HZ=100).
_ADDRESS_QUEUE_NS: Final = 510_000_000
_LISTENS_FIRST: Final = (6, 13)
_BEAT_NS: Final = (
    64_000_000  # timers of some seconds go off on multiples of it (kernel/time/timer.c, level 2)
)

_APART: Final = 48
_LOOKS: Final = 500  # keeps the imports' end away from where some hundred looks more or less were seen to make a difference


def begin(clock: Clock) -> bool:
    """Wait for a moment that does not depend on the machine; whether time is virtual.

    In virtual time only a look at the clock takes time, but how often programs look at it while they start depends on the
    machine's files.
    """
    beat = (clock.now_ns() // _BEAT_NS + 1) * _BEAT_NS
    if exact := virtual(clock.now_ns):
        # First ready, first run: shares of a fair scheduler would follow from how long each had run before.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        for _ in range(_LOOKS):
            clock.now_ns()
        # Twice: what the kernel itself had set meanwhile, on a clock that was not aligned, has gone off by the second time.
        for moment in (beat, beat + _APART * _BEAT_NS):
            align(clock.now_ns, lambda until_ns: _wait(clock, until_ns), moment)
    else:
        clock.wait((), beat)
    return exact


def _wait(clock: Clock, until_ns: int) -> None:
    clock.wait((), until_ns)


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
