"""Brings virtual time to a set nanosecond.

A guest reads its virtual clock in steps of 256 ns, and each look takes one step (arch/um/kernel/time.c, TIMER_MULTIPLIER). What
the clock has beyond the step that it shows cannot be read. It follows from each timer that went off since boot, ticks included,
and decides whether a timer goes off one step sooner or later: runs that differ in it differ in every time stamp that follows.

A timer set for X goes off at X plus what is hidden. Where the clock then shows X or later it has expired, and what is hidden is
what was left over of the step that X and it made together. Where it does not, the kernel sets the timer again, at the least
500 ns on (TIMER_MIN_DELTA), and the clock shows a step more. So each wait tells whether less was hidden than it asked about.
"""

from __future__ import annotations

from collections.abc import Callable

STEP_NS = 256
_APART_NS = 80 * 1024  # all waits fit between two ticks of a millisecond
_BITS = 8  # of what is hidden
_AGAIN_NS = 500


def virtual(now: Callable[[], int]) -> bool:
    """Whether this clock is a guest's virtual one; three looks at it."""
    first, second, third = now(), now(), now()
    return second - first == third - second == STEP_NS


def align(now: Callable[[], int], wait: Callable[[int], None], tick_ns: int) -> None:
    """Wait until virtual time is a set moment within the millisecond behind a tick, ``tick_ns``.

    now   looks at the clock, in ns
    wait  waits until a time in ns, looking at no clock itself

    As many waits and looks whatever is hidden; no tick may fall into them, for each changes it.
    """
    at = tick_ns - tick_ns % STEP_NS + _APART_NS // 4
    wait(at)  # what else had waited for a processor that is awake runs now
    at += _APART_NS
    wait(at)
    shown = now() - at  # what waking up takes
    low, high = 0, STEP_NS - 1  # the least and the most that can be hidden
    for _ in range(_BITS):
        at += _APART_NS
        middle = (low + high + 1) // 2
        wait(at + STEP_NS - middle)
        if now() - at - shown > STEP_NS:  # less than the middle was hidden
            low, high = low - middle + _AGAIN_NS - STEP_NS, _AGAIN_NS - STEP_NS - 1
        else:
            low, high = 0, high - middle
    wait(at + _APART_NS + STEP_NS - low)
