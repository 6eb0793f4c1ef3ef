"""Keeps MPTCP connections while a node's addresses change: the shell around `roamlab.protocols.subflows`."""

from __future__ import annotations

import socket
import time
from typing import Final

from roamlab.linux.errors import NetlinkError
from roamlab.linux.mptcp import PathManager, SubflowWatch, subflows
from roamlab.protocols.subflows import Act, EndpointChange, SubflowPolicy
from roamlab.record.mptcp_events import MptcpEndpoint, MptcpFullyEstablished
from roamlab.transports.base import Channel, Loop
from roamlab.transports.sockets import can_send

MOST: Final = 8
"""How many subflows a connection may have besides the first, and how many endpoints there may be (MPTCP_PM_ADDR_MAX)."""
_LOOK_NS: Final = 1_000_000
"""How often the kernel is asked whether a subflow is fully established; it sends no event for that."""
_LOOKS: Final = 10_000
_RETRY_NS: Final = 100_000
"""Linux tells of a new address before it can be bound to (see `nodes.mobile_node`)."""
_RETRIES: Final = 100


class MptcpPaths:
    """Adds an endpoint for each new address, and removes an old one as the policy says."""

    def __init__(self, loop: Loop, family: int, *, eager: bool = False, backup: bool = False) -> None:
        self._loop = loop
        self._family = family
        self._backup = backup
        self._policy = SubflowPolicy(eager=eager)
        self._manager = PathManager()
        self._manager.limits(MOST)
        self._numbers: dict[str, int] = {}
        """Of the endpoints that there are, by address."""
        self._peers: dict[int, tuple[str, int]] = {}
        """The peer of each channel that is up."""
        self._looks = 0
        watch = SubflowWatch(self._manager)
        loop.on_readable(watch, lambda: self._joined(watch))

    def address_up(self, address: str) -> None:
        """The node has an address."""
        self._policy.address_up(address)
        self._obey()

    def address_down(self, address: str) -> None:
        """The node has it no more."""
        self._policy.address_down(address)
        self._obey()

    def opened(self, channel: Channel) -> None:
        """A connection came up: its first subflow is fully established, or soon will be."""
        with socket.socket(fileno=socket.dup(channel.fileno())) as same:
            self._peers[channel.fileno()] = same.getpeername()[:2]
        self._begin_to_look()

    def closed(self, channel: Channel) -> None:
        """A connection ended."""
        self._peers.pop(channel.fileno(), None)

    def _obey(self) -> None:
        while (command := self._policy.next_command()) is not None:
            self._do(command, _RETRIES)

    def _do(self, command: EndpointChange, retries: int) -> None:
        if command.act is Act.ADD and retries and not self._usable(command.address):
            self._loop.at(
                time.clock_gettime_ns(time.CLOCK_REALTIME) + _RETRY_NS, lambda: self._do(command, retries - 1)
            )
            return
        refused = ""
        try:
            if command.act is Act.ADD:
                self._manager.add(command.address, self._numbered(command.address), backup=self._backup)
            elif command.address in self._numbers:
                self._manager.remove(command.address, self._numbers.pop(command.address))
        except NetlinkError as error:
            refused = str(error)
        self._loop.emit(MptcpEndpoint(command.act.value, command.address, refused))

    def _usable(self, address: str) -> bool:
        return all(can_send(address, peer) for peer in self._peers.values())

    def _numbered(self, address: str) -> int:
        """The lowest number that no endpoint has."""
        taken = set(self._numbers.values())
        return self._numbers.setdefault(address, next(n for n in range(1, 256) if n not in taken))

    def _joined(self, watch: SubflowWatch) -> None:
        joined = self._policy.waits_for() & set(watch.read())
        for address in joined:
            self._policy.joined(address)
        self._obey()
        if joined:
            self._begin_to_look()

    def _begin_to_look(self) -> None:
        begun, self._looks = self._looks > 0, _LOOKS
        if not begun:
            self._look()

    def _look(self) -> None:
        """Ask which subflows are fully established, and again in a millisecond while one is waited for."""
        found = subflows(self._family)
        connections = {subflow.token for subflow in found}
        for address in self._policy.waits_for():
            full = {subflow.token for subflow in found if subflow.full and subflow.local == address}
            if connections and full == connections:
                self._loop.emit(MptcpFullyEstablished(address))
                self._policy.established(address)
        self._looks -= 1
        if self._policy.waits_for() and self._looks:
            self._loop.at(time.clock_gettime_ns(time.CLOCK_REALTIME) + _LOOK_NS, self._look)
        else:
            self._looks = 0
        self._obey()
