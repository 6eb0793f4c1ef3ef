"""The mobile node's Mobile IP: keeps its home address reachable wherever its NICs are.

It runs in the mobile node's agent, beside the sessions. The home address stays on the NIC all the time, so that sockets bound
to it never notice a move; what changes is by whom the node's packets go, and whether it answers ARP.
"""

from __future__ import annotations

import select
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from roamlab.agents.addresses import AddressWatch, LinkChange
from roamlab.agents.agent import Agent
from roamlab.agents.mobileip_io import Discovery, MobileIpPort, Registration, announce
from roamlab.agents.mobileip_settings import mobile_node_config
from roamlab.agents.mobileip_shell import Shell, fresh_random
from roamlab.agents.routing import MAIN, TABLE, Routing, arp_for, ask_by_broadcast
from roamlab.agents.tunnels import Tunnel, Tunnels
from roamlab.protocols.mobileip.actions import (
    Action,
    AnswerArp,
    Decapsulate,
    GratuitousArp,
    RestoreHomeRoute,
    SendIcmp,
    SendUdp,
    SetDefaultRoute,
)
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement
from roamlab.protocols.mobileip.mobile_node import MobileNode
from roamlab.record.commands import UseMobileIp

_CARE_OF: Final = TABLE - 1  # table of routes from a co-located care-of address, and its rule's priority
_EVERYWHERE: Final = IPv4Network("0.0.0.0/0")
_ANSWER_ALL, _ANSWER_ON_SUBNET, _ANSWER_NOTHING = 0, 2, 8  # arp_ignore
_BEST_ADDRESS: Final = 2  # arp_announce: never the home address in an ARP request on a foreign link


class MobileIpClient:
    """Runs :class:`MobileNode` in ``agent``'s loop."""

    def __init__(self, agent: Agent, chosen: UseMobileIp) -> None:
        self._config = mobile_node_config(chosen)
        self._interface = chosen.interface
        self._agent = agent
        self._machine = MobileNode(self._config, fresh_random())
        self._shell = Shell(agent, self._machine, self._perform, skew_ns=chosen.skew_ns)
        self._routing = Routing()
        self._tunnels = Tunnels(self._routing)
        self._port = MobileIpPort()
        self._watch = AddressWatch()
        self._neighbours: dict[IPv4Address, str] = {}
        self._care_of: IPv4Address | None = None
        self._last_request: SendUdp | None = None
        arp_for(self._interface, arp_announce=_BEST_ADDRESS)
        agent.on_readable(self._port, self._arrived)
        agent.on_readable(self._watch, self._links_changed)
        self._machine.link_up(self._interface, self._shell.now())
        self._shell.settle()

    def acquired(self, interface: str, address: str, gateway: str) -> None:
        """A NIC was given an address of the network it is on now: a co-located care-of address."""
        while select.select([self._watch], (), (), 0)[0]:
            self._links_changed()  # what happened to the link came before, and must be told before
        own, router = IPv4Interface(address), IPv4Address(gateway)
        self._care_of = own.ip
        ask_by_broadcast(interface, on=True)
        # What comes from it goes by this network's router, the home agent's address included.
        self._routing.route(own.network, interface, source=own.ip, table=_CARE_OF)
        self._routing.route(_EVERYWHERE, interface, via=router, source=own.ip, table=_CARE_OF)
        self._routing.rule(source=own.ip, table=_CARE_OF, priority=_CARE_OF)
        self._machine.care_of_acquired(interface, own, router, self._shell.now())
        self._shell.settle()

    def withdraw(self) -> None:
        """Deregister from afar."""
        self._machine.withdraw(self._shell.now())
        self._shell.settle()

    def replay(self) -> None:
        """Send the last request once more, bit for bit, as an attacker who has recorded it would."""
        if self._last_request is not None:
            self._port.send_udp(self._last_request, self._interface)

    def halt(self) -> None:
        """Fall silent: nothing is renewed, nothing answered any more. What the kernel was told stays."""
        self._shell.stop()
        for source in (self._port, self._watch):
            self._agent.forget(source)
            source.close()

    # -- what happens

    def _arrived(self) -> None:
        for arrived in self._port.read():
            now = self._shell.now()
            if isinstance(arrived, Discovery) and arrived.type == AgentAdvertisement.TYPE:
                self._machine.receive_icmp(
                    arrived.data, arrived.source, now, interface=arrived.interface, link=arrived.link
                )
            elif isinstance(arrived, Registration):
                self._machine.receive(arrived.data, arrived.source, now)
        self._shell.settle()

    def _links_changed(self) -> None:
        for change in self._watch.read():
            if isinstance(change, LinkChange) and change.nic == self._interface:
                if not change.up:
                    self._unplugged()
                tell = self._machine.link_up if change.up else self._machine.link_down
                tell(change.nic, self._shell.now())
        self._shell.settle()

    def _unplugged(self) -> None:
        """Keep ARP silent until it is known where the NIC is: away, a broadcast would give the node away (RFC 5944, 4.6)."""
        ask_by_broadcast(self._interface, on=False)
        arp_for(self._interface, arp_ignore=_ANSWER_NOTHING)
        if self._care_of is not None:
            self._routing.rule(source=self._care_of, table=_CARE_OF, priority=_CARE_OF, on=False)
            self._routing.flush(_CARE_OF)
            self._care_of = None

    # -- what is to be done

    def _perform(self, action: Action) -> None:
        match action:
            case SendUdp():
                self._last_request = action
                self._port.send_udp(action, action.interface or self._interface)
            case SendIcmp():
                self._port.send_icmp(action, action.interface or self._interface, self._config.home_address)
            case AnswerArp(_, on=on):
                away = _ANSWER_NOTHING if self._care_of is None else _ANSWER_ON_SUBNET
                arp_for(self._interface, arp_ignore=_ANSWER_ALL if on else away)
            case GratuitousArp(home):
                announce(home, self._interface)
            case Decapsulate(care_of, encapsulation, on=on):
                if on:
                    self._tunnels.use("end", Tunnel(care_of, None, encapsulation))
                else:
                    self._tunnels.release("end")
            case SetDefaultRoute():
                self._route(action)
            case RestoreHomeRoute():
                self._restore()

    def _route(self, route: SetDefaultRoute) -> None:
        self._forget_neighbours()
        if route.tunnel_to and route.care_of_address:
            tunnel = Tunnel(route.care_of_address, route.tunnel_to, route.encapsulation)
            self._default(self._tunnels.use("reverse", tunnel), None)
        else:
            if route.link:
                self._routing.neighbour(route.gateway, route.interface, route.link)
                self._neighbours[route.gateway] = route.interface
            self._default(route.interface, route.gateway)
            self._tunnels.release("reverse")
        self._routing.rule(source=self._config.home_address)

    def _default(self, device: str, via: IPv4Address | None) -> None:
        """Route what comes from the home address; and, in the main table, what has no source yet, which then gets that."""
        home = self._config.home_address
        self._routing.route(_EVERYWHERE, device, via=via, source=home)
        self._routing.route(_EVERYWHERE, device, via=via, source=home, table=MAIN, metric=TABLE)

    def _restore(self) -> None:
        ask_by_broadcast(self._interface, on=True)
        self._routing.rule(source=self._config.home_address, on=False)
        self._routing.flush()
        self._routing.delete_route(_EVERYWHERE, MAIN, TABLE)
        self._forget_neighbours()
        self._tunnels.release("reverse")
        here = self._machine.attachment
        if here is not None and here.link:
            # Kept when the node leaves: what it sends before it knows that it has left asks nobody's link for this router.
            self._routing.neighbour(here.gateway, here.interface, here.link)

    def _forget_neighbours(self) -> None:
        for address, interface in self._neighbours.items():
            self._routing.forget_neighbour(address, interface)
        self._neighbours.clear()
