"""The run's clock, real or virtual: the only module that knows what waiting costs.

In a guest in time-travel mode the kernel's clock itself is virtual, so the same two calls serve both; what differs is what
may be said of the result. In virtual time outages and timers are exact and the processor is infinitely fast.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from roamlab.linux.alarm import Alarm

if TYPE_CHECKING:
    from roamlab.transports.base import Readable

_SECOND_NS: Final = 10**9


class Clock(Protocol):
    """What the lab asks of time."""

    def now_ns(self) -> int:
        """CLOCK_REALTIME in ns, the clock of the capture's timestamps."""

    def wait(self, sources: Iterable[Readable], until_ns: int) -> list[Readable]:
        """Wait for one of ``sources`` (anything with ``fileno``) to become readable, at the longest until ``until_ns``."""


class SystemClock:
    """The kernel's own clock, which time-travel mode makes virtual beneath us."""

    def __init__(self) -> None:
        self._alarm = Alarm()

    def now_ns(self) -> int:
        """CLOCK_REALTIME in ns."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def wait(self, sources: Iterable[Readable], until_ns: int) -> list[Readable]:
        """Wait to the nanosecond, and for any number of sources."""
        self._alarm.set(until_ns)
        awaited = {source.fileno(): source for source in sources}
        poll = select.poll()
        for fd in (self._alarm.fileno(), *awaited):
            poll.register(fd, select.POLLIN)
        return [awaited[fd] for fd, _ in poll.poll() if fd in awaited]


class Timeline:
    """A plan: actions at set times, in the order of their times and, at the same time, of their making."""

    def __init__(self, clock: Clock, start_ns: int) -> None:
        self._clock = clock
        self._start_ns = start_ns
        self._late_ns = 0
        self.begun = False
        """Whether something was played."""
        self._actions: list[tuple[int, Callable[[], None]]] = []

    def ns(self, time_s: float) -> int:
        """The clock's time (ns) ``time_s`` seconds after the plan's start."""
        return self._start_ns + self._late_ns + round(time_s * 1e9)

    @property
    def late_s(self) -> float:
        """By how much the plan was moved on, s."""
        return self._late_ns / 1e9

    def postpone(self, others_s: Iterable[float] = ()) -> None:
        """Move the plan on by whole seconds where what is first in it, or of ``others_s`` (seconds), is overdue."""
        planned = [offset for offset, _ in self._actions[:1]] + [round(time_s * 1e9) for time_s in others_s]
        late_ns = self._clock.now_ns() - self.ns(0.0) - min(planned) if planned else 0
        self._late_ns += max(0, -(-late_ns // _SECOND_NS) * _SECOND_NS)

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` at ``time_s`` seconds after the plan's start."""
        self._actions.append((round(time_s * 1e9), action))
        self._actions.sort(key=lambda entry: entry[0])  # stable: equal times keep their order

    def play(
        self,
        until_s: float,
        readers: Callable[[], Mapping[Readable, Callable[[], None]]],
        batch: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Run until ``until_s``: actions when due, readers' callbacks when their sources have something.

        What is read together is read within a ``batch``.
        """
        end_ns = self.ns(until_s)
        self.begun = True
        while True:
            now = self._clock.now_ns()
            if self._actions and self._due_ns() <= min(now, end_ns):
                self._actions.pop(0)[1]()
                continue
            if now >= end_ns:
                return
            deadline = min(end_ns, self._due_ns()) if self._actions else end_ns
            sources = readers()
            if readable := self._clock.wait(sources, deadline):
                with batch():
                    for source in readable:
                        sources[source]()

    def _due_ns(self) -> int:
        return self.ns(0.0) + self._actions[0][0]
