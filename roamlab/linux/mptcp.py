"""The kernel's MPTCP path manager over generic netlink (linux/mptcp.h), and subflows over sock_diag.

An endpoint is an address that the kernel makes subflows from. What is here acts on the caller's network namespace.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from roamlab.linux.generic import Family, content, events
from roamlab.linux.netlink import (
    DONE,
    DUMP,
    ERROR,
    HEADER,
    REQUEST,
    attribute,
    attributes,
    frame,
    messages,
    nest,
    open_socket,
)

IPPROTO_MPTCP: Final = 262
_NETLINK_SOCK_DIAG: Final = 4

_ADD, _DELETE, _SET_LIMITS = 1, 2, 6
_ATTR_ADDRESS, _ATTR_ACCEPT, _ATTR_SUBFLOWS = 1, 2, 3
_FAMILY, _ID, _IPV4, _IPV6, _FLAGS = 1, 2, 3, 4, 6
_SUBFLOW: Final = 1 << 1
_BACKUP: Final = 1 << 2

_SUB_ESTABLISHED: Final = 10
_SADDR4, _SADDR6 = 5, 6

_SOCK_DIAG_BY_FAMILY: Final = 20
_DIAG_INFO, _DIAG_ULP, _ULP_MPTCP = 2, 19, 3
_ULP_TOKEN, _ULP_FLAGS = 2, 8
_FULLY_ESTABLISHED: Final = 1 << 6
_TCP_ESTABLISHED: Final = 1
_REQUEST: Final = struct.Struct("=BBBxI48x")
"""inet_diag_req_v2: family, protocol, extensions, states, and a socket's identity that matches all."""
_ANSWER: Final = struct.Struct("=BBBBHH16s16s")
"""The beginning of inet_diag_msg: family, state, timer, retransmissions, ports, addresses (network byte order)."""
_ANSWER_LENGTH: Final = 72


@dataclass(frozen=True, slots=True)
class Subflow:
    """A subflow of a connection, which its own ``token`` names; ``full`` once it may carry data."""

    token: int
    local: str
    full: bool


class PathManager:
    """A generic netlink socket to the path manager. MissingKernelOption where the kernel has none."""

    def __init__(self) -> None:
        self._family = Family("mptcp_pm", "CONFIG_MPTCP")
        self.events_group = self._family.group("mptcp_pm_events")

    def limits(self, subflows: int) -> None:
        """Have up to so many more subflows a connection, whichever side makes them. NetlinkError where it is refused."""
        body = attribute(_ATTR_ACCEPT, _u32(0)) + attribute(_ATTR_SUBFLOWS, _u32(subflows))
        self._family.do(_SET_LIMITS, body, "set the limits of MPTCP")

    def add(self, address: str, number: int, *, backup: bool = False) -> None:
        """Make an address an endpoint of that number (1 to 255): each connection gets a subflow from it. NetlinkError.

        A ``backup`` carries data only when no other subflow does.
        """
        ipv6 = ":" in address
        inner = (
            attribute(_FAMILY, struct.pack("=H", socket.AF_INET6 if ipv6 else socket.AF_INET))
            + attribute(_ID, bytes([number]))
            + attribute(_IPV6 if ipv6 else _IPV4, ip_address(address).packed)
            + attribute(_FLAGS, _u32(_SUBFLOW | (_BACKUP if backup else 0)))
        )
        self._family.do(_ADD, nest(_ATTR_ADDRESS, inner), f"add the MPTCP endpoint {address}")

    def remove(self, address: str, number: int) -> None:
        """Remove an endpoint: its subflows are closed, and the peer is told (REMOVE_ADDR). NetlinkError."""
        ipv6 = ":" in address
        inner = (
            attribute(_FAMILY, struct.pack("=H", socket.AF_INET6 if ipv6 else socket.AF_INET))
            + attribute(_ID, bytes([number]))
            + attribute(_IPV6 if ipv6 else _IPV4, ip_address(address).packed)
        )
        self._family.do(_DELETE, nest(_ATTR_ADDRESS, inner), f"remove the MPTCP endpoint {address}")

    def close(self) -> None:
        """Close the socket; endpoints stay as long as their namespace."""
        self._family.close()


class SubflowWatch:
    """A netlink socket that can be read when a subflow was set up as far as its initiator knows: at the SYN/ACK."""

    def __init__(self, manager: PathManager) -> None:
        self._socket = events(manager.events_group)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Iterator[str]:
        """The local addresses of the subflows that one datagram tells of; does not wait."""
        try:
            data = self._socket.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        for message in messages(data):
            command, told = content(message)
            if command != _SUB_ESTABLISHED:
                continue
            for kind, value in told:
                if kind in (_SADDR4, _SADDR6):
                    yield str(ip_address(value))

    def close(self) -> None:
        """Watch no longer."""
        self._socket.close()


def subflows(family: int) -> list[Subflow]:
    """The established subflows of all connections over IPv4 or IPv6 (``family`` 4 or 6) of this network namespace."""
    found: list[Subflow] = []
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    body = _REQUEST.pack(kind, socket.IPPROTO_TCP, 1 << (_DIAG_INFO - 1), 1 << _TCP_ESTABLISHED)
    with open_socket(_NETLINK_SOCK_DIAG) as asked:
        asked.send(frame(_SOCK_DIAG_BY_FAMILY, REQUEST | DUMP, 1, body))
        while True:
            for message in messages(asked.recv(1 << 17)):
                if message.kind in (DONE, ERROR):
                    return found
                if (subflow := _subflow(message.data[HEADER.size :])) is not None:
                    found.append(subflow)


def _subflow(answer: bytes) -> Subflow | None:
    family, _, _, _, _, _, source, _ = _ANSWER.unpack_from(answer)
    local = str(ip_address(source[:4] if family == socket.AF_INET else source))
    for kind, value in attributes(answer[_ANSWER_LENGTH:]):
        if kind != _DIAG_ULP:
            continue
        told = dict(pair for of, inner in attributes(value) if of == _ULP_MPTCP for pair in attributes(inner))
        if _ULP_FLAGS in told and _ULP_TOKEN in told:
            (flags,), (token,) = (struct.unpack("=I", told[kind][:4]) for kind in (_ULP_FLAGS, _ULP_TOKEN))
            return Subflow(token, local, bool(flags & _FULLY_ESTABLISHED))
    return None


def _u32(value: int) -> bytes:
    return struct.pack("=I", value)
