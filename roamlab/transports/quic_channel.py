"""QUIC connections as channels, on aioquic's protocol engine, which has no socket and no clock of its own.

Messages go behind their lengths, both ways on the client's first bidirectional stream, or each on a stream of its own. A
channel is one descriptor for its owner: an epoll(7) of its sockets, and of an alarm for the engine's timers.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec
from aioquic.quic import events as quic
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from roamlab.linux.alarm import Alarm
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, frame
from roamlab.record.events import ConnectionFailed, ConnectionLost, ConnectionUp, Notice
from roamlab.transports.base import PathState
from roamlab.transports.quic_log import Log, Secrets
from roamlab.transports.quic_recovery import begin_path
from roamlab.transports.sockets import CHUNK, bound

End = tuple[str, int]
ALPN: Final = "roamlab"
_STREAM: Final = 0  # RFC 9000, 2.1: the first one that a client opens for both directions
_ACK_DELAY_MS: Final = 25  # the engine's own, which its PTO includes
_SECOND_NS: Final = 1_000_000_000
_LATER_NS: Final = 1_000
"""Added to what the engine asks for, whose times are floating-point numbers: an alarm must not come before them."""


def now_ns() -> int:
    """The run's clock (CLOCK_REALTIME, ns)."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


@dataclass(frozen=True, slots=True)
class Ways:
    """How a connection is used.

    apart         each message has a stream of its own, so that none waits for another that was lost
    begins_again  a new path begins with an initial window, without RTT and backoff
    """

    apart: bool = False
    begins_again: bool = False


class QuicChannel(ABC):
    """A QUIC connection."""

    def __init__(self, ways: Ways) -> None:
        self._poll = select.epoll()
        self._alarm = Alarm()
        self._poll.register(self._alarm, select.EPOLLIN)
        self._epoch_ns = now_ns()
        self._now = 0.0
        self._waiting: deque[bytes | Notice] = deque()
        self._secrets = Secrets(self._waiting)
        self._ways = ways
        self._deframers: dict[int, Deframer] = {}
        self._up = False
        self._asked_to_end = False
        self._ended = False
        self._log = Log(lambda: self._epoch_ns / 1e9 + self._now)

    def configured(self, configuration: QuicConfiguration) -> QuicConfiguration:
        """The configuration of this connection's engine: what it logs comes here."""
        configuration.quic_logger = self._log
        configuration.secrets_log_file = self._secrets
        return configuration

    @property
    @abstractmethod
    def engine(self) -> QuicConnection:
        """The connection's protocol engine."""

    def fileno(self) -> int:
        """The descriptor to wait on; -1 when it is closed."""
        return -1 if self._poll.closed else self._poll.fileno()

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; only the end that opens a connection can."""
        raise TypeError(f"{type(self).__name__} does not connect to {peer} port {port}")

    def send(self, data: bytes) -> bool:
        """Queue a message; there is always room."""
        if not self._ended:
            self.look_at_clock()
            if self._ways.apart:
                stream = self.engine.get_next_available_stream_id(is_unidirectional=True)
                self.engine.send_stream_data(stream, frame(data), end_stream=True)
            else:
                self.engine.send_stream_data(_STREAM, frame(data))
            self.turn()
        return True

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end of the connection, None when there is nothing now."""
        if not self._waiting and not self._ended:
            self.look_at_clock()
            timer = self.engine.get_timer()
            if timer is not None and timer <= self._now:
                self.engine.handle_timer(self._now)
            else:  # what comes meanwhile is for the next turn: its owner dates what it receives by when this one began
                self._take_datagram()
            self.turn()
        if self._waiting:
            return self._waiting.popleft()
        return b"" if self._ended else None

    def hides_more(self) -> bool:
        """Whether something is left of what came together."""
        return bool(self._waiting) or self._ended

    def shutdown(self) -> None:
        """End the connection in order (CONNECTION_CLOSE without an error)."""
        self._asked_to_end = True
        self.look_at_clock()
        self.engine.close()
        self.turn()

    def close(self) -> None:
        """Close what is waited on."""
        self._poll.close()

    def paths(self) -> list[PathState]:
        """The state of the path that is used, as the engine logged it last; none before its first measurement."""
        known, peer = self._log.metrics, self.engine.get_peer_address()
        if self._ended or peer is None or "smoothed_rtt" not in known:
            return []
        srtt = known["smoothed_rtt"]
        pto = srtt + max(4 * known.get("rtt_variance", 0.0), 1.0) + _ACK_DELAY_MS
        return [PathState(peer[0], int(known.get("cwnd", 0)), round(pto), round(srtt))]

    def records(self) -> dict[str, bytes]:
        """The connection's qlog, and its secrets as Wireshark takes them (`tls.keylog_file`)."""
        name = self.engine.original_destination_connection_id.hex()
        return {
            f"{name}.qlog": msgspec.json.encode(self._log.to_dict()),
            f"{name}-keys.log": self._secrets.getvalue().encode(),
        }

    def look_at_clock(self) -> None:
        """Take the time for what the engine is told next."""
        self._now = (now_ns() - self._epoch_ns) / _SECOND_NS

    def turn(self) -> None:
        """Take what the engine has to say, send what it has to send, and set its alarm."""
        while (event := self.engine.next_event()) is not None:
            self._said(event)
        for data, peer in self.engine.datagrams_to_send(self._now):
            self._send(data, peer)
        timer = None if self._ended else self.engine.get_timer()
        due_ns = None if timer is None else self._epoch_ns + round(timer * _SECOND_NS) + _LATER_NS
        self._alarm.set(due_ns)

    def taken(self, data: bytes, source: End) -> None:
        """Give the engine a datagram."""
        self.engine.receive_datagram(data, source, now=self._now)

    @abstractmethod
    def _take_datagram(self) -> None:
        """Give the engine one datagram that has come."""

    @abstractmethod
    def _send(self, data: bytes, peer: End) -> None:
        """Send a datagram."""

    def _said(self, event: quic.QuicEvent) -> None:
        match event:
            case quic.HandshakeCompleted():
                self._came_up()
            case quic.StreamDataReceived():
                self._read(event.stream_id, event.data, end=event.end_stream)
            case quic.ConnectionTerminated():
                self._ended = True
                if not self._asked_to_end and event.error_code:
                    kind = ConnectionLost if self._up else ConnectionFailed
                    self._waiting.append(kind(error=event.error_code, reason=event.reason_phrase))
            case _:
                pass

    def _came_up(self) -> None:
        self._up = True

    def _read(self, stream: int, data: bytes, *, end: bool) -> None:
        try:
            self._waiting.extend(self._deframers.setdefault(stream, Deframer()).feed(data))
        except DecodeError as error:
            self.engine.close(error_code=1, reason_phrase=str(error))
        if end:
            del self._deframers[stream]


class ClientChannel(QuicChannel):
    """The end that connects; it has a socket for each address that it sent from, as long as that may bring something.

    ``anywhere`` leaves it to the kernel which address it sends from.
    """

    def __init__(self, local: str, port: int, ways: Ways, *, anywhere: bool) -> None:
        super().__init__(ways)
        wildcard = "::" if ":" in local else "0.0.0.0"
        self._sockets: list[socket.socket] = []
        self.address = "" if anywhere else local
        """that it sends from; empty where the kernel chooses"""
        self.peer: End = ("", 0)
        self._engine = QuicConnection(
            configuration=self.configured(
                QuicConfiguration(alpn_protocols=[ALPN], is_client=True, verify_mode=ssl.CERT_NONE)
            )
        )
        self._open(wildcard if anywhere else local, port)

    @property
    def engine(self) -> QuicConnection:
        """The connection's protocol engine."""
        return self._engine

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up."""
        self.peer = peer, port
        self.look_at_clock()
        self.engine.connect(self.peer, now=self._now)
        self.turn()

    def migrate(self, address: str) -> str:
        """Send from another address from now on (RFC 9000, 9.2); the connection id that this goes to, in hexadecimal."""
        self._open(address, 0)
        self.address = address
        self.look_at_clock()
        self.engine.change_connection_id()
        if self._ways.begins_again:
            begin_path(self.engine, self._now)
        self.probe()
        return self.engine._peer_cid.cid.hex()  # noqa: SLF001 - the engine tells it nowhere else

    def probe(self) -> None:
        """Send something at once: the peer goes on with an old address until it hears from the new one."""
        self.look_at_clock()
        self.engine.send_ping(0)
        self.turn()

    def forget(self, address: str) -> None:
        """Close the sockets of an address that is gone, but for the one that is used."""
        for sock in self._sockets[:-1]:
            if sock.getsockname()[0] == address:
                self._close(sock)

    def close(self) -> None:
        """Close the sockets."""
        for sock in list(self._sockets):
            self._close(sock)
        super().close()

    def _open(self, local: str, port: int) -> None:
        sock = bound(socket.SOCK_DGRAM, local, port)
        sock.setblocking(False)
        self._sockets.append(sock)
        self._poll.register(sock, select.EPOLLIN)

    def _close(self, sock: socket.socket) -> None:
        self._sockets.remove(sock)
        self._poll.unregister(sock)
        sock.close()

    def _came_up(self) -> None:
        super()._came_up()
        self._waiting.append(ConnectionUp())

    def _take_datagram(self) -> None:
        for sock in self._sockets:
            if (come := received(sock)) is not None:
                self.taken(*come)
                return

    def _send(self, data: bytes, peer: End) -> None:
        send(self._sockets[-1], data, peer)


def send(sock: socket.socket, data: bytes, peer: End) -> None:
    """Send a datagram; one that cannot be sent is lost, as on any link, and the engine sends again what was in it."""
    try:
        sock.sendto(data, peer)
    except OSError:
        return


def received(sock: socket.socket) -> tuple[bytes, End] | None:
    """The next datagram and where it came from; None when there is none now. What ICMP reports is ignored."""
    while True:
        try:
            data, source = sock.recvfrom(CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            continue
        return data, source[:2]
