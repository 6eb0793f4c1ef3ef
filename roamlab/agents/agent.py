"""What every agent is: a process with a control socket, timers and a loop.

Commands come in (roamlab/record/commands.py) and events go out (roamlab/record/event.py) as JSON lines over the control
socket. An agent takes a command by its class, in ``obey``. It ends when its control socket is closed, so none outlives its
orchestrator.
"""

from __future__ import annotations

import heapq
import itertools
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from roamlab.linux.alarm import Alarm
from roamlab.record import event as events
from roamlab.record.commands import Command, Stop
from roamlab.record.event import Event
from roamlab.record.events import AgentReady

_HOLD_NS: Final = 250_000_000  # how long what nobody waits for is let wait for more to come


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def now_ns() -> int:
    """The run's clock (CLOCK_REALTIME, ns): the one that the capture's timestamps are read from."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Agent:
    """The loop of one agent: readable descriptors and timers, in one thread.

    Timers are absolute, in ns of :func:`now_ns`, so that what repeats does not drift.

    What a message costs in a guest is the number of system calls, of which reading the clock and reporting are two; so what
    is done for each message is dated by ``turn_ns`` and reported by :meth:`mention`, many in one piece.
    """

    def __init__(self, name: str, control: socket.socket) -> None:
        self.name = name
        self._control = control
        self._buffer = b""
        self._readers: dict[int, Callable[[], None]] = {}
        self._writers: dict[int, Callable[[], None]] = {}
        self._poll = select.epoll()
        self._alarm = Alarm()
        self._poll.register(self._alarm, select.EPOLLIN)
        self.on_readable(control, self._read_control)
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._encoder = events.encoder()
        self._decoder = events.decoder(Command)
        self._unsent: list[bytes] = []
        self._due_ns: int | None = None  # when what is unsent must be sent
        self._running = True
        self.directory: Path | None = None
        """Where it may leave files: the run directory."""
        self.turn_ns = 0
        """When the loop last woke up: the time of whatever made it wake."""

    # -- what agents use -------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Report an event, stamped with the time of this call and sent before the loop waits again."""
        event.t, event.node = now_ns(), self.name
        self._unsent.append(self._encoder.encode(event))
        self._due_ns = 0

    def mention(self, event: Event) -> None:
        """Report what nobody waits for: stamped ``turn_ns``, sent before the next event or a quarter of a second later."""
        event.t, event.node = self.turn_ns, self.name
        self._unsent.append(self._encoder.encode(event))
        if self._due_ns is None:
            self._due_ns = self.turn_ns + _HOLD_NS

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Call ``action`` once, at ``when_ns`` or as soon after it as the loop comes round."""
        heapq.heappush(self._timers, (when_ns, next(self._order), action))

    def on_readable(self, source: _HasFileno, action: Callable[[], None]) -> None:
        """Call ``action`` whenever ``source`` can be read."""
        self._watch(source.fileno(), self._readers, action)

    def on_writable(self, source: _HasFileno, action: Callable[[], None] | None) -> None:
        """Call ``action`` whenever ``source`` can be written; None takes the interest back."""
        self._watch(source.fileno(), self._writers, action)

    def forget(self, source: _HasFileno) -> None:
        """Stop watching ``source``; to be called before it is closed."""
        self._watch(source.fileno(), self._readers, None)
        self._watch(source.fileno(), self._writers, None)

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the control socket is closed or the command to stop arrives."""
        self.emit(AgentReady())
        self._send()
        try:
            while self._running:
                self._turn()
        finally:
            self._send()
        self.over()

    def over(self) -> None:
        """The last thing that an agent does when it was told to stop, or nobody is left to tell it."""

    def obey(self, command: Command) -> None:
        """Do what a command says. TypeError for one that this agent doesn't take."""
        match command:
            case Stop():
                self._running = False
            case _:
                raise TypeError(f"{type(self).__name__} takes no {type(command).__name__}")

    def _turn(self) -> None:
        due = self._due_ns
        if self._timers and (due is None or self._timers[0][0] < due):
            due = self._timers[0][0]
        self._alarm.set(due)
        ready = self._poll.poll()
        self.turn_ns = now_ns()
        for descriptor, ready_for in ready:
            if ready_for & ~select.EPOLLOUT and (action := self._readers.get(descriptor)):
                action()
            if ready_for & ~select.EPOLLIN and (action := self._writers.get(descriptor)):
                action()
        while self._timers and self._timers[0][0] <= self.turn_ns:
            heapq.heappop(self._timers)[2]()
        if self._due_ns is not None and self._due_ns <= self.turn_ns:
            self._send()

    def _watch(self, fd: int, whom: dict[int, Callable[[], None]], action: Callable[[], None] | None) -> None:
        before = self._interest(fd)
        if action is None:
            whom.pop(fd, None)
        else:
            whom[fd] = action
        if (after := self._interest(fd)) == before:
            return
        if not after:
            self._poll.unregister(fd)
        elif before:
            self._poll.modify(fd, after)
        else:
            self._poll.register(fd, after)

    def _interest(self, fd: int) -> int:
        return (select.EPOLLIN if fd in self._readers else 0) | (
            select.EPOLLOUT if fd in self._writers else 0
        )

    def _send(self) -> None:
        """Send what was reported; a receiver that reads seldom finds it all in the socket."""
        if self._unsent:
            self._control.sendall(b"\n".join([*self._unsent, b""]))
            self._unsent.clear()
        self._due_ns = None

    def _read_control(self) -> None:
        data = self._control.recv(65536)
        if not data:
            self._running = False
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.obey(self._decoder.decode(line))
