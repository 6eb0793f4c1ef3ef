"""The place where a scenario plays: network, capture and agents made ready, and taken down again whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from roamlab.agents.agent import Agent
from roamlab.agents.launch import launch
from roamlab.errors import LabError
from roamlab.lab.agents import Agents
from roamlab.lab.clock import Clock
from roamlab.lab.lab import Lab
from roamlab.lab.settling import begin, settle
from roamlab.network.net import Mininet
from roamlab.nodes.correspondent_node import CorrespondentNode
from roamlab.nodes.mobile_node import MobileNode
from roamlab.record.run_directory import CAPTURE, EventLog, RunDirectory, disk_error
from roamlab.topologies import RoamingTopo, Segment
from roamlab.topologies.addresses import CORRESPONDENT, CORRESPONDENTS

if TYPE_CHECKING:
    from roamlab.lab.mobile_ip import Agent as MobilityAgent
    from roamlab.lab.mobile_ip import MobileIp, Terms

_SCTP: Final = {"net.sctp.addip_enable": 1, "net.sctp.auth_enable": 1}
_WILDCARD: Final = {4: "0.0.0.0", 6: "::"}


class Site:
    """A topology built, captured and staffed: the mobile node's and the correspondent node's agents run in it.

    ``family`` (4 or 6) is the one that sessions use; NICs always have addresses of both. ``one_to_many`` is the style of
    listening SCTP sockets (RFC 6458, 3), one-to-one unless a scenario wants it otherwise.
    """

    def __init__(
        self, topology: RoamingTopo, run: RunDirectory, clock: Clock, announce_step: Callable[[str], None]
    ) -> None:
        self._topology = topology
        self._run = run
        self._clock = clock
        self._step = announce_step
        self.asconf = True
        self.family = 4
        self.one_to_many = False
        self.mobile = topology.mobile
        self.mobile_nic = topology.mobile_nic
        self.mobile_ip: MobileIp | None = None
        self.correspondent = topology.correspondent
        self.segments = topology.segments
        self._where = {topology.mobile_nic: next(iter(topology.segments.values()))}

    def __enter__(self) -> Self:
        self._step("network")
        begin(self._clock)
        try:
            began_ns = self._clock.now_ns()
            self._net = Mininet(topo=self._topology, on_event=self._nic_event)
            self._net.start()
            self._log = EventLog(self._run, began_ns + settle(self._clock))
            self._net.capture_to(self._run.path / CAPTURE)
        except OSError as error:
            raise disk_error(error, self._run.path) from None
        self._step("agents")
        self._agents = Agents(self._clock, self._agent_event)
        self.lab = Lab(self, self._topology, self._agents, self._log, self._clock)
        for name, agent in ((self.correspondent, CorrespondentNode), (self.mobile, MobileNode)):
            self._net[name].sysctl(_SCTP)
            self.staff(name, agent)
        self._agents.await_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._agents.stop()
            report = self._net.stop_capture()
            if report and report.error:
                raise LabError(f"the capture is not whole: {report.error}")
            if kind is None:
                dropped = sum(report.dropped.values()) if report else 0
                self._log.write(self._clock.now_ns(), "lab", "run.end", capture_dropped=dropped)
        finally:
            self._log.close()
            self._net.stop()

    # -- what a lab asks -------------------------------------------------------------------------------------------

    @property
    def wildcard(self) -> str:
        """The unspecified address of the sessions' family."""
        return _WILDCARD[self.family]

    @property
    def correspondent_address(self) -> str:
        """Where the correspondent node is reached."""
        return self.of_family(CORRESPONDENTS.addresses(CORRESPONDENT))

    def mobile_address(self, nic: str = "") -> str:
        """The address of one of the mobile node's NICs, by default its first."""
        return self.address_on(self._where[nic or self._topology.mobile_nic])

    def address_on(self, segment: Segment) -> str:
        """The address that the mobile node has when it is on a segment."""
        return self.of_family(segment.mobile_addresses())

    def delays_ns(self, segment: Segment) -> dict[str, int]:
        """One-way delays between the mobile node on a segment and the correspondent node."""
        up, down = self._topology.path_delay(segment.name)
        return {"up_ns": round(up * 1e9), "down_ns": round(down * 1e9)}

    def without_asconf(self) -> None:
        """Switch ASCONF off on both nodes; associations set up from now on have none."""
        self.asconf = False
        for name in (self.mobile, self.correspondent):
            self._net[name].sysctl({"net.sctp.addip_enable": 0})

    def announcing(self) -> None:
        """Have the correspondent node's kernel announce its addresses in ASCONFs, in associations set up from now on."""
        self._net[self.correspondent].sysctl({"net.sctp.default_auto_asconf": 1})

    def without_auth(self) -> None:
        """Take ASCONFs without AUTH on both nodes, in associations that are set up from now on."""
        for name in (self.mobile, self.correspondent):
            self._net[name].sysctl({"net.sctp.auth_enable": 0, "net.sctp.addip_noauth_enable": 1})

    # -- Mobile IP -----------------------------------------------------------------------------------------------

    def start_mobile_ip(self, terms: Terms, *, used: bool = True) -> MobileIp:
        """Set Mobile IP up on the segments' routers and, where it is ``used``, on the mobile node.

        That keeps its home address from then on.
        """
        from roamlab.lab.mobile_ip import (
            MobileIp,
        )  # where it is used: imports are a quarter of a short run

        mobile_ip = MobileIp(self, [*self.segments.values()], terms)
        self._log.write(self._clock.now_ns(), "lab", "mip.security", associations=mobile_ip.security())
        for agent in mobile_ip.agents:
            self.start_agent(agent)
        if used:
            self.mobile_ip = mobile_ip
            self.tell(self.mobile, "mobile_ip", mobile_ip.mobile_settings)
        return mobile_ip

    def start_agent(self, agent: MobilityAgent) -> None:
        """Start a home or foreign agent's process and let it serve."""
        self.staff(agent.name, agent.make)
        self.tell(agent.name, "serve", agent.settings)

    def staff(self, name: str, make: Callable[..., Agent], host: str = "") -> None:
        """Start an agent's process in a host, by default the one of its name."""
        log = self._run.path / f"{name}.log"
        self._agents.adopt(launch(make, name, self._net[host or name].namespace.fd, log))

    def tell(self, name: str, do: str, arguments: Any) -> None:
        """Give an agent a command; the arguments are a mapping or a Struct."""
        self._agents.command(name, do, **msgspec.to_builtins(arguments))

    def wired_delay(self, start: str, end: str) -> float:
        """One-way delay between two nodes or segments over wired links, in seconds."""
        return self._topology.delay(start, end)

    def cut(self, name: str) -> None:
        """Take the links of all NICs of a host away."""
        for intf in self._net[name].intfList():
            intf.down()

    def mend(self, name: str) -> None:
        """Undo :meth:`cut`."""
        for intf in self._net[name].intfList():
            intf.up()

    # -- what happens to NICs ----------------------------------------------------------------------------------------

    def unplug(self, nic: str) -> None:
        """Take the link of one of the mobile node's NICs away; its addresses stay until it is plugged in elsewhere."""
        self._net.unplug(self._net.nic(self.mobile, nic))

    def plug(self, nic: str, segment: Segment) -> None:
        """Plug a NIC into a segment and give it that segment's addresses in place of the ones it had."""
        intf = self._net.nic(self.mobile, nic)
        self._net.plug(intf, segment.name)
        self._readdress(intf, segment)

    def move(self, nic: str, segment: Segment) -> None:
        """Take a NIC from its segment to another with no time in between."""
        intf = self._net.nic(self.mobile, nic)
        self._net.move(intf, segment.name)
        self._readdress(intf, segment)

    def attach(self, nic: str, segment: Segment) -> None:
        """Add a NIC to the mobile node, on a segment, with that segment's addresses."""
        intf = self._net.attach(self.mobile, nic, segment.name)
        intf.configure(segment.mobile_addresses(), segment.gateways)
        self._where[nic] = segment

    def add_correspondent_address(self, number: int = 1) -> str:
        """Give the correspondent node another address of each family; the one of the sessions' family."""
        addresses = CORRESPONDENTS.addresses(CORRESPONDENT + number)
        self._net.nic(self.correspondent).configure(addresses)
        return self.of_family(addresses)

    def remove_correspondent_address(self, number: int = 1) -> str:
        """Take that address from the correspondent node again."""
        addresses = CORRESPONDENTS.addresses(CORRESPONDENT + number)
        self._net.nic(self.correspondent).deconfigure(addresses)
        return self.of_family(addresses)

    def block(self, router: str, source: str, destination: str) -> None:
        """Have a router drop what comes from one prefix and goes to another."""
        self._net[router].drop(source, destination)

    def impair(self, nic: str, **options: Any) -> None:
        """Change what the link of one of the mobile node's NICs does to packets, in both directions."""
        link = self._net.nic(self.mobile, nic).link
        if link is not None:
            link.impair(**options)

    def route_through(self, nic: str) -> None:
        """Make a NIC the one that the mobile node's own traffic takes by default."""
        intf, segment = self._net.nic(self.mobile, nic), self._where[nic]
        intf.configure(segment.mobile_addresses(), segment.gateways)

    def signs(self, nic: str, segment: Segment) -> dict[str, Any]:
        """What a NIC's coming to a segment must show in the capture: its addresses, or with Mobile IP its agents."""
        if self.mobile_ip is not None:
            return self.mobile_ip.signs(segment)
        return {"old": self.mobile_address(nic), "new": self.address_on(segment)}

    def _readdress(self, intf: Any, segment: Segment) -> None:
        if self.mobile_ip is not None:
            self.mobile_ip.arrived(intf, segment)
            return
        intf.deconfigure()
        intf.configure(segment.mobile_addresses(), segment.gateways)
        self._where[intf.name] = segment

    def of_family(self, addresses: list[str]) -> str:
        """The first of these addresses that is of the sessions' family."""
        return next(str(a.ip) for a in map(ip_interface, addresses) if a.version == self.family)

    def _nic_event(self, kind: str, node: str, nic: str, *, time_ns: int, **details: Any) -> None:
        self._log.write(time_ns, node, kind, nic=nic, **details)

    def _agent_event(self, time_ns: int, node: str, kind: str, details: dict[str, Any]) -> None:
        self._log.write(time_ns, node, kind, **details)
        self.lab.noticed(time_ns, node, kind, details)
