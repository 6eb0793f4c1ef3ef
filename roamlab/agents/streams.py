"""TCP connections and UDP flows, with the same face as SCTP associations: what they carry is messages."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import Final, Protocol

from roamlab.agents.association import Association, Listener, OneToManyListener
from roamlab.linux.sockets import force_send_buffer
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, frame
from roamlab.record.events import ConnectionFailed, ConnectionLost, ConnectionUp, FlowUp, Notice

_CHUNK: Final = 65536
_BUFFER: Final = 4 << 20  # room for what a stream produces during a minute without a path


class Channel(Protocol):
    """What a session needs of a transport; all calls return at once."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; a notification ``*.up`` or ``*.failed`` follows."""

    def send(self, data: bytes) -> bool:
        """Queue a message; False when there is no room for it now."""

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end, None when there is nothing now."""

    def hides_more(self) -> bool:
        """Whether something can be received that the descriptor does not show."""

    def shutdown(self) -> None:
        """End in order."""

    def close(self) -> None:
        """Close the socket."""


class Listening(Protocol):
    """Where channels come from on the side that waits for them."""

    def fileno(self) -> int:
        """The descriptor to wait on."""

    def accept(self) -> Channel | None:
        """The next channel, or None when there is none now."""


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
        force_send_buffer(sock, _BUFFER)

    @classmethod
    def open(cls, local: str) -> Connection:
        """A connection from a local address, to be connected."""
        return cls(_socket(socket.SOCK_STREAM, local, 0), up=False)

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
                data = self._sock.recv(_CHUNK)
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


class Flow:
    """A UDP flow: datagrams between two sockets that know each other. What the network says of lost ones is not heeded."""

    def __init__(self, sock: socket.socket, pending: tuple[bytes, ...] = ()) -> None:
        self._sock = sock
        self._pending: deque[bytes | Notice] = deque(pending)
        sock.setblocking(False)
        force_send_buffer(sock, _BUFFER)

    @classmethod
    def open(cls, local: str) -> Flow:
        """A flow from a local address, to be connected."""
        return cls(_socket(socket.SOCK_DGRAM, local, 0))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def connect(self, peer: str, port: int) -> None:
        """Name the other end; nothing is sent."""
        self._sock.connect((peer, port))
        self._pending.append(FlowUp())

    def send(self, data: bytes) -> bool:
        """Send a datagram; False when the kernel has no room for it now."""
        try:
            self._sock.send(data)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _LOST:
                raise
        return True

    def receive(self) -> bytes | Notice | None:
        """The next datagram or notification, None when there is nothing now."""
        if self._pending:
            return self._pending.popleft()
        while True:
            try:
                return self._sock.recv(_CHUNK) or None
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in _LOST:
                    raise

    def hides_more(self) -> bool:
        """Whether what the flow began with is still to be received."""
        return bool(self._pending)

    def shutdown(self) -> None:
        """UDP has nothing to end."""

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()


_LOST: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
)
"""What ICMP or the local stack reports of a datagram that was lost."""


class ConnectionListener:
    """A listening TCP socket."""

    def __init__(self, local: str, port: int) -> None:
        self._sock = _socket(socket.SOCK_STREAM, local, port)
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


class FlowListener:
    """A UDP socket that makes a flow of each new correspondent's datagrams."""

    def __init__(self, local: str, port: int) -> None:
        self._local, self._port = local, port
        self._sock = _socket(socket.SOCK_DGRAM, local, port)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def accept(self) -> Flow | None:
        """The next flow, with the datagram that it began with, or None when there is none now."""
        try:
            data, peer = self._sock.recvfrom(_CHUNK)
        except BlockingIOError:
            return None
        sock = _socket(socket.SOCK_DGRAM, self._local, self._port)
        sock.connect(peer)  # more exact than the listener's, so what follows comes to it
        return Flow(sock, (data,))

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()


def open_channel(transport: str, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:
    """A channel of ``sctp``, ``tcp`` or ``udp`` from a local address, to be connected; ``port`` is for SCTP alone."""
    if transport == "sctp":
        return Association.open(local, port, kernel_announces=kernel_announces)
    return Connection.open(local) if transport == "tcp" else Flow.open(local)


def listen(transport: str, local: str, port: int, *, one_to_many: bool = False) -> Listening:
    """Wait for channels of ``sctp``, ``tcp`` or ``udp``; ``one_to_many`` is a style of SCTP sockets (RFC 6458, 3)."""
    if transport == "sctp":
        return OneToManyListener(local, port) if one_to_many else Listener(local, port)
    return ConnectionListener(local, port) if transport == "tcp" else FlowListener(local, port)


def _socket(kind: socket.SocketKind, local: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in local else socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((local, port))
    except OSError as error:
        raise OSError(error.errno, f"cannot bind to {local}: {os.strerror(error.errno or 0)}") from None
    return sock
