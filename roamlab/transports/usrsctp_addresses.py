"""The addresses of a node as usrsctp is told of them: on Linux it looks for them once, when it is started.

What it is told of it announces by itself (SCTP_AUTO_ASCONF): ADD for an address that comes, DELETE for one that goes. What
it is told within some milliseconds goes into one ASCONF.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Final

from roamlab.linux.addresses import listed
from roamlab.transports.base import Channel, Loop
from roamlab.transports.usrsctp_channel import UsrsctpAssociation
from roamlab.transports.usrsctp_library import Library

_SEEN_NS: Final = 15_000_000
"""How long its threads take at most to see what it is told: its timers wait 2 ms and go by a clock of 10 ms."""

_SETTLE_NS: Final = 1_000_000
"""How long it is looked whether an address that was there goes as a new one comes: then it takes that one's place."""


class UsrsctpAddresses:
    """Has each new address take the place of the others.

    Where the last address has gone, usrsctp keeps its DELETE back until there is another (RFC 5061, 5.3, F5), and then sends
    ADD, DELETE and SET PRIMARY in one ASCONF, all by itself; it must only have seen the one before it is told of the other.
    Where others are still there, it is asked for SET PRIMARY, and sends DELETE for each when that goes. With ``plain`` it is
    told of what happens when it happens.
    """

    def __init__(self, loop: Loop, family: int, *, plain: bool) -> None:
        self._loop = loop
        self._family = socket.AF_INET6 if family == 6 else socket.AF_INET
        self._plain = plain
        self._nics: dict[str, tuple[int, str]] = {}
        """The NIC of each address that there was, by index and name."""
        self._present: dict[str, None] = {}
        """The node's addresses, in the order in which they came."""
        self._told: dict[str, None] = {}
        """Those that usrsctp has."""
        self._waiting: deque[tuple[str, bool, int]] = deque()
        """What is still to be told: an address, whether it came, and when that may be told at the earliest."""
        self._free_ns = 0
        """When usrsctp will have seen what it was told last."""
        self._channels: list[UsrsctpAssociation] = []

    def address_up(self, address: str) -> None:
        """The node has an address."""
        self._nics |= {found: nic for found, nic in listed(self._family) if found == address}
        if address not in self._nics:
            return  # gone again
        self._present[address] = None
        if Library.running() is None:
            self._told[address] = None  # it finds it when it is started
        else:
            settled_ns = _now_ns() + (_SETTLE_NS if self._told and not self._plain else 0)
            self._waiting.append((address, True, settled_ns))
            self._go_on()

    def address_down(self, address: str) -> None:
        """The node has it no more."""
        self._present.pop(address, None)
        self._waiting.appendleft((address, False, 0))
        self._go_on()

    def opened(self, channel: Channel) -> None:
        """An association came up."""
        if isinstance(channel, UsrsctpAssociation):
            self._channels.append(channel)

    def closed(self, channel: Channel) -> None:
        """It ended."""
        if isinstance(channel, UsrsctpAssociation) and channel in self._channels:
            self._channels.remove(channel)

    def _go_on(self) -> None:
        """Tell what waits, one thing after the other; what is no longer so is left out."""
        while self._waiting:
            due_ns = max(self._free_ns, self._waiting[0][2])
            if not self._plain and _now_ns() < due_ns:
                self._loop.at(due_ns, self._go_on)
                return
            address, came, _ = self._waiting.popleft()
            if came == (address in self._present) and came != (address in self._told):
                self._free_ns = _now_ns() + _SEEN_NS
                if came:
                    self._add(address)
                else:
                    self._remove(address)

    def _add(self, address: str) -> None:
        library = Library.running()
        assert library is not None
        if self._told and not self._plain:
            self._loop.at(_now_ns() + _SEEN_NS, lambda: self._prefer(address))
        library.address_up(address, *self._nics[address])
        self._told[address] = None

    def _prefer(self, address: str) -> None:
        """Ask for an address as the primary one."""
        if [*self._present][-1:] != [address]:
            return  # another one came, or this one is gone
        for channel in self._channels:
            channel.set_primary(address)

    def _remove(self, address: str) -> None:
        library = Library.running()
        if library is not None:
            library.address_down(address, *self._nics[address])
        self._told.pop(address, None)


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
