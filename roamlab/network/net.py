"""Mininet's Mininet, built over netlink in one process: the same calls, and NICs in service.

net = Mininet(topo=HomeAndVisited(), on_event=print)
net.start()
net.capture_to(Path("capture.pcapng"))
net.move("mn", "wlan0", "visited")
net.stop()
"""

from collections.abc import Sequence
from ipaddress import ip_interface
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import mininet.net
from mininet.topo import Topo
from mininet.util import netParse

from roamlab.linux import rtnetlink
from roamlab.linux.errors import NetworkError
from roamlab.network.capture import Capture, CaptureReport
from roamlab.network.intf import Intf
from roamlab.network.link import Link
from roamlab.network.network import Network, OnEvent
from roamlab.network.node import Host, Node, Switch
from roamlab.record.events import NicAttach, NicDetach, NicMove, NicPlug, NicUnplug

_IP_BASE: Final = "192.0.2.0/24"  # a documentation prefix (RFC 5737), where Mininet has 10.0.0.0/8


class Mininet(mininet.net.Mininet):
    """A network. Use it as Mininet's, or in a `with`, which stops it.

    What Mininet's constructor takes for controllers, terminals and pinning to cores has no meaning here.
    """

    def __init__(
        self,
        topo: Topo | None = None,
        switch: type[Switch] = Switch,
        host: type[Host] = Host,
        link: type[Link] = Link,
        intf: type[Intf] = Intf,
        build: bool = True,
        ipBase: str = _IP_BASE,  # noqa: N803
        autoStaticArp: bool = False,  # noqa: N803
        on_event: OnEvent | None = None,
    ) -> None:
        """Make the network's own namespace and, with `topo` and `build`, the network.

        Raises:
            PermissionError: the caller may not make network namespaces.
            MissingKernelOption: this kernel lacks something the topology needs.

        """
        self.topo, self.switch, self.host, self.link, self.intf = topo, switch, host, link, intf
        self.ipBase, self.autoStaticArp = ipBase, autoStaticArp
        self.ipBaseNum, self.prefixLen = netParse(ipBase)
        self.nextIP = max(1, (0xFFFFFFFF >> self.prefixLen) & self.ipBaseNum)
        self.controller = None
        self.cleanup = self.inNamespace = self.xterms = self.waitConn = self.autoSetMacs = (
            self.autoPinCpus
        ) = False
        self.listenPort = None
        self.hosts: list[Host] = []
        self.switches: list[Switch] = []
        self.controllers: list[Any] = []
        self.links: list[Link] = []
        self.terms: list[Any] = []
        self.nameToNode: dict[str, Node] = {}
        self.built = False
        self._capture: Capture | None = None
        self.network = Network(on_event)
        self.network.on_nic = self._join_capture
        if topo and build:
            try:
                self.build()
            except BaseException:
                self.stop()
                raise

    def build(self) -> None:
        """Make what the topology says."""
        with self.network.batch():
            super().build()

    def addHost(self, name: str, cls: type[Host] | None = None, **params: Any) -> Host:  # noqa: N802
        """Add a host."""
        host: Host = super().addHost(name, cls=cls, network=self.network, **params)
        return host

    def addSwitch(self, name: str, cls: type[Switch] | None = None, **params: Any) -> Switch:  # noqa: N802
        """Add a switch, which is a segment."""
        switch = (cls or self.switch)(name, network=self.network, **params)
        self.switches.append(switch)
        self.nameToNode[name] = switch
        return switch

    def addLink(  # noqa: N802
        self, node1: Node | str, node2: Node | str, cls: type[Link] | None = None, **params: Any
    ) -> Link:
        """Add a link; see `roamlab.network.link.Link`."""
        ends = [self[node] if isinstance(node, str) else node for node in (node1, node2)]
        params.setdefault("intf", self.intf)
        link = (cls or self.link)(*ends, **params)
        self.links.append(link)
        return link

    def configLinkStatus(self, src: str, dst: str, status: str) -> None:  # noqa: N802
        """Take the links between two nodes down or up: a host's NIC loses its carrier or gets it back."""
        links = self.linksBetween(self._node(src), self._node(dst))
        if not links:
            raise NetworkError(f"{src} and {dst} are not connected")
        for link in links:
            if status == "up":
                link.near.up()
            else:
                link.near.down()

    def start(self) -> None:
        """Build, if that wasn't done; bridges forward from the beginning."""
        if not self.built:
            self.build()

    def stop(self) -> None:
        """End captures and shells, and let go of all namespaces, with which everything in them goes."""
        self.stop_capture()
        for node in (*self.switches, *self.hosts):
            node.terminate()
        self.network.close()

    def __enter__(self) -> "Mininet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # NICs in service

    def nic(self, host: Node | str, nic: str | None = None) -> Intf:
        """A host's NIC by name, or its first.

        Raises:
            NetworkError: there is none.

        """
        node = self._node(host)
        if nic is None and node.intfs:
            return node.defaultIntf()  # type: ignore[no-any-return]
        if nic not in node.nameToIntf:
            raise NetworkError(
                f"{node.name} has no NIC {nic}; it has {', '.join(node.intfNames()) or 'none'}"
            )
        return node.nameToIntf[nic]  # type: ignore[no-any-return]

    def segment(self, switch: Node | str) -> Switch:
        """A switch by name.

        Raises:
            NetworkError: there is none.

        """
        node = self._node(switch)
        if not isinstance(node, Switch):
            raise NetworkError(
                f"{node.name} is not a segment; there are {', '.join(s.name for s in self.switches)}"
            )
        return node

    def _node(self, node: Node | str) -> Node:
        if isinstance(node, Node):
            return node
        if node not in self.nameToNode:
            raise NetworkError(f"no node {node}; there are {', '.join(self.nameToNode)}")
        return self.nameToNode[node]

    def attach(self, host: Node | str, nic: str, segment: Node | str) -> Intf:
        """Add a NIC to a running host, wired to a segment; configure it with `Intf.configure`."""
        node, switch = self._node(host), self.segment(segment)
        if nic in node.nameToIntf:
            raise NetworkError(f"{node.name} has a NIC {nic} already")
        with self.network.change(NicAttach(nic, switch.name, node=node.name)):
            link = self.addLink(node, switch, intfName1=nic, wire=True)
        return link.near

    def detach(self, nic: Intf) -> None:
        """Remove a NIC from its running host, with its link."""
        link = self._link(nic)
        with self.network.change(NicDetach(nic.name, node=nic.node.name)):
            self.delLink(link)

    def unplug(self, nic: Intf) -> None:
        """Take a NIC's link off its segment: the NIC stays, without a carrier."""
        link = self._link(nic)
        segment = link.segment.name if link.segment else None
        with self.network.change(NicUnplug(nic.name, segment, node=nic.node.name)):
            link.unplug()

    def plug(self, nic: Intf, segment: Node | str) -> None:
        """Put an unplugged NIC's link on a segment, whose edge says what the link does to packets from now on."""
        link, switch = self._link(nic), self.segment(segment)
        with self.network.change(NicPlug(nic.name, switch.name, node=nic.node.name)):
            link.plug(switch)

    def move(self, nic: Intf, segment: Node | str) -> None:
        """Unplug and plug in one act, between which the host sees the carrier go and come again.

        For a gap, call `unplug` and `plug` with the wait between them.
        """
        link, switch = self._link(nic), self.segment(segment)
        before = link.segment.name if link.segment else None
        with self.network.change(NicMove(nic.name, switch.name, before, node=nic.node.name)):
            link.unplug()
            self.network.flush()
            link.plug(switch)

    @staticmethod
    def _link(nic: Intf) -> Link:
        if nic.link is None or nic.node is None or nic.node.bridge is not None:
            raise NetworkError(f"{nic.name} is not a host's NIC with a link")
        return nic.link

    # Capture

    def capture_to(self, path: Path) -> Capture:
        """Capture on all hosts' NICs, present and future, until `stop_capture`; `path` is made or emptied."""
        if self._capture is not None:
            raise NetworkError("there is a capture under way already")
        self._capture = Capture(path, self.network.namespace)
        for host in self.hosts:
            for nic in host.intfList():
                self._join_capture(nic)
        return self._capture

    def stop_capture(self) -> CaptureReport | None:
        """End the capture, once all that was captured is written; None if there was none."""
        capture, self._capture = self._capture, None
        return capture.stop() if capture is not None else None

    def add_tunnel(
        self, host: Node | str, name: str, kind: str, option: str, addresses: Sequence[str]
    ) -> None:
        """Give a host a tunnel device, up, with addresses, and capture on it; `option` is what the kernel needs for its kind.

        Raises:
            MissingKernelOption: this kernel has no such tunnels.
            NetlinkError: the host has a device of that name already.

        """
        node = self._node(host)
        index = self.network.next_index()
        rtnl = node.namespace.rtnl
        rtnl.do(rtnetlink.device(name=name, index=index, kind=kind, option=option))
        if self._capture is not None:
            self._capture.add(f"{node.name}.{name}", node.namespace, name, raw=True)
        rtnl.do(
            rtnetlink.set_link(index, up=True),
            *(rtnetlink.add_address(index, ip_interface(address)) for address in addresses),
        )

    def _join_capture(self, nic: Intf) -> None:
        if self._capture is not None:
            self._capture.add(nic.full_name, nic.node.namespace, nic.name)
