"""The foreign agent as a process: the end of its visitors' tunnels, and the last hop to them over their own link."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from roamlab.agents.mobileip_io import Arrived, Discovery, Registration, Unreachable
from roamlab.agents.mobileip_settings import foreign_agent_config
from roamlab.agents.routing import TABLE
from roamlab.agents.tunnels import Tunnel
from roamlab.nodes.mobility_agent import MobilityAgent
from roamlab.protocols.mobileip.actions import (
    Action,
    AddVisitor,
    Decapsulate,
    RemoveVisitor,
    SendIcmp,
    SendUdp,
)
from roamlab.protocols.mobileip.foreign_agent import ForeignAgent
from roamlab.record.commands import Command, ServeForeignAgent
from roamlab.record.mobile_ip_events import TableRow

_REVERSE, _BARRIER = TABLE - 1, TABLE + 1  # priorities of rules, before and behind the visitors' table
_EVERYWHERE: Final = IPv4Network("0.0.0.0/0")


class ForeignAgentNode(MobilityAgent):
    """Runs :class:`ForeignAgent` on the kernel's tunnels and routes."""

    machine: ForeignAgent

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case ServeForeignAgent():
                self._start(command)
            case _:
                super().obey(command)

    def _start(self, chosen: ServeForeignAgent) -> None:
        config = foreign_agent_config(chosen)
        self.machine = ForeignAgent(config, self.first_advertisement())
        self.serve(self.machine, chosen.interface, IPv4Interface(chosen.address))

    def table(self) -> tuple[TableRow, ...]:
        """The visitor list."""
        return tuple(
            TableRow(
                home_address=str(v.home_address),
                home_agent=str(v.home_agent),
                care_of_address=str(v.care_of_address),
                link=v.link.hex(":"),
                lifetime=v.lifetime,
                expires_ns=v.expires,
                encapsulation=v.encapsulation.value,
                co_located=v.co_located,
                reverse=v.reverse,
            )
            for v in self.machine.visitors()
        )

    def take(self, arrived: Arrived, now: int) -> None:
        """Tell the machine what arrived."""
        match arrived:
            case Registration():
                self.machine.receive(
                    arrived.data,
                    arrived.source,
                    arrived.destination,
                    now,
                    link=arrived.link,
                    ttl=arrived.ttl,
                )
            case Discovery():
                self.machine.receive_icmp(arrived.data, arrived.source, now)
            case Unreachable():
                self.machine.unreachable(arrived.home_agent, arrived.code, now)

    def perform(self, action: Action) -> None:
        """Carry out an action."""
        match action:
            case SendUdp():
                self._port.send_udp(action, self._interface)
            case SendIcmp():
                self.advertise(action)
            case Decapsulate():
                self._end(action)
            case AddVisitor():
                self._add(action)
            case RemoveVisitor(home):
                self._remove(home)

    def _end(self, end: Decapsulate) -> None:
        user = ("end", end.care_of_address, end.encapsulation)
        if end.on:
            device = self._tunnels.use(user, Tunnel(end.care_of_address, None, end.encapsulation))
        else:
            device = self._tunnels.device(user) or ""
        if device:
            # What is for nobody on the visitor list must not be routed on: it would come back (RFC 5944, 4.2.2).
            self._routing.rule(into=device, table=None, priority=_BARRIER, on=end.on)
        if not end.on:
            self._tunnels.release(user)

    def _add(self, visitor: AddVisitor) -> None:
        home = visitor.home_address
        self._routing.neighbour(home, self._interface, visitor.link)
        self._routing.route(IPv4Network(home), self._interface)
        self._stop_reverse(home)
        if visitor.reverse:
            tunnel = Tunnel(visitor.care_of_address, visitor.home_agent, visitor.encapsulation)
            device = self._tunnels.use(home, tunnel)
            table = socket.if_nametoindex(device)
            self._routing.route(_EVERYWHERE, device, table=table)
            self._routing.rule(source=home, into=self._interface, table=table, priority=_REVERSE)

    def _remove(self, home: IPv4Address) -> None:
        self._stop_reverse(home)
        self._routing.delete_route(IPv4Network(home))
        self._routing.forget_neighbour(home, self._interface)

    def _stop_reverse(self, home: IPv4Address) -> None:
        if device := self._tunnels.device(home):
            table = socket.if_nametoindex(device)
            self._routing.rule(source=home, into=self._interface, table=table, priority=_REVERSE, on=False)
            self._tunnels.release(home)
