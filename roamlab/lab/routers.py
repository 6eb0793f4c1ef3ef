"""What routers of a run do besides routing: they translate addresses (NAT), or swallow packets that are too large."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from roamlab.errors import LabError
from roamlab.linux.router_rules import AddressTranslation, swallow
from roamlab.record.conditions import BlackHole, Translation

if TYPE_CHECKING:
    from roamlab.lab.contracts import Site
    from roamlab.topologies import Segment


_DISCARD: Final = 9


class Routers:
    """The segments' routers of one run, and what hosts send to show what these do."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._translating: dict[str, tuple[AddressTranslation, Translation]] = {}
        self._made: set[str] = set()
        """The segments that are behind NATs, by name."""

    def translate(self, segment: Segment) -> Translation:
        """Make the router of a segment a NAT for it, from now on."""
        index, address = self._site.outside(segment)
        with self._site.namespace(segment.router).entered():
            nat = AddressTranslation(index)
        condition = Translation(subnet=str(segment.subnet.ipv4), outside=address, node=segment.router)
        self._translating[segment.name] = nat, condition
        self._made.add(segment.name)
        return condition

    def rebind(self, segment: Segment) -> Translation:
        """Have the NAT of a segment forget its connections. Raises LabError where there is none."""
        self.check(segment)
        nat, condition = self._translating[segment.name]
        nat.rebind()
        return condition

    def send(self, node: str, address: str, size: int) -> None:
        """Have a host send a UDP datagram to the discard port of an address."""
        with self._site.namespace(node).entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        with sender:
            sender.sendto(bytes(size), (address, _DISCARD))

    def check(self, segment: Segment) -> None:
        """Raise LabError where a segment is behind no NAT."""
        if segment.name not in self._made:
            raise LabError(
                f"{segment.router} translates no addresses; call lab.behind_nat({segment.name}) before"
            )

    def swallow(self, segment: Segment, mtu: int, mobile: str) -> BlackHole:
        """Have the router of a segment drop what is larger than ``mtu`` octets, and say nothing."""
        with self._site.namespace(segment.router).entered():
            swallow(mtu)
        return BlackHole(
            mtu=mtu, mobile=mobile, address=self._site.address_on(segment, mobile), node=segment.router
        )
