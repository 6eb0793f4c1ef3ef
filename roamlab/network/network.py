"""What all parts of one network share: the network's own namespace, numbers, batches of requests, and events.

Everything is numbered in the order of making, so the same topology always gives the same indices, names and MAC
addresses. Device indices are the network's choice and differ in all of its namespaces: requests can then name a device that
an earlier request of the same batch makes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from roamlab.linux.namespace import Namespace
from roamlab.linux.rtnetlink import set_link
from roamlab.network.sentinel import Sentinel
from roamlab.record.events import NicEvent

if TYPE_CHECKING:
    from roamlab.network.intf import Intf

LOOPBACK: Final = 1  # its index in every namespace
_FIRST_INDEX: Final = 100  # above what a kernel puts into a fresh namespace by itself (lo, tunl0, ...)
# Bridges and the inner ends of wires are cables: nothing of IPv6 may come from them.
_LAB_SYSCTLS: Final = {"net.ipv6.conf.default.disable_ipv6": 1, "net.ipv6.conf.all.disable_ipv6": 1}


OnEvent = Callable[[NicEvent], None]
"""Told of each change to a NIC; its time is CLOCK_REALTIME the moment before the kernel was asked for the change."""


class Network:
    """The shared part of one network."""

    def __init__(self, on_event: OnEvent | None = None) -> None:
        """Make the network's own namespace, where switches and the inner ends of wires live.

        Raises:
            PermissionError: the caller may not make network namespaces.

        """
        self.namespace = Namespace.new(_LAB_SYSCTLS)
        self.on_event = on_event
        self.on_nic: Callable[[Intf], None] | None = None
        self._hosts: list[Namespace] = []
        self._nodes = 0
        self._index = _FIRST_INDEX - 1
        self._depth = 0
        self._fresh: list[Intf] = []
        self._unsettled = False
        try:
            self.namespace.rtnl.do(set_link(LOOPBACK, up=True))
            self._sentinel = Sentinel(self.namespace, self.next_index(), self.next_index())
        except BaseException:
            self.close()
            raise

    def next_index(self) -> int:
        """A device index that is free in all of the network's namespaces."""
        self._index += 1
        return self._index

    def next_node(self) -> int:
        """The number of a new node, from 1."""
        self._nodes += 1
        return self._nodes

    @staticmethod
    def inner_mac(index: int) -> str:
        """The locally administered MAC address of a bridge or an inner end."""
        return f"02:01:00:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"

    def join(self, namespace: Namespace) -> None:
        """Let a host's namespace take part in batches."""
        self._hosts.append(namespace)

    def leave(self, namespace: Namespace) -> None:
        """Take a host's namespace out."""
        self._hosts.remove(namespace)

    def fresh(self, nic: "Intf") -> None:
        """A host's NIC is about to be made; `on_nic` is told once it exists and before it is up."""
        self._fresh.append(nic)

    def carrier_changes(self) -> None:
        """A carrier comes or goes in this batch: it ends when the kernel has drawn the consequences."""
        self._unsettled = True

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Collect requests and send them at the end of the outermost batch, the network's own first, then host by host.

        Raises:
            NetlinkError, MissingKernelOption: the kernel refused one.

        """
        self._depth += 1
        try:
            yield
            if self._depth == 1:
                self.flush()
        except BaseException:
            for namespace in (self.namespace, *self._hosts):
                namespace.rtnl.forget()
            self._fresh.clear()
            self._unsettled = False
            raise
        finally:
            self._depth -= 1

    def flush(self) -> None:
        """Send what the batch has collected so far."""
        self.namespace.rtnl.flush()
        fresh, self._fresh = self._fresh, []
        for nic in fresh:
            nic.made()
            if self.on_nic is not None:
                self.on_nic(nic)
        for host in self._hosts:
            host.rtnl.flush()
        if self._unsettled:
            self._unsettled = False
            self._sentinel.settle()

    @contextmanager
    def change(self, event: NicEvent) -> Iterator[None]:
        """A batch that is an event: told when it has succeeded, with the time at which it began."""
        event.t = time.time_ns()
        with self.batch():
            yield
        if self.on_event is not None:
            self.on_event(event)

    def close(self) -> None:
        """Let go of the network's own namespace."""
        self.namespace.close()
