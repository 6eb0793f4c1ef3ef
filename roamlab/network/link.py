"""Mininet's Link over netlink: one veth pair, or a wire where there is something to impair, to unplug or to move.

    node1.intf1 ── inner 1 ═hub═ inner 2 ── intf2.node2

The hub is a bridge of two ports that learns nothing. What a direction does to packets happens on the way out of the inner
end that sends towards the receiver, so that a capture on a NIC sees every packet at the moment it is put on the wire, and
again, if it isn't lost, at the moment it arrives.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import mininet.link

from roamlab.linux import routes, rtnetlink
from roamlab.linux.errors import NetworkError
from roamlab.network.impairment import NONE, Impairment, both_ways, requests, split
from roamlab.network.intf import Intf
from roamlab.record.events import NicImpair

if TYPE_CHECKING:
    from roamlab.network.node import Node


class Link(mininet.link.Link):
    """A link between two nodes.

    Parameters are Mininet's, and those of `roamlab.network.impairment`: delay, jitter, loss, bw, max_queue_size, reorder,
    duplicate, corrupt for both directions, "up" and "down" for one. Up is from the host to the switch, or else from node1
    to node2; `params1` acts on what node1 sends, `params2` on what node2 sends. A link to a switch with an edge takes the
    edge's parameters, and its own in their place where it has some; with `edge=False` (a router's own port) it doesn't.
    With `introduced` both ends know each other's addresses from the start, as routers do whose link has long been in use.

    Attributes:
        wire: whether it is made as a wire. It is if something is impaired, or if asked for.
        up, down: what happens to packets in each direction.

    """

    always_wire = False

    def __init__(
        self,
        node1: "Node",
        node2: "Node",
        port1: int | None = None,
        port2: int | None = None,
        intfName1: str | None = None,  # noqa: N803
        intfName2: str | None = None,  # noqa: N803
        addr1: str | None = None,
        addr2: str | None = None,
        intf: type[Intf] | None = None,
        cls1: type[Intf] | None = None,
        cls2: type[Intf] | None = None,
        params1: Mapping[str, Any] | None = None,
        params2: Mapping[str, Any] | None = None,
        wire: bool | None = None,
        edge: bool = True,
        introduced: bool = False,
        **params: Any,
    ) -> None:
        self.network = node1.network
        self._reversed = node1.bridge is not None and node2.bridge is None
        own, rest = split(params)
        own1, rest1 = split({**rest, **(params1 or {})})
        own2, rest2 = split({**rest, **(params2 or {})})
        segment = node1 if self._reversed else node2
        at_edge = edge and (node1.bridge is None) != (node2.bridge is None)
        up, down = both_ways(own, *both_ways(segment.edge if at_edge else {}))
        first, second = (down, up) if self._reversed else (up, down)
        self._plugged = True
        self._set_directions(first.changed(own1), second.changed(own2))
        self.wire = bool(self.always_wire if wire is None else wire) or self.up != NONE or self.down != NONE

        port1 = rest1.pop("port", port1)
        port2 = rest2.pop("port", port2)
        port1 = node1.newPort() if port1 is None else port1
        port2 = node2.newPort() if port2 is None else port2
        name1 = intfName1 or self.intfName(node1, port1)
        name2 = intfName2 or self.intfName(node2, port2)
        index1, index2 = self.network.next_index(), self.network.next_index()
        self._inner1, self._inner2, self._hub = (
            (self.network.next_index(), self.network.next_index(), self.network.next_index())
            if self.wire
            else (0, 0, 0)
        )
        addr1 = addr1 or _mac(node1, index1)
        addr2 = addr2 or _mac(node2, index2)
        with self.network.batch():
            end1, end2 = (node1, name1, index1, addr1), (node2, name2, index2, addr2)
            if self.wire:
                self._make_wire(end1, end2)
            elif node1.bridge is not None:
                self._make_pair(end1, end2)
            else:
                self._make_pair(end2, end1)
            make1, make2 = cls1 or intf or Intf, cls2 or intf or Intf
            self.intf1 = make1(name1, node=node1, port=port1, link=self, mac=addr1, index=index1, **rest1)
            self.intf2 = make2(name2, node=node2, port=port2, link=self, mac=addr2, index=index2, **rest2)
            for end in (self.intf1, self.intf2):
                if end.node.bridge is None:
                    self.network.fresh(end)
            if introduced:
                self._introduce(self.intf1, addr2, self.intf2)
                self._introduce(self.intf2, addr1, self.intf1)
            self.network.carrier_changes()

    @staticmethod
    def _introduce(end: Intf, mac: str, other: Intf) -> None:
        """Queue permanent neighbour entries at one end for the other's addresses."""
        end.node.namespace.rtnl.queue(*(routes.neighbour(end.index, a.ip, mac) for a in other.addresses))

    def _set_directions(self, first: Impairment, second: Impairment) -> None:
        self.up, self.down = (second, first) if self._reversed else (first, second)

    def _make_pair(self, end1: "_End", end2: "_End") -> None:
        """Queue the one veth pair of a plain link; a switch's end comes first."""
        node1, name1, index1, mac1 = end1
        node2, name2, index2, mac2 = end2
        queue = self.network.namespace.rtnl.queue
        queue(
            rtnetlink.veth(
                name=name1,
                index=index1,
                mac=mac1,
                namespace=node1.namespace.fd,
                up=node1.bridge is not None,
                master=node1.bridge,
                peer=name2,
                peer_index=index2,
                peer_mac=mac2,
                peer_namespace=node2.namespace.fd,
            )
        )
        if node2.bridge is not None:
            queue(rtnetlink.set_link(index2, up=True, master=node2.bridge))

    def _make_wire(self, end1: "_End", end2: "_End") -> None:
        """Queue hub, veth pairs and impairments of a wire."""
        network = self.network
        queue = network.namespace.rtnl.queue
        queue(
            rtnetlink.bridge(
                name=f"w{self._hub}", index=self._hub, mac=network.inner_mac(self._hub), hub=True
            )
        )
        for inner, (node, name, index, mac) in ((self._inner1, end1), (self._inner2, end2)):
            queue(
                rtnetlink.veth(
                    name=f"w{self._hub}-{1 if inner == self._inner1 else 2}",
                    index=inner,
                    mac=network.inner_mac(inner),
                    namespace=network.namespace.fd,
                    up=False,
                    master=self._hub,
                    peer=name,
                    peer_index=index,
                    peer_mac=mac,
                    peer_namespace=node.namespace.fd,
                )
            )
            if node.bridge is not None:
                queue(rtnetlink.set_link(index, up=True, master=node.bridge))
        self._queue_impairments(NONE, NONE)
        queue(rtnetlink.set_link(self._inner1, up=True), rtnetlink.set_link(self._inner2, up=True))

    def _queue_impairments(self, old_up: Impairment, old_down: Impairment) -> None:
        to_switch, to_host = (self._inner1, self._inner2) if self._reversed else (self._inner2, self._inner1)
        self.network.namespace.rtnl.queue(
            *requests(to_switch, self.up, old_up),
            *requests(to_host, self.down, old_down),
        )

    # In service

    def impair(self, **options: object) -> None:
        """Change what the link does to packets; options not named stay. Packets under way stay under way.

        Raises:
            NetworkError: the link isn't a wire.
            ValueError: an unknown option, or a value out of range.
            MissingKernelOption: this kernel has no netem or HTB.

        """
        self._impair(*both_ways(options, self.up, self.down), options)

    def impair_from(self, intf: Intf, options: Mapping[str, Any]) -> None:
        """`impair` for what `intf` sends alone."""
        sends_up = (intf is self.intf2) == self._reversed
        up = self.up.changed(options) if sends_up else self.up
        down = self.down if sends_up else self.down.changed(options)
        self._impair(up, down, options)

    def _impair(self, up: Impairment, down: Impairment, options: Mapping[str, Any]) -> None:
        self._need_wire("impair")
        near = self.near
        with self.network.change(NicImpair(near.name, dict(options), node=near.node.name)):
            (old_up, old_down), (self.up, self.down) = (self.up, self.down), (up, down)
            self._queue_impairments(old_up, old_down)

    @property
    def near(self) -> Intf:
        """The host's end, or else the first."""
        end: Intf = self.intf2 if self._reversed else self.intf1
        return end

    @property
    def far(self) -> Intf:
        """The other end: the switch's, if there is one."""
        end: Intf = self.intf1 if self._reversed else self.intf2
        return end

    @property
    def segment(self) -> "Node | None":
        """The switch that the far end is plugged into, if any."""
        return self.far.node if self._plugged and self.far.node.bridge is not None else None

    def set_near(self, intf: Intf, *, up: bool) -> None:
        """Queue giving `intf` a carrier or taking it."""
        if self.wire:
            inner = self._inner1 if intf is self.intf1 else self._inner2
            self.network.namespace.rtnl.queue(rtnetlink.set_link(inner, up=up))
        else:
            other = self.intf2 if intf is self.intf1 else self.intf1
            other.node.namespace.rtnl.queue(rtnetlink.set_link(other.index, up=up))

    def unplug(self) -> None:
        """Queue taking the far end off its segment. The NIC loses its carrier, and packets under way are lost.

        Raises:
            NetworkError: the far end is on no segment.

        """
        if self.segment is None:
            raise NetworkError(f"{self.near.full_name} is not plugged into a segment")
        queue = self.network.namespace.rtnl.queue
        if self.wire:
            queue(rtnetlink.set_link(self._inner1, up=False), rtnetlink.set_link(self._inner2, up=False))
        queue(rtnetlink.set_link(self.far.index, up=False, master=0))
        self.far.node.delIntf(self.far)
        self._plugged = False
        self.network.carrier_changes()

    def plug(self, segment: "Node") -> None:
        """Queue giving the far end to a segment, with the impairments of the segment's edge in place of the old.

        Raises:
            NetworkError: the far end is on a segment already, `segment` is none, or it has an edge and this no wire.

        """
        if self._plugged:
            raise NetworkError(f"{self.near.full_name} is plugged into {self.far.node.name} already")
        if segment.bridge is None:
            raise NetworkError(f"{segment.name} is not a segment")
        if segment.edge:
            self._need_wire(f"plug into {segment.name}, whose edge impairs,")
        far, queue = self.far, self.network.namespace.rtnl.queue
        port = segment.newPort()
        far.node, far.name = segment, self.intfName(segment, port)
        segment.addIntf(far, port=port)
        self._plugged = True
        if self.wire:
            old_up, old_down = self.up, self.down
            self.up, self.down = both_ways(segment.edge)
            self._queue_impairments(old_up, old_down)
        queue(
            rtnetlink.set_link(far.index, name=far.name),
            rtnetlink.set_link(far.index, up=True, master=segment.bridge),
        )
        if self.wire:
            # The NIC's carrier comes last: what a host sends the moment it has one must find the way open.
            near, far_end = self._inner1, self._inner2
            if self.near is self.intf2:
                near, far_end = far_end, near
            queue(rtnetlink.set_link(far_end, up=True), rtnetlink.set_link(near, up=True))
        self.network.carrier_changes()

    def _need_wire(self, what: str) -> None:
        if not self.wire:
            raise NetworkError(f"can't {what} {self}: it is a plain veth pair; make the link with wire=True")

    def delete(self) -> None:
        """Delete the link with both NICs."""
        with self.network.batch():
            if self.wire:
                self.network.namespace.rtnl.queue(rtnetlink.delete_link(self._hub))
            self.near.delete()
            self.far.delete()


_End = tuple["Node", str, int, str]


def _mac(node: "Node", index: int) -> str:
    return node.network.inner_mac(index) if node.bridge is not None else node.next_mac()


class TCLink(Link):
    """Mininet's link with parameters: always a wire, so that it can be given some in service."""

    always_wire = True
