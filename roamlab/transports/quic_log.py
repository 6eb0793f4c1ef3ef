"""What aioquic's engine tells of a connection: its qlog, and its secrets."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import Final

from aioquic.quic.logger import QuicLogger, QuicLoggerTrace

from roamlab.record.events import Notice
from roamlab.record.quic_events import QuicSecret

_UNTOLD: Final = frozenset(
    {
        "connectivity:spin_bit_updated",  # with every round trip
        "transport:datagrams_received",  # what they held is told by packets
        "transport:datagrams_sent",
    }
)


class _Trace(QuicLoggerTrace):
    """A qlog trace whose times are those that the engine was given: reading the clock would take time in a guest."""

    clock: Callable[[], float]
    metrics: dict[str, float]
    """the last ones of loss recovery and congestion control, by qlog's names; in ms and bytes"""

    def log_event(self, *, category: str, event: str, data: dict[str, float]) -> None:
        name = f"{category}:{event}"
        if name == "recovery:metrics_updated":
            self.metrics |= data
        if name not in _UNTOLD:
            self._events.append({"data": data, "name": name, "time": self.clock() * 1000})


class Log(QuicLogger):
    """Gives a connection its trace, and keeps it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.metrics: dict[str, float] = {}

    def start_trace(self, is_client: bool, odcid: bytes) -> QuicLoggerTrace:
        """The trace of a connection that begins."""
        trace = _Trace(is_client=is_client, odcid=odcid)
        trace.clock, trace.metrics = self._clock, self.metrics
        self._traces.append(trace)
        return trace


class Secrets(io.StringIO):
    """A secrets log file, whose lines are told as notifications, too."""

    def __init__(self, told: deque[bytes | Notice]) -> None:
        super().__init__()
        self._told = told

    def write(self, line: str) -> int:
        """Take a line: a label, the ClientHello's random, and a secret."""
        label, client_random, secret = line.split()
        self._told.append(QuicSecret(label=label, client_random=client_random, secret=secret))
        return super().write(line)
