"""Links and addresses of this node as the kernel reports them, over rtnetlink."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_GETADDR,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTMGRP_IPV4_IFADDR,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_LINK,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from roamlab.linux.netlink import DONE, DUMP, REQUEST, messages, open_socket

_TENTATIVE: Final = (
    0x40  # IFA_F_TENTATIVE: duplicate address detection is not done, the address not usable yet
)
_ETHERNET: Final = 1  # ARPHRD_ETHER: a NIC, not a tunnel
_RUNNING: Final = 0x40  # IFF_RUNNING: the link carries


@dataclass(frozen=True, slots=True)
class AddressChange:
    """A global address became usable (``up``) or went."""

    nic: str
    address: str
    up: bool


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A NIC gained or lost its carrier, or went."""

    nic: str
    up: bool


class AddressWatch:
    """A netlink socket that tells what changes; the addresses there are now come first."""

    def __init__(self) -> None:
        groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
        self._socket = open_socket(socket.NETLINK_ROUTE, groups)
        self._names: dict[int, str] = {}
        self._links: dict[int, bool] = {}
        request = ifaddrmsg()
        request["header"] = {
            "type": RTM_GETADDR,
            "flags": REQUEST | DUMP,
            "sequence_number": 1,
            "pid": 0,
        }
        request.encode()
        self._socket.send(request.data)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Watch no longer."""
        self._socket.close()

    def read(self) -> Iterator[AddressChange | LinkChange]:
        """What one datagram of the kernel's says, if there is one, without IPv6 addresses under duplicate address detection.

        Does not wait: what made the socket readable may have been read by another action of the same turn.
        """
        try:
            data = self._socket.recv(1 << 17, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        for message in messages(data):
            if message.kind == DONE:
                return
            if message.kind in (RTM_NEWADDR, RTM_DELADDR):
                yield from self._address(_decoded(ifaddrmsg, message.data), up=message.kind == RTM_NEWADDR)
            elif message.kind in (RTM_NEWLINK, RTM_DELLINK):
                yield from self._link(_decoded(ifinfmsg, message.data), present=message.kind == RTM_NEWLINK)

    def _address(self, message: Any, *, up: bool) -> Iterator[AddressChange]:
        flags = message.get_attr("IFA_FLAGS") or message["flags"]
        if message["scope"] != 0 or (up and flags & _TENTATIVE):
            return
        address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        yield AddressChange(self._name(message["index"]), address, up)

    def _link(self, message: Any, *, present: bool) -> Iterator[LinkChange]:
        index = message["index"]
        self._names[index] = message.get_attr("IFLA_IFNAME")
        up = present and bool(message["flags"] & _RUNNING)
        if self._links.get(index) != up and message["ifi_type"] == _ETHERNET:
            self._links[index] = up
            yield LinkChange(self._names[index], up)

    def _name(self, index: int) -> str:
        if index not in self._names:
            try:
                self._names[index] = socket.if_indextoname(index)
            except OSError:  # it went before we asked
                return f"#{index}"
        return self._names[index]


def _decoded(kind: Any, data: bytes) -> Any:
    message = kind(data)
    message.decode()
    return message
