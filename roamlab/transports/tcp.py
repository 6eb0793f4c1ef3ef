"""TCP: messages behind their lengths on a connection, which is its two addresses and ports."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

from roamlab.linux.sockets import force_send_buffer
from roamlab.protocols import payload
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, frame
from roamlab.protocols.trace import Sighting, TcpPacket
from roamlab.record.events import ConnectionFailed, ConnectionLost, ConnectionUp, Notice
from roamlab.transports.base import Crossings, Reader, Sink, Transport
from roamlab.transports.byte_streams import ENDINGS, ByteStreams, ends
from roamlab.transports.sockets import BUFFER, CHUNK, bound


class Connection:
    """A TCP connection; messages go behind their lengths."""

    def __init__(self, sock: socket.socket, *, up: bool) -> None:
        self._sock = sock
        self._up = up
        self._lost = False
        self._broken = 0
        self._deframer = Deframer()
        self._messages: deque[bytes] = deque()
        self._unsent = b""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        force_send_buffer(sock, BUFFER)

    @classmethod
    def open(cls, local: str, options: Sequence[tuple[int, int, int]] = ()) -> Connection:
        """A connection from a local address, to be connected; ``options`` are (level, option, value) of setsockopt."""
        sock = bound(socket.SOCK_STREAM, local, 0)
        for option in options:
            sock.setsockopt(*option)
        return cls(sock, up=False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; the socket becomes writable when it is decided."""
        self._sock.connect_ex((peer, port))

    def send(self, data: bytes) -> bool:
        """Queue a message; False when the kernel has no room for it now."""
        if not self._flush():
            return False
        self._unsent = frame(data)
        self._flush()
        return True

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end of the connection, None when there is nothing now."""
        if not self._up:
            return self._established()
        while not self._messages:
            if self._lost:
                return b""
            if self._broken:
                self._lost = True
                return ConnectionLost(error=self._broken)
            try:
                data = self._sock.recv(CHUNK)
            except BlockingIOError:
                return None
            except OSError as error:
                self._lost = True
                return ConnectionLost(error=error.errno or 0)
            if not data:
                return b""
            try:
                self._messages.extend(self._deframer.feed(data))
            except DecodeError:
                self._lost = True
                return ConnectionLost(error=errno.EBADMSG)
        return self._messages.popleft()

    def hides_more(self) -> bool:
        """Whether messages are left of those that came together."""
        return bool(self._messages)

    def shutdown(self) -> None:
        """End the connection in order (FIN)."""
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _established(self) -> Notice | None:
        if code := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return ConnectionFailed(error=code)
        try:
            self._sock.getpeername()
        except OSError:
            return None
        self._up = True
        return ConnectionUp()

    def _flush(self) -> bool:
        while self._unsent:
            try:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
            except BlockingIOError:
                return False
            except OSError as error:  # the socket is readable now, and whoever reads is told
                self._unsent, self._broken = b"", error.errno or 0
        return True


class ConnectionListener:
    """A listening TCP socket, or one of another protocol with the same calls."""

    def __init__(
        self, local: str, port: int, protocol: int = 0, options: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        """``options`` are (level, option, value) of setsockopt, which each accepted socket inherits."""
        self._sock = bound(socket.SOCK_STREAM, local, port, protocol)
        for option in options:
            self._sock.setsockopt(*option)
        self._sock.listen(128)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def accept(self) -> Connection | None:
        """The next connection, or None when there is none now."""
        try:
            accepted, _ = self._sock.accept()
        except BlockingIOError:
            return None
        return Connection(accepted, up=True)

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()


class TcpReader:
    """Puts segments together; a connection is known by its two ends."""

    def __init__(self) -> None:
        self._bytes = ByteStreams()

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the messages that are complete with this segment, and of FIN and RST."""
        if not isinstance(packet, TcpPacket):
            return
        (source, sport), (destination, dport) = ends(packet)
        key = frozenset(ends(packet))
        for data in self._bytes.messages(packet):
            if not sink.known(key) and payload.decode(data) is not None:
                sink.carrier(key, f"connection {source}:{sport} to {destination}:{dport}")
            sink.message(packet, data, key)
        for flag, name in ENDINGS.items():
            if packet.tcp.flags & flag:
                sink.ended(packet, key, name)


class Tcp(Transport):
    """TCP (RFC 9293). A connection does not outlive its addresses."""

    name = "tcp"
    carrier = "connection"
    connecting = Crossings(up=(2, 1), down=(2, 2))
    options: ClassVar[tuple[tuple[int, int, int], ...]] = ()
    """(level, option, value) of setsockopt, at both ends"""

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Connection:  # noqa: ARG002
        """A connection from a local address, to be connected."""
        return Connection.open(local, self.options)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> ConnectionListener:  # noqa: ARG002
        """Wait for connections."""
        return ConnectionListener(local, port, options=self.options)

    def reader(self) -> Reader:
        """A reader of segments."""
        return TcpReader()


class TcpKeepalive(Tcp):
    """TCP that asks a silent peer whether it is there (RFC 9293, 3.8.4)."""

    name = "tcp-keepalive"
    settings = "SO_KEEPALIVE: after 2 s without an answer, then every second, three times"
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    )


class TcpUserTimeout(Tcp):
    """TCP that gives a connection up whose data is not acknowledged for five seconds (RFC 5482)."""

    name = "tcp-user-timeout"
    settings = "TCP_USER_TIMEOUT: 5 s"
    options = ((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000),)


TRANSPORT: Final = Tcp()
KEEPALIVE: Final = TcpKeepalive()
USER_TIMEOUT: Final = TcpUserTimeout()
