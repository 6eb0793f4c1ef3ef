"""usrsctp, FreeBSD's SCTP as a library (libusrsctp, usrsctp.h of 0.9.5): the calls that a transport needs, through ctypes.

The library has threads of its own: one for timers, one for each socket that it receives from. They tell of events through a
callback, which does nothing but make a descriptor readable; everything else happens in the thread that calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roamlab.errors import LabError, UnsupportedHere
from roamlab.linux.addresses import listed

NAME, PACKAGE = "libusrsctp.so.2", "libusrsctp2"
MARK: Final = 1
"""Of the packets that the library sends itself: the kernel's own SCTP is to be kept from answering (`silence`)."""
IPPROTO_SCTP: Final = 132
VRF: Final = 0
_ETHERNET: Final = 6
_NODELAY, _SET_PEER_PRIMARY, _DELAYED_SACK, _EVENT, _UDP_PORT = 0x04, 0x06, 0x0F, 0x1E, 0x24
_ASSOCIATION_CHANGE, _ADDRESS_CHANGE = 1, 2
_NOTIFICATION: Final = 0x2000
_LARGEST: Final = 65536
_BUFFER: Final = 4 << 20
_WAITS: Final = frozenset({errno.EAGAIN, errno.EINPROGRESS})
_STORAGE: Final = 128  # sizeof(struct sockaddr_storage)
_EVENTS: Final = struct.Struct("=IHBx")
_SACK: Final = struct.Struct("=III")
_ASSOCIATION: Final = struct.Struct("=HHIHHHHI")
_ADDRESS: Final = struct.Struct(f"=HHI{_STORAGE}sII")
_ENCAPSULATION: Final = struct.Struct(f"={_STORAGE}sIH2x")
_SEND_INFO: Final = struct.Struct("=HHIII")
_WITH_SEND_INFO: Final = 1

_Upcall = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)


@dataclass(frozen=True, slots=True)
class AssociationChange:
    """A change of an association's state (RFC 6458, 6.1.1)."""

    state: int
    error: int


@dataclass(frozen=True, slots=True)
class PeerAddressChange:
    """A change of the state of one of the peer's addresses (RFC 6458, 6.1.2)."""

    address: str
    state: int
    error: int


@dataclass(frozen=True, slots=True)
class OtherChange:
    """A notification of another kind, by its number."""

    kind: int


def load() -> ctypes.CDLL:
    """The library, not started. UnsupportedHere where this machine has none."""
    try:
        return ctypes.CDLL(NAME, use_errno=True)
    except OSError:
        raise UnsupportedHere(f"there is no {NAME} here; install Debian's package {PACKAGE}") from None


class Library:
    """The library in this process, started once.

    Args:
        udp_port: where it receives SCTP over UDP (RFC 6951), 0 for nowhere.
        mobility: whether its functions for mobile hosts are on (mobility_base, mobility_fasthandoff).

    Raises UnsupportedHere where this machine has no such library.

    """

    _running: Library | None = None

    def __init__(self, udp_port: int, *, mobility: bool) -> None:
        self.calls = load()
        self.udp_port = udp_port
        self.mobility = mobility
        _declare(self.calls)
        before = set(_descriptors())
        self.calls.usrsctp_init(udp_port, None, None)
        for descriptor in set(_descriptors()) - before:
            _mark(descriptor)
        if mobility:
            self.calls.usrsctp_sysctl_set_sctp_mobility_base(1)
            self.calls.usrsctp_sysctl_set_sctp_mobility_fasthandoff(1)

    @classmethod
    def running(cls) -> Library | None:
        """The library where this process has started it."""
        return cls._running

    @classmethod
    def start(cls, udp_port: int = 0, *, mobility: bool = False) -> Library:
        """The library, started if it is not. LabError where it runs with other settings."""
        if cls._running is None:
            cls._running = cls(udp_port, mobility=mobility)
        elif (cls._running.udp_port, cls._running.mobility) != (udp_port, mobility):
            raise LabError("one process can run usrsctp with one UDP port and one set of settings only")
        return cls._running

    def address_up(self, address: str, index: int, nic: str, *, announced: bool = True) -> None:
        """Tell the library of a new address of this node: it looks for them when it is started only.

        Associations that are bound to all addresses announce it, unless it is not to be ``announced``.
        """
        self.calls.sctp_add_addr_to_vrf(
            VRF, None, index, _ETHERNET, nic.encode(), None, sockaddr(address, 0), 0, int(announced)
        )

    def address_down(self, address: str, index: int, nic: str) -> None:
        """Tell the library that an address is gone."""
        self.calls.sctp_del_addr_from_vrf(VRF, sockaddr(address, 0), index, nic.encode())

    def forget_ipv4(self) -> None:
        """Have it use no IPv4 addresses: a socket for IPv6 would take them as well, and cannot be told not to."""
        for address, (index, nic) in listed(socket.AF_INET):
            self.address_down(address, index, nic)


class Socket:
    """A one-to-one SCTP socket of the library's; nothing here waits. ``fileno`` can be read when there may be something new.

    Errors are OSError.
    """

    def __init__(self, library: Library, handle: int) -> None:
        self._library, self._calls, self._handle = library, library.calls, handle
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        wake = self._wake
        # The callback must live as long as the library may call it: to the end of the process.
        self._upcall = _Upcall(lambda *_: os.eventfd_write(wake, 1))
        _KEPT.append(self._upcall)
        self._buffer = ctypes.create_string_buffer(_LARGEST)
        self._calls.usrsctp_set_non_blocking(handle, 1)
        self._calls.usrsctp_set_upcall(handle, self._upcall, None)

    @classmethod
    def open(cls, library: Library, local: str, port: int) -> Socket:
        """A socket that is bound to an address; the wildcard address stands for all that the node has and will have."""
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        if family == socket.AF_INET6:
            library.forget_ipv4()
        for address, (index, nic) in listed(family):
            if address == local:  # which may have come since the library was started
                library.address_up(address, index, nic, announced=False)
        handle = library.calls.usrsctp_socket(family, socket.SOCK_STREAM, IPPROTO_SCTP, None, None, 0, None)
        _check(0 if handle else -1, "usrsctp_socket")
        opened = cls(library, handle)
        opened.prepare()
        name = sockaddr(local, port)
        _check(library.calls.usrsctp_bind(handle, name, len(name)), f"bind to {local}")
        return opened

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._wake

    def prepare(self) -> None:
        """Set what all sockets here have, as the kernel's have it too: notifications, no waiting, a SACK for each packet."""
        for kind in (_ASSOCIATION_CHANGE, _ADDRESS_CHANGE):
            self._set(_EVENT, _EVENTS.pack(0, kind, 1))
        self._set(_NODELAY, struct.pack("=i", 1))
        self._set(_DELAYED_SACK, _SACK.pack(0, 0, 1))
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            size = struct.pack("=i", _BUFFER)
            _check(
                self._calls.usrsctp_setsockopt(self._handle, socket.SOL_SOCKET, option, size, 4),
                "set a buffer",
            )
        if self._library.udp_port:
            port = socket.htons(self._library.udp_port)
            family = struct.pack("=H", socket.AF_INET)
            self._set(_UDP_PORT, _ENCAPSULATION.pack(family, 0, port))

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; a notification follows."""
        name = sockaddr(peer, port)
        if self._calls.usrsctp_connect(self._handle, name, len(name)) < 0:
            code = ctypes.get_errno()
            if code not in _WAITS:
                raise OSError(code, f"connect to {peer}: {os.strerror(code)}")

    def listen(self) -> None:
        """Wait for associations."""
        _check(self._calls.usrsctp_listen(self._handle, 128), "listen")

    def accept(self) -> Socket | None:
        """The next association, or None when there is none now."""
        self._heard()
        handle = self._calls.usrsctp_accept(self._handle, None, None)
        return Socket(self._library, handle) if handle else None

    def send(self, data: bytes) -> bool:
        """Send a message; False when there is no room for it now."""
        told = _SEND_INFO.pack(0, 0, 0, 0, 0)
        sent = self._calls.usrsctp_sendv(
            self._handle, data, len(data), None, 0, told, len(told), _WITH_SEND_INFO, 0
        )
        if sent >= 0:
            return True
        code = ctypes.get_errno()
        if code in _WAITS:
            return False
        raise OSError(code, f"send: {os.strerror(code)}")

    def receive(self) -> bytes | AssociationChange | PeerAddressChange | OtherChange | None:
        """The next message or notification; b"" at the end of the association, None when there is nothing now."""
        if self._wake < 0:
            return b""
        self._heard()
        flags, length, kind = ctypes.c_int(0), ctypes.c_uint32(0), ctypes.c_uint(0)
        got = self._calls.usrsctp_recvv(
            self._handle,
            self._buffer,
            _LARGEST,
            None,
            ctypes.byref(length),
            None,
            ctypes.byref(length),
            ctypes.byref(kind),
            ctypes.byref(flags),
        )
        if got < 0:
            return None if ctypes.get_errno() in _WAITS else b""
        data = ctypes.string_at(self._buffer, got)
        return _notification(data) if flags.value & _NOTIFICATION else data

    def set_primary(self, address: str) -> None:
        """Ask the peer to send to a local address (ASCONF, SET PRIMARY)."""
        self._set(_SET_PEER_PRIMARY, sockaddr(address, 0).ljust(_STORAGE, b"\0") + bytes(8))

    def shutdown(self) -> None:
        """End the association in order."""
        self._calls.usrsctp_shutdown(self._handle, socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        if self._wake >= 0:
            self._calls.usrsctp_set_upcall(self._handle, _Upcall(0), None)
            self._calls.usrsctp_close(self._handle)
            os.close(self._wake)
            self._wake = -1

    def _heard(self) -> None:
        """Take the events so far as read: what comes from now on makes the descriptor readable again."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return

    def _set(self, option: int, value: bytes) -> None:
        result = self._calls.usrsctp_setsockopt(self._handle, IPPROTO_SCTP, option, value, len(value))
        _check(result, f"set option {option:#x}")


_KEPT: Final[list[object]] = []
"""Callbacks that were given to the library."""


def sockaddr(address: str, port: int) -> bytes:
    """An address and port as C has them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    if family == socket.AF_INET6:
        return struct.pack("=H", family) + struct.pack("!HI16sI", port, 0, packed, 0)
    return struct.pack("=H", family) + struct.pack("!H4s8x", port, packed)


def _plain(stored: bytes) -> str:
    (family,) = struct.unpack_from("=H", stored)
    if family == socket.AF_INET:
        return socket.inet_ntop(family, stored[4:8])
    return socket.inet_ntop(socket.AF_INET6, stored[8:24]) if family == socket.AF_INET6 else ""


def _notification(data: bytes) -> AssociationChange | PeerAddressChange | OtherChange:
    (kind,) = struct.unpack_from("=H", data)
    if kind == _ASSOCIATION_CHANGE and len(data) >= _ASSOCIATION.size:
        _, _, _, state, error, _, _, _ = _ASSOCIATION.unpack_from(data)
        return AssociationChange(state, error)
    if kind == _ADDRESS_CHANGE and len(data) >= _ADDRESS.size:
        _, _, _, stored, state, error = _ADDRESS.unpack_from(data)
        return PeerAddressChange(_plain(stored), state, error)
    return OtherChange(kind)


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"usrsctp cannot {what}: {os.strerror(code)}")


def _descriptors() -> Iterator[int]:
    for entry in Path("/proc/self/fd").iterdir():
        yield int(entry.name)


def _mark(descriptor: int) -> None:
    """Mark what a raw SCTP socket sends; other descriptors are left as they are."""
    try:
        held = socket.socket(fileno=os.dup(descriptor))
    except OSError:  # the one that listed the directory, or no socket
        return
    with held:
        if held.type == socket.SOCK_RAW and held.proto == IPPROTO_SCTP:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)


def _declare(calls: ctypes.CDLL) -> None:
    """Say what the calls take and give, where it is no int."""
    pointer, size, signed = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_ssize_t
    number, text = ctypes.c_uint32, ctypes.c_char_p
    calls.usrsctp_init.argtypes = [ctypes.c_uint16, pointer, pointer]
    calls.usrsctp_socket.argtypes = [ctypes.c_int] * 3 + [pointer, pointer, number, pointer]
    calls.usrsctp_socket.restype = pointer
    calls.usrsctp_accept.argtypes = [pointer, pointer, pointer]
    calls.usrsctp_accept.restype = pointer
    for name in ("bind", "connect"):
        getattr(calls, f"usrsctp_{name}").argtypes = [pointer, text, number]
    calls.usrsctp_setsockopt.argtypes = [pointer, ctypes.c_int, ctypes.c_int, text, number]
    for name in ("listen", "set_non_blocking", "shutdown"):
        getattr(calls, f"usrsctp_{name}").argtypes = [pointer, ctypes.c_int]
    calls.usrsctp_set_upcall.argtypes = [pointer, _Upcall, pointer]
    calls.usrsctp_close.argtypes = [pointer]
    calls.usrsctp_sendv.argtypes = [
        *(pointer, text, size, pointer, ctypes.c_int, text, number, ctypes.c_uint, ctypes.c_int)
    ]
    calls.usrsctp_sendv.restype = signed
    calls.usrsctp_recvv.argtypes = [pointer, pointer, size, *[pointer] * 6]
    calls.usrsctp_recvv.restype = signed
    calls.sctp_add_addr_to_vrf.argtypes = [
        *(number, pointer, number, number, text, pointer, text, number, ctypes.c_int)
    ]
    calls.sctp_add_addr_to_vrf.restype = pointer
    calls.sctp_del_addr_from_vrf.argtypes = [number, text, number, text]
    calls.sctp_del_addr_from_vrf.restype = None
