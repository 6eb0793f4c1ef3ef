"""Mobile IP on Mininet's command line: `mobileip` starts it, `bindings` and `visitors` print the agents' tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec
from mininet.log import error, output
from rich.console import Console
from rich.table import Table

from roamlab.agents.launch import launch
from roamlab.errors import BadInput, LabError
from roamlab.lab.agents import Agents
from roamlab.lab.clock import SystemClock
from roamlab.lab.mobile_ip import MobileIp, Terms, bindings, visitors
from roamlab.network.cli import CLI
from roamlab.network.net import Mininet
from roamlab.nodes.mobile_node import MobileNode
from roamlab.record.commands import Command
from roamlab.record.event import Event
from roamlab.record.events import AgentDied
from roamlab.record.mobile_ip_events import MipEvent, MipTable, TableRow
from roamlab.record.words import words
from roamlab.registry import nearest, settable, settings
from roamlab.topologies import RoamingTopo


class HandNetwork:
    """What ``MobileIp`` asks of the place that it runs in, for a network that a person acts on."""

    def __init__(self, net: Mininet, topology: RoamingTopo, logs: Path) -> None:
        self._net = net
        self._topology = topology
        self._logs = logs
        self._clock = SystemClock()
        self._agents = Agents(self._clock, self._noticed)
        self.mobile = topology.mobile
        self.mobile_nic = topology.mobile_nic
        self.tables: dict[str, Sequence[TableRow]] = {}
        self.news: list[str] = []

    def staff(self, name: str, make: Callable[..., Any]) -> None:
        """Start an agent's process in a host."""
        self._agents.adopt(launch(make, name, self._net[name].namespace.fd, self._logs / f"{name}.log"))

    def tell(self, name: str, command: Command) -> None:
        """Give an agent a command."""
        self._agents.command(name, command)

    def wired_delay(self, start: str, end: str) -> float:
        """One-way delay between two nodes or segments over wired links, in seconds."""
        return self._topology.delay(start, end)

    def now_ns(self) -> int:
        """The agents' clock."""
        return self._clock.now_ns()

    def listen(self) -> None:
        """Take note of all that the agents have said."""
        while ready := self._clock.wait(readers := self._agents.readers(), 0):
            for source in ready:
                readers[source]()

    def stop(self) -> None:
        """End all agents."""
        self._agents.stop()

    def _noticed(self, event: Event) -> None:
        match event:
            case MipTable():
                self.tables[event.node] = event.rows
            case MipEvent() | AgentDied():
                self.news.append(f"{event.node} {words(event)}")


class LabCli(CLI):
    """The command line with Mobile IP's verbs."""

    def __init__(self, net: Mininet, topology: RoamingTopo, logs: Path, stdin: TextIO = sys.stdin) -> None:
        self._topology = topology
        self._logs = logs
        self._site: HandNetwork | None = None
        self._mobile_ip: MobileIp | None = None
        try:
            super().__init__(net, stdin=stdin)  # which talks to the user until the end
        finally:
            if self._site is not None:
                self._site.stop()

    def do_mobileip(self, line: str) -> None:
        """Start Mobile IP on the segments' routers and the mobile node, or say what it did since it was last asked.

        Usage: mobileip [name=value ...]     the names are roamlab.lab.mobile_ip.Terms'
        Say:   mobileip lifetime=60 replay=nonces
        Then:  move mn wlan0 visited         the mobile node keeps its home address
        """
        if self._site is None:
            try:
                terms = _terms(settings(line.split()))
            except (msgspec.ValidationError, LabError) as problem:
                error(f"*** {problem}\n")
                return
            self._site = HandNetwork(self.mn, self._topology, self._logs)
            self._mobile_ip = MobileIp(self._site, [*self._topology.segments.values()], terms)
            for agent in self._mobile_ip.agents:
                self._site.staff(agent.name, agent.make)
                self._site.tell(agent.name, agent.settings)
            self._site.staff(self._site.mobile, MobileNode)
            self._site.tell(self._site.mobile, self._mobile_ip.mobile_settings)
        elif line:
            error("*** Mobile IP is running already\n")
            return
        self._site.listen()
        output("".join(f"{news}\n" for news in self._site.news))
        self._site.news.clear()

    def do_bindings(self, _line: str) -> None:
        """Print the home agent's mobility binding table."""
        if self._site is None or self._mobile_ip is None:
            error("*** Mobile IP isn't running; start it with mobileip\n")
            return
        self._site.listen()
        rows = bindings(self._site.tables, self._mobile_ip.home_agent, self._site.now_ns())
        _print(self._mobile_ip.home_agent.name, rows)

    def do_visitors(self, _line: str) -> None:
        """Print the foreign agents' visitor lists."""
        if self._site is None or self._mobile_ip is None:
            error("*** Mobile IP isn't running; start it with mobileip\n")
            return
        self._site.listen()
        for agent in self._mobile_ip.foreign_agents.values():
            _print(agent.name, visitors(self._site.tables, agent, self._site.now_ns()))


def _terms(texts: dict[str, str]) -> Terms:
    known = settable(Terms)
    for name in texts:
        if name not in known:
            raise BadInput(f"Mobile IP has no setting {name!r}{nearest(name, known)}")
    return msgspec.convert(texts, Terms, strict=False)


def _print(name: str, rows: list[dict[str, str]]) -> None:
    if not rows:
        output(f"{name}: none\n")
        return
    table = Table(*rows[0], title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False, width=120, force_terminal=False).print(table)
