"""What home and foreign agents have in common as processes: one link that they serve, and a table that they keep."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from ipaddress import IPv4Address, IPv4Interface

from roamlab.agents.agent import Agent, now_ns
from roamlab.agents.mobileip_io import Arrived, Discovery, MobileIpPort, Registration
from roamlab.agents.mobileip_shell import Machine, Shell, fresh_random
from roamlab.agents.routing import Routing
from roamlab.agents.tunnels import Tunnels
from roamlab.protocols.mobileip.actions import Action, SendIcmp
from roamlab.protocols.mobileip.advertisement import AgentSolicitation
from roamlab.protocols.mobileip.identification import SECOND
from roamlab.record.mobile_ip_events import MipServing, MipTable, TableRow


class MobilityAgent(Agent, ABC):
    """A router that serves mobile nodes. Subclasses make the machine, and carry out what it asks for."""

    def __init__(self, name: str, control: socket.socket) -> None:
        super().__init__(name, control)
        self._address = IPv4Address(0)
        self._broadcast = IPv4Address(0xFFFFFFFF)
        self._interface = ""
        self._table: tuple[TableRow, ...] | None = None  # as last reported

    def serve(self, machine: Machine, interface: str, own: IPv4Interface) -> None:
        """Start to serve the link of ``interface``, after clearing away what a crashed agent left in the kernel."""
        self._interface, self._address = interface, own.ip
        self._broadcast = own.network.broadcast_address
        self._routing = Routing()
        self._tunnels = Tunnels(self._routing)
        self._tunnels.clear([name for _, name in socket.if_nameindex()])
        self._routing.flush()
        self._routing.rule()
        self._port = MobileIpPort()
        self._shell = Shell(self, machine, self.perform, settled=self._tell)
        self.on_readable(self._port, self._read)
        self.emit(MipServing(interface, str(own.ip)))
        self._shell.settle()

    # -- what subclasses are

    @abstractmethod
    def table(self) -> tuple[TableRow, ...]:
        """The table, a row for each binding or visitor."""

    @abstractmethod
    def perform(self, action: Action) -> None:
        """Carry out an action. OSError for what the kernel refuses."""

    @abstractmethod
    def take(self, arrived: Arrived, now: int) -> None:
        """Tell the machine what arrived."""

    # -- what they use

    def advertise(self, action: SendIcmp) -> None:
        """Send an agent advertisement on the link."""
        self._port.send_icmp(action, self._interface, self._address)

    @staticmethod
    def first_advertisement() -> int:
        """When to begin (ns): within a second, at random, so that agents don't advertise in step (RFC 1256, 4.3)."""
        return now_ns() + fresh_random().randrange(SECOND)

    def _read(self) -> None:
        for arrived in self._port.read():
            if self._ours(arrived):
                self.take(arrived, self._shell.now())
        self._shell.settle()

    def _ours(self, arrived: Arrived) -> bool:
        """Whether this agent is meant; what it only forwards as a router passes by here as well."""
        if isinstance(arrived, Discovery):
            return arrived.interface == self._interface and arrived.type == AgentSolicitation.TYPE
        if isinstance(arrived, Registration):
            to = arrived.destination.address
            return to in (self._address, self._broadcast) or to.is_multicast or int(to) == 0xFFFFFFFF
        return True

    def _tell(self) -> None:
        if (table := self.table()) != self._table:
            self._table = table
            self.emit(MipTable(table))
