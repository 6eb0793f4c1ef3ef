"""The home agent as a process: a tunnel for each mobility binding, proxy and gratuitous ARP on the home link."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from roamlab.agents.mobileip_io import Arrived, Discovery, Registration, announce
from roamlab.agents.mobileip_settings import home_agent_config
from roamlab.agents.mobileip_shell import fresh_random
from roamlab.agents.routing import TABLE, answer_proxied_at_once, learned_link
from roamlab.agents.tunnels import Tunnel
from roamlab.nodes.mobility_agent import MobilityAgent
from roamlab.protocols.mobileip.actions import (
    Action,
    AddTunnel,
    GratuitousArp,
    ProxyArp,
    RemoveTunnel,
    SendIcmp,
    SendUdp,
)
from roamlab.protocols.mobileip.home_agent import HomeAgent
from roamlab.record.commands import Command, ServeHomeAgent
from roamlab.record.mobile_ip_events import TableRow

# Priorities of the rules that drop what comes back through a tunnel, and of those that let what was agreed on pass by them.
_PASS, _BARRIER = TABLE - 2, TABLE - 1


class HomeAgentNode(MobilityAgent):
    """Runs :class:`HomeAgent` on the kernel's tunnels. A home address has one tunnel: that of its newest binding."""

    machine: HomeAgent

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case ServeHomeAgent():
                self._start(command)
            case _:
                super().obey(command)

    def _start(self, chosen: ServeHomeAgent) -> None:
        config = home_agent_config(chosen)
        self._link: tuple[IPv4Address, bytes] = (config.address, b"")
        self.machine = HomeAgent(config, fresh_random(), self.first_advertisement())
        answer_proxied_at_once(chosen.interface)
        self.serve(self.machine, chosen.interface, IPv4Interface(chosen.address))

    def table(self) -> tuple[TableRow, ...]:
        """The mobility binding table."""
        return tuple(
            TableRow(
                home_address=str(b.home_address),
                care_of_address=str(b.care_of_address),
                lifetime=b.lifetime,
                expires_ns=b.expires,
                encapsulation=b.encapsulation.value,
                co_located=b.co_located,
                reverse=b.reverse,
            )
            for b in self.machine.bindings()
        )

    def take(self, arrived: Arrived, now: int) -> None:
        """Tell the machine what arrived."""
        if isinstance(arrived, Registration):
            at_home = arrived.interface == self._interface
            self._link = (arrived.source.address, arrived.link if at_home else b"")
            self.machine.receive(
                arrived.data, arrived.source, arrived.destination, now, link=arrived.link if at_home else b""
            )
        elif isinstance(arrived, Discovery):
            self.machine.receive_icmp(arrived.data, arrived.source, now)

    def perform(self, action: Action) -> None:
        """Carry out an action."""
        match action:
            case SendUdp():
                self._reply(action)
            case SendIcmp():
                self.advertise(action)
            case AddTunnel():
                self._add(action)
            case RemoveTunnel(home, care_of):
                self._remove(home, care_of)
            case ProxyArp(home, on=on):
                self._routing.proxy(home, self._interface, on=on)
            case GratuitousArp(home, of_mobile_node, link):
                known = (link or learned_link(home, self._interface)) if of_mobile_node else b""
                if known or not of_mobile_node:
                    announce(home, self._interface, known)

    def _reply(self, action: SendUdp) -> None:
        # A node on the home link may still have a binding, and a reply by route would go into its tunnel.
        asker, link = self._link
        if link and action.destination.address == asker:
            action = replace(action, link=link)
        self._port.send_udp(action, self._interface)

    def _add(self, tunnel: AddTunnel) -> None:
        home, care_of = tunnel.home_address, tunnel.care_of_address
        device = self._tunnels.use((home, care_of), Tunnel(self._address, care_of, tunnel.encapsulation))
        # RFC 3024, 4.3.2: only a binding's own home address may come through its tunnel, and only where that was asked for.
        self._routing.rule(into=device, table=None, priority=_BARRIER)
        self._routing.rule(source=home, into=device, skip_to=TABLE, priority=_PASS, on=tunnel.reverse)
        self._routing.route(IPv4Network(home), device)

    def _remove(self, home: IPv4Address, care_of: IPv4Address) -> None:
        if (device := self._tunnels.device((home, care_of))) is None:
            return
        self._routing.rule(source=home, into=device, skip_to=TABLE, priority=_PASS, on=False)
        self._routing.delete_route(IPv4Network(home))
        if self._tunnels.release((home, care_of)):
            self._routing.rule(into=device, table=None, priority=_BARRIER, on=False)
