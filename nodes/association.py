"""SCTP associations on the kernel's own stack; the only module that knows pysctp."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

import sctp

_IPPROTO_SCTP: Final = 132
_SCTP_DELAYED_SACK: Final = 16
_SCTP_AUTO_ASCONF: Final = 30
_MAXIMUM_MESSAGE: Final = 65536
_BUFFER: Final = 4 << 20  # room for what a stream produces during a minute without a path

_NOTIFICATIONS: Final = {
    sctp.assoc_change: {
        sctp.assoc_change.state_COMM_UP: "association.up",
        sctp.assoc_change.state_COMM_LOST: "association.lost",
        sctp.assoc_change.state_RESTART: "association.restarted",
        sctp.assoc_change.state_SHUTDOWN_COMP: "association.closed",
        sctp.assoc_change.state_CANT_STR_ASSOC: "association.failed",
    },
    sctp.paddr_change: {
        sctp.paddr_change.state_ADDR_AVAILABLE: "path.available",
        sctp.paddr_change.state_ADDR_UNREACHABLE: "path.unreachable",
        sctp.paddr_change.state_ADDR_REMOVED: "path.removed",
        sctp.paddr_change.state_ADDR_ADDED: "path.added",
        sctp.paddr_change.state_ADDR_MADE_PRIM: "path.primary",
        5: "path.confirmed",  # SCTP_ADDR_CONFIRMED, which pysctp has no name for
    },
}


@dataclass(frozen=True, slots=True)
class Notification:
    """What the kernel said of an association: its kind (``association.up``, ``path.confirmed``, ...) and address."""

    kind: str
    address: str = ""
    error: int = 0


def _bound(local: str, port: int) -> Any:
    """A socket bound to an address, for that address's family alone."""
    ipv6 = ":" in local
    sock = sctp.sctpsocket_tcp(socket.AF_INET6 if ipv6 else socket.AF_INET)
    if ipv6:
        sock.sock().setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((local, port))
    return sock


class Association:
    """One one-to-one SCTP socket, connected or to be connected; all calls return at once."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        events = sock.events
        events.clear()
        events.association = True
        events.address = True
        events.data_io = True
        sock.events = events
        sock.nodelay = True
        raw = sock.sock()
        raw.setblocking(False)
        raw.setsockopt(
            socket.SOL_SOCKET, 32, _BUFFER
        )  # SO_SNDBUFFORCE: wmem_max is the machine's, not the lab's
        # A SACK for every packet: a delayed one would add up to 0.2 s that are not the handover's.
        raw.setsockopt(_IPPROTO_SCTP, _SCTP_DELAYED_SACK, struct.pack("=III", 0, 0, 1))

    @classmethod
    def open(cls, local: str, port: int, *, kernel_announces: bool = False) -> Association:
        """A socket bound to ``local`` (the wildcard address included); port 0 lets the kernel choose.

        ``kernel_announces`` switches SCTP_AUTO_ASCONF on, which works for a wildcard socket only.
        """
        sock = _bound(local, port)
        if kernel_announces:
            sock.sock().setsockopt(_IPPROTO_SCTP, _SCTP_AUTO_ASCONF, 1)
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
            self._sock.sctp_send(data)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> bytes | Notification | None:
        """The next message or notification; b"" at the end of the association, None when there is nothing now."""
        try:
            _, flags, data, notification = self._sock.sctp_recv(_MAXIMUM_MESSAGE)
        except BlockingIOError:
            return None
        except OSError:  # reset or timed out: the notification before it said why
            return b""
        if flags & sctp.FLAG_NOTIFICATION:
            kinds = _NOTIFICATIONS.get(type(notification), {})
            address = getattr(notification, "addr", ("", 0))[0]
            return Notification(
                kinds.get(getattr(notification, "state", -1), f"notification.{notification.type}"),
                _plain(address),
                getattr(notification, "error", 0),
            )
        return bytes(data)

    def addresses(self) -> frozenset[str]:
        """The association's local addresses that a peer elsewhere can send to.

        For a wildcard socket the kernel lists all of the host's, loopback's too, though no INIT carries those.
        """
        listed = (_plain(address) for address, _ in self._sock.getladdrs())
        return frozenset(a for a in listed if not (ip_address(a).is_loopback or ip_address(a).is_link_local))

    def add(self, address: str) -> None:
        """Ask the peer to add a local address (ASCONF, ADD IP). OSError when the socket refuses."""
        self._sock.bindx([(address, self._port())], sctp.BINDX_ADD)

    def delete(self, address: str) -> None:
        """Ask the peer to delete a local address (ASCONF, DELETE IP). OSError when the socket refuses."""
        self._sock.bindx([(address, self._port())], sctp.BINDX_REMOVE)

    def set_primary(self, address: str) -> None:
        """Ask the peer to send to a local address (ASCONF, SET PRIMARY). OSError when the socket refuses."""
        self._sock.set_peer_primary(0, (address, self._port()))

    def shutdown(self) -> None:
        """End the association in order (SHUTDOWN)."""
        self._sock.sock().shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _port(self) -> int:
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


def _plain(address: str) -> str:
    """The address without the v4-mapped prefix that an IPv6 socket gives IPv4 peers."""
    return address.removeprefix("::ffff:") if "." in address else address
