"""Generic netlink: families of commands that a kernel's parts have under a name (linux/genetlink.h)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

from roamlab.linux.errors import MissingKernelOption, NetlinkError
from roamlab.linux.netlink import (
    ACK,
    DONE,
    DUMP,
    ERROR,
    HEADER,
    REQUEST,
    Received,
    attribute,
    attributes,
    frame,
    messages,
    open_socket,
)

_NETLINK_GENERIC: Final = 16
_GENERIC: Final = struct.Struct("=BBH")
"""genlmsghdr: command, version, reserved."""
_CONTROL, _GET_FAMILY = 0x10, 3
_FAMILY_ID, _FAMILY_NAME, _GROUPS = 1, 2, 7
_GROUP_NAME, _GROUP_ID = 1, 2
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1


class Family:
    """A family of commands, in the network namespace that the caller stands in.

    MissingKernelOption, which names ``option``, where the kernel has none of that name.
    """

    def __init__(self, name: str, option: str) -> None:
        self._socket = open_socket(_NETLINK_GENERIC)
        self._sequence = 0
        self._groups: dict[str, int] = {}
        self._number = self._found(name, option)

    def do(self, command: int, body: bytes, what: str) -> None:
        """Have a command carried out. NetlinkError, which says ``what`` was to be done, where it is refused."""
        self._send(self._number, command, body, ACK)
        for message in messages(self._socket.recv(65536)):
            if message.kind == ERROR and message.sequence == self._sequence and message.error:
                raise NetlinkError(message.error, what)

    def dump(self, command: int, body: bytes, what: str) -> Iterator[tuple[int, bytes]]:
        """The attributes of all that a command lists. NetlinkError as for `do`."""
        self._send(self._number, command, body, DUMP)
        while True:
            for message in messages(self._socket.recv(1 << 17)):
                if message.kind == ERROR and message.error:
                    raise NetlinkError(message.error, what)
                if message.kind in (DONE, ERROR):
                    return
                yield from attributes(message.data[HEADER.size + _GENERIC.size :])

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def group(self, name: str) -> int:
        """The number of a group of events, for a socket that is to be told of them; 0 where there is none."""
        return self._groups.get(name, 0)

    def _found(self, name: str, option: str) -> int:
        number = 0
        self._send(_CONTROL, _GET_FAMILY, attribute(_FAMILY_NAME, name.encode() + b"\0"), 0)
        for message in messages(self._socket.recv(65536)):
            if message.kind == ERROR:
                raise MissingKernelOption(option, f"ask for the netlink family {name}")
            for kind, value in attributes(message.data[HEADER.size + _GENERIC.size :]):
                if kind == _FAMILY_ID:
                    number = int(struct.unpack("=H", value[:2])[0])
                elif kind == _GROUPS:
                    self._groups = dict(_groups(value))
        return number

    def _send(self, kind: int, command: int, body: bytes, flags: int) -> None:
        self._sequence += 1
        self._socket.send(frame(kind, REQUEST | flags, self._sequence, _GENERIC.pack(command, 1, 0) + body))


def events(group: int) -> socket.socket:
    """A socket that is told of a group's events."""
    told = open_socket(_NETLINK_GENERIC)
    told.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    return told


def content(message: Received) -> tuple[int, Iterator[tuple[int, bytes]]]:
    """The command of a message of a family's, and its attributes; the command is -1 where the message is cut off."""
    start = HEADER.size
    if len(message.data) < start + _GENERIC.size:
        return -1, iter(())
    return message.data[start], attributes(message.data[start + _GENERIC.size :])


def _groups(value: bytes) -> Iterator[tuple[str, int]]:
    for _, group in attributes(value):
        told = dict(attributes(group))
        if _GROUP_NAME in told and _GROUP_ID in told:
            name = told[_GROUP_NAME].rstrip(b"\0").decode("ascii", "replace")
            yield name, int(struct.unpack("=I", told[_GROUP_ID])[0])
