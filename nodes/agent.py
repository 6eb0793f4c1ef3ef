"""What every agent is: a process with a control socket, timers and a loop.

Commands come in and events go out as JSON lines over the control socket (docs/architecture.md, "Agents"). A command
``{"do": "connect", ...}`` calls the method ``do_connect`` with the other members as keyword arguments. An agent ends when its
control socket is closed, so none outlives its orchestrator.
"""

from __future__ import annotations

import heapq
import itertools
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def now_ns() -> int:
    """The run's clock (CLOCK_REALTIME, ns): the one that the capture's timestamps are read from."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Agent:
    """The loop of one agent: readable descriptors and timers, in one thread.

    Timers are absolute, in ns of :func:`now_ns`, so that what repeats does not drift. ``select`` is used because its
    time-outs have a resolution of a microsecond where poll's and epoll's round up to the next millisecond.
    """

    def __init__(self, name: str, control: socket.socket) -> None:
        self.name = name
        self._control = control
        self._buffer = b""
        self._readers: dict[int, Callable[[], None]] = {control.fileno(): self._read_control}
        self._writers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._encoder = msgspec.json.Encoder()
        self._unsent: list[bytes] = []
        self._running = True

    # -- what agents use -------------------------------------------------------------------------------------------

    def emit(self, kind: str, **details: Any) -> None:
        """Report an event, stamped with the time of this call and sent before the loop waits again."""
        event = {"t": now_ns(), "node": self.name, "kind": kind, **details}
        self._unsent.append(self._encoder.encode(event))

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Call ``action`` once, at ``when_ns`` or as soon after it as the loop comes round."""
        heapq.heappush(self._timers, (when_ns, next(self._order), action))

    def on_readable(self, source: _HasFileno, action: Callable[[], None]) -> None:
        """Call ``action`` whenever ``source`` can be read."""
        self._readers[source.fileno()] = action

    def on_writable(self, source: _HasFileno, action: Callable[[], None] | None) -> None:
        """Call ``action`` whenever ``source`` can be written; None takes the interest back."""
        if action is None:
            self._writers.pop(source.fileno(), None)
        else:
            self._writers[source.fileno()] = action

    def forget(self, source: _HasFileno) -> None:
        """Stop watching ``source``; to be called before it is closed."""
        self._readers.pop(source.fileno(), None)
        self._writers.pop(source.fileno(), None)

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the control socket is closed or a ``stop`` command arrives."""
        self.emit("agent.ready")
        try:
            while self._running:
                self._turn()
        finally:
            self._send()

    def do_stop(self) -> None:
        """Leave the loop."""
        self._running = False

    def _turn(self) -> None:
        self._send()
        timeout = None
        if self._timers:
            timeout = max(0, self._timers[0][0] - now_ns()) / 1e9
        readable, writable, _ = select.select([*self._readers], [*self._writers], (), timeout)
        for descriptor in readable:
            if action := self._readers.get(descriptor):
                action()
        for descriptor in writable:
            if action := self._writers.get(descriptor):
                action()
        self._run_timers()

    def _send(self) -> None:
        """Send what was reported since the last turn; a receiver that reads seldom finds it all in the socket."""
        if self._unsent:
            self._control.sendall(b"\n".join([*self._unsent, b""]))
            self._unsent.clear()

    def _run_timers(self) -> None:
        now = now_ns()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _read_control(self) -> None:
        data = self._control.recv(65536)
        if not data:
            self._running = False
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            command = msgspec.json.decode(line, type=dict[str, Any])
            getattr(self, f"do_{command.pop('do')}")(**command)
