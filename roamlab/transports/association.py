"""SCTP associations on the kernel's own stack; the only module that knows pysctp."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from ipaddress import ip_address
from typing import Any, Final

import sctp

from roamlab.linux.sockets import force_send_buffer
from roamlab.record.events import (
    AssociationClosed,
    AssociationFailed,
    AssociationLost,
    AssociationRestarted,
    AssociationUp,
    Notice,
    OtherNotice,
    PathAdded,
    PathAvailable,
    PathConfirmed,
    PathPrimary,
    PathRemoved,
    PathUnreachable,
)
from roamlab.transports.base import PathState

_IPPROTO_SCTP: Final = 132
_SCTP_DELAYED_SACK: Final = 16
_SCTP_AUTO_ASCONF: Final = 30
_SCTP_SNDINFO: Final = 2  # ancillary data (RFC 6458, 5.3.4)
_SCTP_EOF: Final = 0x200
_SNDINFO: Final = struct.Struct("=HHIIi")
_MAXIMUM_MESSAGE: Final = 65536
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_BUFFER: Final = 4 << 20  # room for what a stream produces during a minute without a path

_LOOPBACK: Final = ("127.0.0.1", "::1")

_NOTICES: Final[dict[type, dict[int, type[Notice]]]] = {
    sctp.assoc_change: {
        sctp.assoc_change.state_COMM_UP: AssociationUp,
        sctp.assoc_change.state_COMM_LOST: AssociationLost,
        sctp.assoc_change.state_RESTART: AssociationRestarted,
        sctp.assoc_change.state_SHUTDOWN_COMP: AssociationClosed,
        sctp.assoc_change.state_CANT_STR_ASSOC: AssociationFailed,
    },
    sctp.paddr_change: {
        sctp.paddr_change.state_ADDR_AVAILABLE: PathAvailable,
        sctp.paddr_change.state_ADDR_UNREACHABLE: PathUnreachable,
        sctp.paddr_change.state_ADDR_REMOVED: PathRemoved,
        sctp.paddr_change.state_ADDR_ADDED: PathAdded,
        sctp.paddr_change.state_ADDR_MADE_PRIM: PathPrimary,
        5: PathConfirmed,  # SCTP_ADDR_CONFIRMED, which pysctp has no name for
    },
}


def _bound(local: str, port: int, *, one_to_many: bool = False) -> Any:
    """A socket bound to an address, for that address's family alone."""
    ipv6 = ":" in local
    make = sctp.sctpsocket_udp if one_to_many else sctp.sctpsocket_tcp
    sock = make(socket.AF_INET6 if ipv6 else socket.AF_INET)
    if ipv6:
        sock.sock().setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((local, port))
    return sock


def _prepare(sock: Any) -> None:
    """Set what all sockets here have: notifications, no waiting, room to send."""
    events = sock.events
    events.clear()
    events.association = True
    events.address = True
    events.data_io = True
    sock.events = events
    sock.nodelay = True
    raw = sock.sock()
    raw.setblocking(False)
    force_send_buffer(raw, _BUFFER)  # wmem_max is the machine's, not the lab's
    # A SACK for every packet: a delayed one would add up to 0.2 s that are not the handover's.
    raw.setsockopt(_IPPROTO_SCTP, _SCTP_DELAYED_SACK, struct.pack("=III", 0, 0, 1))


class Association:
    """One one-to-one SCTP socket, connected or to be connected; all calls return at once."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        _prepare(sock)

    @classmethod
    def open(cls, local: str, port: int, *, kernel_announces: bool = False) -> Association:
        """A socket bound to ``local`` (the wildcard address included); port 0 lets the kernel choose.

        ``kernel_announces`` switches SCTP_AUTO_ASCONF on, which works for a wildcard socket only.
        """
        sock = _bound(local, port)
        if kernel_announces:
            sock.sock().setsockopt(_IPPROTO_SCTP, _SCTP_AUTO_ASCONF, 1)
        elif not ip_address(local).is_unspecified:
            # A socket must keep one address. With loopback's, which Linux lists in no INIT to a peer elsewhere,
            # the association can lose its last one, and then take another: see `replace`.
            sock.bindx([(_LOOPBACK[":" in local], sock.getsockname()[1])], sctp.BINDX_ADD)
        return cls(sock)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._sock.sock().fileno())

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; ``association.up`` or ``association.failed`` follows."""
        try:
            self._sock.connect((peer, port))
        except BlockingIOError:
            return

    def send(self, data: bytes) -> bool:
        """Queue a message; False when the kernel has no room for it now."""
        try:
            # Not sctp_send, which costs a second system call; without ancillary data it is stream 0 and PPID 0 as well.
            self._sock.sock().send(data)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end of the association, None when there is nothing now."""
        try:
            _, flags, data, notification = self._sock.sctp_recv(_MAXIMUM_MESSAGE)
        except BlockingIOError:
            return None
        except OSError:  # reset or timed out: the notification before it said why
            return b""
        return _notified(notification) if flags & sctp.FLAG_NOTIFICATION else bytes(data)

    def hides_more(self) -> bool:
        """Never: the kernel keeps everything until it is received."""
        return False

    def addresses(self) -> frozenset[str]:
        """The association's local addresses that a peer elsewhere can send to.

        For a wildcard socket the kernel lists all of the host's, loopback's too, though no INIT carries those.
        """
        listed = (_plain(address) for address, _ in self._sock.getladdrs())
        return frozenset(a for a in listed if not (ip_address(a).is_loopback or ip_address(a).is_link_local))

    def paths(self) -> list[PathState]:
        """The state of each path to the peer, as the kernel has it now; none when the association has ended."""
        found = []
        try:
            for address, port in self._sock.getpaddrs():
                state = self._sock.get_paddrinfo(0, (address, port))
                found.append(PathState(_plain(address), state.cwnd, state.rto, state.srtt))
        except OSError:
            return found
        return found

    def add(self, address: str) -> None:
        """Ask the peer to add a local address (ASCONF, ADD IP). OSError when the socket refuses."""
        self._sock.bindx([(address, self.port)], sctp.BINDX_ADD)

    def delete(self, address: str) -> None:
        """Ask the peer to delete a local address (ASCONF, DELETE IP). OSError when the socket refuses.

        The node need not have the address any more.
        """
        try:
            self._sock.bindx([(address, self.port)], sctp.BINDX_REMOVE)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # The socket has forgotten what `replace` took from it, the association has not, for the peer refused.
            self._bind_elsewhere(address)
            self._sock.bindx([(address, self.port)], sctp.BINDX_REMOVE)

    def replace(self, old: str, new: str) -> None:
        """Put a new local address in the place of the last one: an ASCONF with both leaves from ``new`` at once.

        It has the address parameter ``old``, ADD IP ``new`` and DELETE IP ``old``: Linux keeps back the DELETE of a last
        address until an ADD (RFC 5061, 5.3, F5), and then, and only then, sends from the address that is being added (F1).
        OSError when the socket refuses.
        """
        self.check_route(new)
        if old in self.addresses():  # not where this is repeated: the new address may need another moment
            self._sock.bindx([(old, self.port)], sctp.BINDX_REMOVE)
        self.add(new)

    def check_route(self, source: str) -> None:
        """EADDRNOTAVAIL unless what is sent from an address finds a way to the peer: an ASCONF that does not waits 3 s."""
        with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((source, 0))
                probe.connect(self._sock.getpaddrs()[0])  # sends nothing
            except OSError as error:
                raise OSError(errno.EADDRNOTAVAIL, f"no route from {source}: {error.strerror}") from None

    def _bind_elsewhere(self, address: str) -> None:
        """Bind to an address that the node does not have now."""
        raw = self._sock.sock()
        ipv6 = ":" in address
        level, option = (socket.IPPROTO_IPV6, _IPV6_FREEBIND) if ipv6 else (socket.IPPROTO_IP, _IP_FREEBIND)
        raw.setsockopt(level, option, 1)
        try:
            self._sock.bindx([(address, self.port)], sctp.BINDX_ADD)
        finally:
            raw.setsockopt(level, option, 0)

    def set_primary(self, address: str) -> None:
        """Ask the peer to send to a local address (ASCONF, SET PRIMARY). OSError when the socket refuses."""
        self._sock.set_peer_primary(0, (address, self.port))

    @property
    def peer_port(self) -> int:
        """The peer's port. OSError when the association has ended."""
        return int(self._sock.sock().getpeername()[1])

    def shutdown(self) -> None:
        """End the association in order (SHUTDOWN)."""
        self._sock.sock().shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    @property
    def port(self) -> int:
        """The local port."""
        return int(self._sock.getsockname()[1])


class Listener:
    """A listening one-to-one SCTP socket."""

    def __init__(self, local: str, port: int) -> None:
        self._sock = _bound(local, port)
        self._sock.listen(128)
        self._sock.sock().setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._sock.sock().fileno())

    def accept(self) -> Association | None:
        """The next association, or None when there is none now."""
        try:
            accepted, _ = self._sock.accept()
        except BlockingIOError:
            return None
        return Association(accepted)


class Member:
    """One association of a one-to-many socket, with a descriptor of its own that can be read when something came for it."""

    def __init__(self, listener: OneToManyListener, number: int) -> None:
        self._listener = listener
        self._number = number
        self._came: deque[bytes | Notice] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._wake

    def connect(self, peer: str, port: int) -> None:
        """A member comes of a set-up by the peer, and is connected."""
        raise OSError(errno.EISCONN, f"the association with {peer}:{port} is set up by the peer")

    def send(self, data: bytes) -> bool:
        """Queue a message. OSError (ENOBUFS) when the socket has no room, for which nothing here can wait."""
        try:
            self._listener.transmit(self._number, data, 0)
        except BlockingIOError:
            raise OSError(errno.ENOBUFS, f"more than {_BUFFER} bytes wait on a one-to-many socket") from None
        return True

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end of the association, None when there is nothing now."""
        if self._wake < 0:
            return b""
        if not self._came:
            return None
        first = self._came.popleft()
        if not self._came:
            os.eventfd_read(self._wake)
        return first

    def hides_more(self) -> bool:
        """Never: the descriptor can be read as long as something is left."""
        return False

    def shutdown(self) -> None:
        """End the association in order (SHUTDOWN)."""
        self._listener.transmit(self._number, b"", _SCTP_EOF)

    def close(self) -> None:
        """Forget the association."""
        self._listener.forget(self._number)
        os.close(self._wake)
        self._wake = -1

    def came(self, what: bytes | Notice) -> None:
        """Take what the socket got for this association."""
        self._came.append(what)
        os.eventfd_write(self._wake, 1)


class OneToManyListener:
    """A listening one-to-many SCTP socket: to Linux one endpoint with all of its associations (RFC 6458, 3)."""

    def __init__(self, local: str, port: int) -> None:
        self._sock = _bound(local, port, one_to_many=True)
        _prepare(self._sock)
        self._sock.listen(128)
        self._members: dict[int, Member] = {}

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return int(self._sock.sock().fileno())

    def accept(self) -> Member | None:
        """The next new association, or None when there is none now; what came for others until then is theirs to read."""
        while True:
            try:
                _, flags, data, details = self._sock.sctp_recv(_MAXIMUM_MESSAGE)
            except BlockingIOError:
                return None
            is_new = (number := details.assoc_id) not in self._members
            member = (
                self._members.setdefault(number, Member(self, number)) if is_new else self._members[number]
            )
            what = _notified(details) if flags & sctp.FLAG_NOTIFICATION else bytes(data)
            member.came(what)
            if isinstance(what, AssociationClosed):
                member.came(b"")
            if is_new:
                return member

    def transmit(self, number: int, data: bytes, flags: int) -> None:
        """Send in one association. BlockingIOError when there is no room."""
        told = _SNDINFO.pack(0, flags, 0, 0, number)
        self._sock.sock().sendmsg([data] if data else [], [(_IPPROTO_SCTP, _SCTP_SNDINFO, told)])

    def forget(self, number: int) -> None:
        """Take what still comes of an association for a new one's."""
        self._members.pop(number, None)


def _notified(told: Any) -> Notice:
    kind = _NOTICES.get(type(told), {}).get(getattr(told, "state", -1))
    address, error = _plain(getattr(told, "addr", ("", 0))[0]), getattr(told, "error", 0)
    if kind is None:
        return OtherNotice(address=address, error=error, number=told.type)
    return kind(address=address, error=error)


def _plain(address: str) -> str:
    """The address without the v4-mapped prefix that an IPv6 socket gives IPv4 peers."""
    return address.removeprefix("::ffff:") if "." in address else address
