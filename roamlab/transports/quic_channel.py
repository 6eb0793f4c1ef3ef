"""QUIC connections as channels, on aioquic's protocol engine, which has no socket and no clock of its own.

Messages go behind their lengths, both ways on the client's first bidirectional stream, or each on a stream of its own. A
channel is one descriptor for its owner: an epoll(7) of its sockets, and of an alarm for the engine's timers.
"""

from __future__ import annotations

import io
import os
import select
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from aioquic._buffer import Buffer
from aioquic.quic import events as quic
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.packet import QuicPacketType, pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from roamlab.linux.alarm import Alarm
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, frame
from roamlab.record.events import ConnectionFailed, ConnectionLost, ConnectionUp, Notice
from roamlab.record.quic_events import QuicSecret
from roamlab.transports.base import PathState
from roamlab.transports.sockets import CHUNK, bound

End = tuple[str, int]
_ALPN: Final = "roamlab"
_STREAM: Final = 0  # RFC 9000, 2.1: the first one that a client opens for both directions
_UNTOLD: Final = frozenset(
    {
        "connectivity:spin_bit_updated",  # with every round trip
        "transport:datagrams_received",  # what they held is told by packets
        "transport:datagrams_sent",
    }
)
_ACK_DELAY_MS: Final = 25  # the engine's own, which its PTO includes
_SECOND_NS: Final = 1_000_000_000
_LATER_NS: Final = 1_000
"""Added to what the engine asks for, whose times are floating-point numbers: an alarm must not come before them."""


def now_ns() -> int:
    """The run's clock (CLOCK_REALTIME, ns)."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


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


class _Log(QuicLogger):
    """Gives a connection its trace, and keeps it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.metrics: dict[str, float] = {}

    def start_trace(self, is_client: bool, odcid: bytes) -> QuicLoggerTrace:
        trace = _Trace(is_client=is_client, odcid=odcid)
        trace.clock, trace.metrics = self._clock, self.metrics
        self._traces.append(trace)
        return trace


class _Secrets(io.StringIO):
    """A secrets log file, whose lines are told as notifications, too."""

    def __init__(self, told: deque[bytes | Notice]) -> None:
        super().__init__()
        self._told = told

    def write(self, line: str) -> int:
        label, client_random, secret = line.split()
        self._told.append(QuicSecret(label=label, client_random=client_random, secret=secret))
        return super().write(line)


class QuicChannel(ABC):
    """A QUIC connection; ``apart`` has each message in a stream of its own, so that none waits for another that was lost."""

    def __init__(self, *, apart: bool) -> None:
        self._poll = select.epoll()
        self._alarm = Alarm()
        self._poll.register(self._alarm, select.EPOLLIN)
        self._epoch_ns = now_ns()
        self._now = 0.0
        self._waiting: deque[bytes | Notice] = deque()
        self._secrets = _Secrets(self._waiting)
        self._apart = apart
        self._deframers: dict[int, Deframer] = {}
        self._up = False
        self._asked_to_end = False
        self._ended = False
        self._log = _Log(lambda: self._epoch_ns / 1e9 + self._now)

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
            if self._apart:
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
            self._take_datagrams()
            timer = self.engine.get_timer()
            if timer is not None and timer <= self._now:
                self.engine.handle_timer(self._now)
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
    def _take_datagrams(self) -> None:
        """Give the engine what has come."""

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

    def __init__(self, local: str, port: int, *, anywhere: bool, apart: bool) -> None:
        super().__init__(apart=apart)
        wildcard = "::" if ":" in local else "0.0.0.0"
        self._sockets: list[socket.socket] = []
        self.address = "" if anywhere else local
        """that it sends from; empty where the kernel chooses"""
        self.peer: End = ("", 0)
        self._engine = QuicConnection(
            configuration=self.configured(
                QuicConfiguration(alpn_protocols=[_ALPN], is_client=True, verify_mode=ssl.CERT_NONE)
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
        self.engine.change_connection_id()
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

    def _take_datagrams(self) -> None:
        for sock in self._sockets:
            while (come := received(sock)) is not None:
                self.taken(*come)

    def _send(self, data: bytes, peer: End) -> None:
        send(self._sockets[-1], data, peer)


class ServerChannel(QuicChannel):
    """The end that was called; its datagrams come and go by the listener's socket."""

    def __init__(
        self, listener: QuicListener, configuration: QuicConfiguration, original: bytes, *, apart: bool
    ) -> None:
        super().__init__(apart=apart)
        self._listener = listener
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, select.EPOLLIN)
        self._engine = QuicConnection(
            configuration=self.configured(configuration), original_destination_connection_id=original
        )

    @property
    def engine(self) -> QuicConnection:
        """The connection's protocol engine."""
        return self._engine

    def came(self, data: bytes, source: End) -> None:
        """Take a datagram from the listener; the channel can be read then."""
        self.look_at_clock()
        self.taken(data, source)
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Leave the listener."""
        self._listener.left(self)
        os.close(self._bell)
        super().close()

    def _take_datagrams(self) -> None:
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return

    def _send(self, data: bytes, peer: End) -> None:
        self._listener.send(data, peer)

    def _said(self, event: quic.QuicEvent) -> None:
        match event:
            case quic.ConnectionIdIssued():
                self._listener.named(self, event.connection_id)
            case quic.ConnectionIdRetired():
                self._listener.unnamed(event.connection_id)
            case _:
                super()._said(event)


class QuicListener:
    """One UDP socket for all connections, which are told apart by their connection ids."""

    def __init__(self, local: str, port: int, *, apart: bool) -> None:
        self._apart = apart
        self._sock = bound(socket.SOCK_DGRAM, local, port)
        self._sock.setblocking(False)
        self._channels: dict[bytes, ServerChannel] = {}
        self._key, self._certificate = _identity()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def accept(self) -> ServerChannel | None:
        """Give every datagram to its connection; the next new connection, or None when there is none now."""
        while (come := received(self._sock)) is not None:
            data, source = come
            if (channel := self._of(data)) is not None:
                channel.came(data, source)
            elif (channel := self._new(data)) is not None:
                channel.came(data, source)
                return channel
        return None

    def send(self, data: bytes, peer: End) -> None:
        """Send a datagram of a connection's."""
        send(self._sock, data, peer)

    def named(self, channel: ServerChannel, connection_id: bytes) -> None:
        """What has this id is the channel's."""
        self._channels[connection_id] = channel

    def unnamed(self, connection_id: bytes) -> None:
        """An id is used no more."""
        self._channels.pop(connection_id, None)

    def left(self, channel: ServerChannel) -> None:
        """A channel is closed."""
        self._channels = {known: other for known, other in self._channels.items() if other is not channel}

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()

    def _of(self, data: bytes) -> ServerChannel | None:
        header = _header(data)
        return None if header is None else self._channels.get(header[1])

    def _new(self, data: bytes) -> ServerChannel | None:
        """A connection for an Initial that belongs to none; shorter datagrams than RFC 9000, 14.1, allows are ignored."""
        header = _header(data)
        if (
            header is None
            or header[0] is not QuicPacketType.INITIAL
            or len(data) < SMALLEST_MAX_DATAGRAM_SIZE
        ):
            return None
        configuration = QuicConfiguration(
            alpn_protocols=[_ALPN], is_client=False, private_key=self._key, certificate=self._certificate
        )
        channel = ServerChannel(self, configuration, header[1], apart=self._apart)
        self.named(channel, header[1])
        self.named(channel, channel.engine.host_cid)
        return channel


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


def _header(data: bytes) -> tuple[QuicPacketType, bytes] | None:
    """A datagram's first packet: its type, and the connection id that it goes to."""
    try:
        header = pull_quic_header(Buffer(data=data), host_cid_length=QuicConfiguration.connection_id_length)
    except ValueError:
        return None
    return header.packet_type, header.destination_cid


def _identity() -> tuple[Ed25519PrivateKey, x509.Certificate]:
    """A key, and a certificate for it that nobody checks; Ed25519 signs the same with the same bytes."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _ALPN)])
    now = datetime.fromtimestamp(now_ns() // _SECOND_NS, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    return key, certificate
