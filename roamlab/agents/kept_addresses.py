"""Addresses that a mobile node has lost, kept on its loopback until the peer knows of the one that replaces them.

Linux treats the loss of an association's last address as a timeout once it has another one: a congestion window of one packet
(docs/findings.md, 25). With the old address on its loopback the kernel has not lost it. It goes on sending from it, and every
such packet leaves from the new address (``roamlab/agents/rewriter.py``): the old one is on no wire.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Final

from roamlab.linux import rtnetlink
from roamlab.linux.errors import NetlinkError
from roamlab.linux.netlink import Request, Rtnl

_LOOPBACK_INDEX: Final = 1  # in every namespace


class KeptAddresses:
    """The addresses that are kept now. OSError for what the kernel refuses."""

    def __init__(self) -> None:
        self._rtnl: Rtnl | None = None  # made when something is kept: most runs never lose their last address
        self._asked: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        return address in self._asked

    def addresses(self) -> tuple[str, ...]:
        """What is kept, in the order in which it was lost."""
        return tuple(self._asked)

    def keep(self, address: str) -> None:
        """Have the kernel keep an address that its NIC has lost."""
        self._asked.setdefault(address, False)
        self._do(rtnetlink.add_address(_LOOPBACK_INDEX, _alone(address)))

    def asked(self, address: str) -> None:
        """Take note that the kernel was asked to delete an address from the association."""
        self._asked[address] = True

    def is_asked(self, address: str) -> bool:
        """Whether it was."""
        return self._asked[address]

    def drop(self, address: str) -> None:
        """Keep an address no longer."""
        del self._asked[address]
        self._do(rtnetlink.delete_address(_LOOPBACK_INDEX, _alone(address)))

    def _do(self, request: Request) -> None:
        self._rtnl = self._rtnl or Rtnl(explained=False)
        try:
            self._rtnl.do(request)
        except NetlinkError as error:
            raise OSError(error.errno, str(error)) from None


def _alone(address: str) -> IPv4Interface | IPv6Interface:
    """The address without a network around it."""
    return ip_interface(address)
