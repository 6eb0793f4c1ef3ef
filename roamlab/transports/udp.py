"""UDP: a message a datagram; a flow is its two addresses and ports."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import ClassVar, Final

from roamlab.linux.sockets import force_send_buffer
from roamlab.protocols import payload
from roamlab.protocols.trace import Sighting, UdpPacket
from roamlab.record.events import FlowUp, Notice
from roamlab.transports.base import Crossings, Reader, Sink, Transport
from roamlab.transports.byte_streams import ends
from roamlab.transports.sockets import BUFFER, CHUNK, bound

_LOST: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
)
"""What ICMP or the local stack reports of a datagram that was lost."""


class Flow:
    """A UDP flow: datagrams between two sockets that know each other. What the network reports of lost ones is ignored."""

    def __init__(self, sock: socket.socket, pending: tuple[bytes, ...] = ()) -> None:
        self._sock = sock
        self._pending: deque[bytes | Notice] = deque(pending)
        sock.setblocking(False)
        force_send_buffer(sock, BUFFER)

    @classmethod
    def open(cls, local: str) -> Flow:
        """A flow from a local address, to be connected."""
        return cls(bound(socket.SOCK_DGRAM, local, 0))

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
                return self._sock.recv(CHUNK) or None
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


class FlowListener:
    """A UDP socket that makes a flow, of the class ``flow``, of each new correspondent's datagrams."""

    flow: ClassVar[type[Flow]] = Flow

    def __init__(self, local: str, port: int) -> None:
        self._local, self._port = local, port
        self._sock = bound(socket.SOCK_DGRAM, local, port)
        self._sock.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def accept(self) -> Flow | None:
        """The next flow, with the datagram that it began with, or None when there is none now."""
        try:
            data, peer = self._sock.recvfrom(CHUNK)
        except BlockingIOError:
            return None
        sock = bound(socket.SOCK_DGRAM, self._local, self._port)
        sock.connect(peer)  # more exact than the listener's, so what follows comes to it
        return self.flow(sock, (data,))

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()


class UdpReader:
    """Reads datagrams; a flow is known by its two ends, once one of them carried a message."""

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the message in a datagram."""
        if not isinstance(packet, UdpPacket):
            return
        key, data = frozenset(ends(packet)), packet.udp.payload
        if not sink.known(key) and payload.decode(data) is not None:
            (source, sport), (destination, dport) = ends(packet)
            sink.carrier(key, f"flow {source}:{sport} to {destination}:{dport}")
        sink.message(packet, data, key)


class Udp(Transport):
    """UDP (RFC 768). It repeats nothing, so a flow may lose messages."""

    name = "udp"
    carrier = "flow"
    reliable = False
    repeats = False
    connecting = Crossings(up=(1, 0), down=(1, 1))

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Flow:  # noqa: ARG002
        """A flow from a local address, to be connected."""
        return Flow.open(local)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> FlowListener:  # noqa: ARG002
        """Wait for flows."""
        return FlowListener(local, port)

    def reader(self) -> Reader:
        """A reader of datagrams."""
        return UdpReader()


TRANSPORT: Final = Udp()
