"""The place where a scenario plays: network, capture and agents made ready, and taken down again whatever happens."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_interface
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from roamlab.agents.agent import Agent
from roamlab.agents.launch import launch
from roamlab.errors import LabError
from roamlab.lab.agents import Agents
from roamlab.lab.clock import Clock
from roamlab.lab.handles import Nic
from roamlab.lab.lab import Lab
from roamlab.lab.names import addresses_of
from roamlab.lab.settling import begin, settle
from roamlab.linux.errors import MissingKernelOption
from roamlab.linux.namespace import Namespace
from roamlab.network.intf import Intf
from roamlab.network.net import Mininet
from roamlab.nodes.correspondent_node import CorrespondentNode
from roamlab.nodes.mobile_node import MobileNode
from roamlab.record.commands import Command
from roamlab.record.event import Event
from roamlab.record.events import NicEvent, RunEnd
from roamlab.record.mobile_ip_events import MipSecurity
from roamlab.record.run_directory import CAPTURE, EventLog, RunDirectory, disk_error
from roamlab.record.stimuli import Move
from roamlab.topologies import RoamingTopo, Segment

if TYPE_CHECKING:
    from roamlab.lab.mobile_ip import MobileIp, MobilityAgent, Terms

_SCTP: Final = {"net.sctp.addip_enable": 1, "net.sctp.auth_enable": 1}
_BASE, _LARGE_BASE, _HOSTS_IN_BASE = "192.0.2.0/24", "192.0.0.0/16", 200
_CROWD: Final = "crowd"
_WILDCARD: Final = {4: "0.0.0.0", 6: "::"}


class Site:
    """A topology built, captured and staffed: the agents of mobile nodes and correspondents run in it.

    ``family`` (4 or 6) is the one that sessions use; NICs have addresses of both, unless the topology has IPv6 alone.
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
        self.directory = Path("/root")
        self.mobile = topology.mobile
        self.mobile_nic = topology.mobile_nic
        self.mobile_ip: MobileIp | None = None
        self._mobility_agents: dict[str, MobilityAgent] = {}
        self.mobiles = topology.mobiles
        self.correspondents = topology.correspondents
        self.segments = topology.segments
        self.hosts = topology.hosts()
        self._addresses = {Nic(node, start.nic): start.addresses for node, start in topology.starts.items()}
        self._where = {
            Nic(node, start.nic): start.segment for node, start in topology.starts.items() if start.segment
        }
        self._renumbered: dict[Nic, int] = {}
        self._left: dict[Nic, list[str]] = {}

    def __enter__(self) -> Self:
        self._step("network")
        self._exact = begin(self._clock)
        try:
            began_ns = self._clock.now_ns()
            self._make_room()
            # Mininet counts through its address base for each host, though every one has its address from the topology.
            base = _BASE if len(self.hosts) < _HOSTS_IN_BASE else _LARGE_BASE
            self._net = Mininet(topo=self._topology, on_event=self._nic_event, ipBase=base)
            self._net.start()
            self._log = EventLog(self._run, began_ns + settle(self._clock))
            self._net.capture_to(self._run.path / CAPTURE)
        except OSError as error:
            raise disk_error(error, self._run.path) from None
        self._step("agents")
        self._agents = Agents(self._clock, self._agent_event)
        self.lab = Lab(self, self._topology, self._agents, self._log, self._clock)
        self.lab.exact = self._exact
        for name in (*self.correspondents, *self.mobiles):
            self._set_sctp(name, _SCTP)
            if name in self.correspondents or not self._topology.one_agent:
                self.start_again(name)
        if self._topology.one_agent:
            self._start_for_all()
        self._agents.await_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if "programs" in self.lab.__dict__:
                self.lab.programs.stop()
            self._agents.stop()
            report = self._net.stop_capture()
            if report and report.error:
                raise LabError(f"the capture is not whole: {report.error}")
            if kind is None:
                dropped = sum(report.dropped.values()) if report else 0
                self._log.write(RunEnd(dropped, t=self._clock.now_ns(), node="lab"))
        finally:
            self._log.close()
            self._net.stop()

    # -- what a lab asks -------------------------------------------------------------------------------------------

    @property
    def wildcard(self) -> str:
        """The unspecified address of the sessions' family."""
        return _WILDCARD[self.family]

    @property
    def home(self) -> Segment:
        """The segment that the first mobile node starts on."""
        return next(iter(self.segments.values()))

    def start(self, node: str) -> Segment:
        """The segment that a node starts on. Raises LabError for one that can't move."""
        start = self._topology.starts.get(node)
        if start is None or start.segment is None:
            raise LabError(f"{node} starts on no segment")
        return start.segment

    def outside(self, segment: Segment) -> tuple[int, str]:
        """The NIC by which a segment's router reaches all others: its device index and its IPv4 address.

        Raises LabError where the router has no such NIC.
        """
        for intf in self._net[segment.router].intfList():
            four = next((str(address.ip) for address in intf.addresses if address.version == 4), "")
            if intf.name not in self.segments and four:
                return intf.index, four
        raise LabError(f"{segment.router} has no NIC that leads out of {segment.name} over IPv4")

    def address(self, node: str, nic: str = "") -> str:
        """The address of one of a node's NICs, by default its first. Raises LabError where the node has no such NIC."""
        start = self._topology.starts.get(node)
        where = Nic(node, nic or (start.nic if start else ""))
        if where not in self._addresses:
            raise LabError(f"{node} has no NIC {where.name or 'that could move'}")
        return self.of_family(self._addresses[where])

    def where(self, nic: Nic) -> Segment:
        """The segment that a NIC is on, or was on last. Raises LabError for a NIC that is on none."""
        if nic not in self._where:
            raise LabError(
                f"{nic.node}'s {nic.name} is on no segment: only a NIC that is on one can be acted on"
            )
        return self._where[nic]

    def address_on(self, segment: Segment, node: str = "") -> str:
        """The address that a node, by default the mobile node, has when it is on a segment."""
        return self.of_family(self._topology.addresses_on(node or self.mobile, segment))

    def delays_ns(self, segment: Segment, node: str) -> tuple[int, int]:
        """One-way delays between a node on a segment and the other end of its first session: up, down."""
        sessions = self.lab.node(node).sessions
        peer = sessions[0].peer_of(self.lab.node(node)).name if sessions else ""
        place = next((s.name for nic, s in self._where.items() if nic.node == peer), peer)
        up, down = self._topology.path_delay(segment.name, place)
        return round(up * 1e9), round(down * 1e9)

    def without_asconf(self) -> None:
        """Switch ASCONF off on all nodes; associations set up from now on have none."""
        self.asconf = False
        for name in (*self.mobiles, *self.correspondents):
            self._set_sctp(name, {"net.sctp.addip_enable": 0})

    def _set_sctp(self, node: str, values: Mapping[str, int]) -> None:
        """Set what SCTP's sessions go by, where the kernel has it: sessions that need it have asked for it before."""
        with suppress(MissingKernelOption):
            self._net[node].sysctl(values)

    def announcing(self, node: str) -> None:
        """Have a node's kernel announce its addresses in ASCONFs, in associations set up from now on."""
        self._net[node].sysctl({"net.sctp.default_auto_asconf": 1})

    def without_auth(self) -> None:
        """Take ASCONFs without AUTH on all nodes, in associations that are set up from now on."""
        for name in (*self.mobiles, *self.correspondents):
            self._net[name].sysctl({"net.sctp.auth_enable": 0, "net.sctp.addip_noauth_enable": 1})

    # -- what programs ask -----------------------------------------------------------------------------------------

    def namespace(self, node: str) -> Namespace:
        """A node's network namespace. Raises LabError for one that does not exist."""
        if node not in self._net:
            raise LabError(
                f"this topology has no node {node!r}; it has {', '.join(h.name for h in self._net.hosts)}"
            )
        namespace: Namespace = self._net[node].namespace
        return namespace

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.lab.seed

    def add_tunnel(self, node: str, name: str, kind: str, option: str, addresses: Sequence[str]) -> None:
        """Give a node a tunnel device of a kind of the kernel's, up, with addresses, and capture on it."""
        self._net.add_tunnel(node, name, kind, option, addresses)

    def announce(self, node: str, nic: str) -> None:
        """Have a node tell its neighbours its new IPv4 address, as a host does that was just given it (RFC 5227)."""
        intf = self._net.nic(node, nic)
        address = next(interface.ip for interface in intf.addresses if interface.version == 4)
        hardware = bytes.fromhex(intf.MAC().replace(":", ""))
        body = (
            struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + hardware + address.packed + bytes(6) + address.packed
        )
        with self.namespace(node).entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        with wire:
            wire.bind((nic, 0))
            wire.send(b"\xff" * 6 + hardware + b"\x08\x06" + body)

    def names(self) -> Mapping[str, str]:
        """Every address of the sessions' family, and whose it is."""
        return addresses_of(self._net, (self.family,))

    @property
    def run_dir(self) -> Path:
        """Where output goes."""
        return self._run.path

    # -- Mobile IP -----------------------------------------------------------------------------------------------

    def start_mobile_ip(self, terms: Terms, *, used: bool = True) -> MobileIp:
        """Set Mobile IP up on the segments' routers and, where it is ``used``, on the mobile node.

        That keeps its home address from then on.
        """
        from roamlab.lab.mobile_ip import (
            MobileIp,
        )  # where it is used: imports are a quarter of a short run

        mobile_ip = MobileIp(self, [*self.segments.values()], terms)
        self._log.write(MipSecurity(mobile_ip.security(), t=self._clock.now_ns(), node="lab"))
        for agent in mobile_ip.agents:
            self._mobility_agents[agent.name] = agent
            self.start_agent(agent)
        if used:
            self.mobile_ip = mobile_ip
            self.tell(self.mobile, mobile_ip.mobile_settings)
        return mobile_ip

    def mobility_agent(self, name: str) -> MobilityAgent:
        """A home or foreign agent, by its node. Raises LabError for one that there isn't."""
        if name not in self._mobility_agents:
            raise LabError(f"{name} is no mobility agent here")
        return self._mobility_agents[name]

    def start_agent(self, agent: MobilityAgent) -> None:
        """Start a home or foreign agent's process and let it serve."""
        self.staff(agent.name, agent.make)
        self.tell(agent.name, agent.settings)

    def staff(self, name: str, make: Callable[..., Agent], host: str = "") -> None:
        """Start an agent's process in a host, by default the one of its name."""
        log = self._run.path / f"{name}.log"
        self._agents.adopt(launch(make, name, self._net[host or name].namespace.fd, log))

    def start_again(self, name: str) -> None:
        """Start the agent of a mobile node or a correspondent, for the first time or after it was killed."""
        self.staff(name, MobileNode if name in self.mobiles else CorrespondentNode)

    def _start_for_all(self) -> None:
        """Start one agent for all mobile nodes."""
        from roamlab.nodes.crowd import CrowdNode

        namespaces = {name: self._net[name].namespace.fd for name in self.mobiles}
        make, log = partial(CrowdNode, namespaces), self._run.path / f"{_CROWD}.log"
        keep = frozenset(namespaces.values())
        agent = launch(make, _CROWD, namespaces[self.mobile], log, keep=keep)
        self._agents.adopt_for(agent, self.mobiles)

    def _make_room(self) -> None:
        """Enlarge what all namespaces share, where the run may: outside a guest it may not, and small ones do without."""
        for name, value in self._topology.machine.items():
            with suppress(OSError):
                Path("/proc/sys", *name.split(".")).write_text(str(value))

    def tell(self, name: str, command: Command) -> None:
        """Give an agent a command."""
        self._agents.command(name, command)

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

    def unplug(self, nic: Nic) -> None:
        """Take a NIC's link away; its addresses stay until it is plugged in elsewhere."""
        self._net.unplug(self._intf(nic))

    def plug(self, nic: Nic, segment: Segment) -> None:
        """Plug a NIC into a segment and give it that segment's addresses in place of the ones it had."""
        intf = self._intf(nic)
        self._net.plug(intf, segment.name)
        self._arrived(nic, intf, segment)

    def move(self, nic: Nic, segment: Segment) -> None:
        """Take a NIC from its segment to another with no time in between."""
        intf = self._intf(nic)
        self._net.move(intf, segment.name)
        self._arrived(nic, intf, segment)

    def attach(self, node: str, name: str, segment: Segment) -> None:
        """Add a NIC to a node, on a segment, with that segment's addresses."""
        nic, addresses = Nic(node, name), self._topology.addresses_on(node, segment)
        intf = self._net.attach(node, name, segment.name)
        intf.configure(addresses, segment.gateways)
        self._where[nic], self._addresses[nic] = segment, addresses

    def detach(self, nic: Nic) -> None:
        """Remove a NIC, with its link and its addresses."""
        self._net.detach(self._intf(nic))
        self._where.pop(nic, None)
        self._addresses.pop(nic, None)

    def link(self, nic: Nic, *, up: bool) -> None:
        """Give a NIC its carrier or take it away; its addresses stay."""
        intf = self._intf(nic)
        if up:
            intf.up()
        else:
            intf.down()

    def fresh_addresses(self, nic: Nic) -> list[str]:
        """Addresses of the segment that a NIC is on that no node has had."""
        turn = self._renumbered[nic] = self._renumbered.get(nic, 0) + 1
        return self._topology.addresses_on(nic.node, self.where(nic), turn)

    def readdress(self, nic: Nic, addresses: list[str], *, keep: bool) -> None:
        """Give a NIC these addresses in the place of those that it has, or beside them until `drop_old_addresses`."""
        intf, segment = self._intf(nic), self.where(nic)
        if keep:
            self._left[nic] = self._addresses[nic]
        else:
            intf.deconfigure()
        intf.configure(addresses, segment.gateways)
        self._addresses[nic] = addresses

    def drop_old_addresses(self, nic: Nic) -> None:
        """Take the addresses from a NIC that `readdress` has kept."""
        self._intf(nic).deconfigure(self._left.pop(nic))

    def add_address(self, node: str, number: int = 1) -> str:
        """Give a node's first NIC another address of each family; the one of the sessions' family."""
        addresses = self._further_addresses(node, number)
        self._net.nic(node).configure(addresses)
        return self.of_family(addresses)

    def remove_address(self, node: str, number: int = 1) -> str:
        """Take that address from the node again."""
        addresses = self._further_addresses(node, number)
        self._net.nic(node).deconfigure(addresses)
        return self.of_family(addresses)

    def _further_addresses(self, node: str, number: int) -> list[str]:
        """The addresses that follow those of a node's first NIC: the next host numbers."""
        first = map(ip_interface, self._topology.starts[node].addresses)
        return [f"{address.ip + number}/{address.network.prefixlen}" for address in first]

    def ends(self, nic: Nic, peer: str, *, back: bool) -> tuple[str, str]:
        """The prefixes that a peer and a NIC's segment have: from the peer to the segment, or ``back``."""
        here = self.where(nic).subnet
        there = next(
            ip_interface(a).network
            for a in self._topology.starts[peer].addresses
            if ip_interface(a).version == self.family
        )
        ends = (str(there), str(here.ipv6 if self.family == 6 else here))
        return ends[::-1] if back else ends

    def block(self, router: str, source: str, destination: str) -> None:
        """Have a router drop what comes from one prefix and goes to another."""
        self._net[router].drop(source, destination)

    def allow(self, router: str, source: str, destination: str) -> None:
        """Undo `block`."""
        self._net[router].drop(source, destination, on=False)

    def impair(self, nic: Nic, **options: object) -> None:
        """Change what a NIC's link does to packets, in both directions."""
        link = self._intf(nic).link
        if link is not None:
            link.impair(**options)

    def route_through(self, nic: Nic) -> None:
        """Make a NIC the one that its node's own traffic takes by default."""
        self._intf(nic).configure(self._addresses[nic], self.where(nic).gateways)

    def moving(self, nic: Nic, segment: Segment) -> Move:
        """A NIC's move to a segment, with what the capture must show of it: its addresses, or with Mobile IP its agents."""
        if self.mobile_ip is not None and nic.node == self.mobile:
            move = self.mobile_ip.moving(segment)
        else:
            old, new = self.address(nic.node, nic.name), self.address_on(segment, nic.node)
            move = Move(to=segment.name, old=old, new=new)
        move.nic = nic.name
        move.up_ns, move.down_ns = self.delays_ns(segment, nic.node)
        return move

    def _intf(self, nic: Nic) -> Intf:
        return self._net.nic(nic.node, nic.name)

    def _arrived(self, nic: Nic, intf: Intf, segment: Segment) -> None:
        self._where[nic] = segment
        if self.mobile_ip is not None and nic.node == self.mobile:
            self.mobile_ip.arrived(intf, segment)
            return
        addresses = self._topology.addresses_on(nic.node, segment)
        intf.deconfigure()
        intf.configure(addresses, segment.gateways)
        self._addresses[nic] = addresses

    def of_family(self, addresses: list[str]) -> str:
        """The first of these addresses that is of the sessions' family."""
        return next(str(a.ip) for a in map(ip_interface, addresses) if a.version == self.family)

    def _nic_event(self, event: NicEvent) -> None:
        self._log.write(event)

    def _agent_event(self, event: Event) -> None:
        self._log.write(event)
        self.lab.noticed(event)
