"""A NIC: Mininet's Intf over netlink, with addresses of both families, a gateway each, and routing by source.

A host with NICs in several segments must send what comes from an address through that address's NIC, or ingress
filters (RFC 2827) and dead links swallow it. So `configure` gives each NIC a routing table of its own, chosen by source
address, and a default route in the main table whose metric makes the NIC configured last the preferred one.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any, Final

import mininet.link

from roamlab.linux import routes, rtnetlink
from roamlab.linux.errors import NetworkError
from roamlab.linux.netlink import Request
from roamlab.linux.rtnetlink import Address, Interface
from roamlab.network.ethernet import is_running, offloads_off
from roamlab.record.events import NicConfigure, NicDeconfigure, NicDown, NicEvent, NicUp

if TYPE_CHECKING:
    from roamlab.network.link import Link
    from roamlab.network.node import Node

_TABLES: Final = 1000  # table and rule priority of a NIC: this plus its index
_METRICS: Final = 1_000_000  # the default route's metric counts down from here: the newest is preferred


def _interfaces(addresses: str | Iterable[str]) -> list[Interface]:
    return [ip_interface(address) for address in ([addresses] if isinstance(addresses, str) else addresses)]


class Intf(mininet.link.Intf):
    """A NIC of a host or a port of a switch.

    Attributes:
        index: its device index, unique in the whole network.
        addresses: what was configured, in order.
        gateways: the default gateways configured through it, at most one a family.

    """

    node: "Node"
    link: "Link | None"
    name: str
    ip: str | None
    prefixLen: int | None  # noqa: N815

    def __init__(
        self,
        name: str,
        node: "Node",
        port: int | None = None,
        link: "Link | None" = None,
        mac: str | None = None,
        *,
        index: int,
        **params: Any,
    ) -> None:
        """Register a NIC that the same batch makes; `params` go to `config`."""
        self.index = index
        self.addresses: list[Interface] = []
        self.gateways: list[Address] = []
        self._metric = 0
        super().__init__(name, node=node, port=port, link=link, mac=mac, **params)

    @property
    def full_name(self) -> str:
        """`node.nic`, as captures and events have it."""
        return f"{self.node.name}.{self.name}"

    def made(self) -> None:
        """The NIC exists now: switch its offloads off, for captures' sake."""
        offloads_off(self.node.namespace, self.name)

    def config(
        self,
        mac: str | None = None,
        ip: str | Sequence[str] | None = None,
        ifconfig: str | None = None,
        up: bool = True,
        gateways: Sequence[str] = (),
        **_params: Any,
    ) -> dict[str, Any]:
        """Configure the NIC: Mininet's parameters, where `ip` may be several addresses of both families.

        With `gateways` it is done as `configure` does it.
        """
        with self.node.network.batch():
            if mac is not None:
                self.setMAC(mac)
            if self.node.bridge is None:
                self._queue(rtnetlink.set_link(self.index, up=up))
            if ip is not None:
                self._add(_interfaces(ip), [ip_address(gateway) for gateway in gateways], dad=False)
            if ifconfig is not None:
                self.ifconfig(ifconfig)
        return {}

    # Addresses

    def configure(self, addresses: Sequence[str], gateways: Sequence[str] = (), *, dad: bool = False) -> None:
        """Add addresses ("192.0.2.5/28", "2001:db8::5/64") and make the gateways, one a family, the default routers.

        What has one of the addresses as its source leaves through this NIC. The main default route goes through the NIC
        configured last.

        Args:
            addresses: with prefix length.
            gateways: addresses without; may be empty.
            dad: detect duplicate IPv6 addresses first (RFC 4862, 5.4): they are usable about a second later.

        Raises:
            ValueError: not an address.
            NetlinkError: the kernel refused one.

        """
        parsed, routers = _interfaces(addresses), [ip_address(gateway) for gateway in gateways]
        event = NicConfigure(self.name, tuple(map(str, parsed)), tuple(map(str, routers)))
        with self._change(event):
            if dad:
                self.node.sysctl({f"net.ipv6.conf.{self.name}.accept_dad": 1})
            self._add(parsed, routers, dad=dad)

    def deconfigure(self, addresses: Sequence[str] | None = None) -> None:
        """Remove addresses (by default all), their rules and, with the last of a family, its default routes."""
        gone = list(self.addresses) if addresses is None else _interfaces(addresses)
        with self._change(NicDeconfigure(self.name, tuple(map(str, gone)))):
            for address in gone:
                if self.gateways:
                    self._queue(self._rule(address, on=False))
                if address in self.addresses:
                    self.addresses.remove(address)
                self._queue(rtnetlink.delete_address(self.index, address))
            left = {address.version for address in self.addresses}
            for gateway in [gateway for gateway in self.gateways if gateway.version not in left]:
                self.gateways.remove(gateway)
                default = ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0")
                self._queue(
                    routes.delete_route(default, index=self.index, table=self._table),
                    routes.delete_route(default, index=self.index, metric=self._metric),
                )
        self._first_address()

    @property
    def _table(self) -> int:
        return _TABLES + self.index

    def _add(self, addresses: list[Interface], gateways: list[Address], *, dad: bool) -> None:
        for address in addresses:
            self._queue(rtnetlink.add_address(self.index, address, dad=dad))
            if address not in self.addresses:
                self.addresses.append(address)
        old_metric = self._metric
        if gateways:
            self._metric = _METRICS - self.node.next_default()
        for gateway in gateways:
            self._route(addresses, gateway)
            for old in [old for old in self.gateways if old.version == gateway.version]:
                self.gateways.remove(old)
                default = ip_network("0.0.0.0/0" if old.version == 4 else "::/0")
                self._queue(routes.delete_route(default, index=self.index, metric=old_metric))
            self.gateways.append(gateway)
        self._first_address()

    def _route(self, addresses: list[Interface], gateway: Address) -> None:
        """Queue rules, the NIC's own table and the main default route of one family."""
        own = [address for address in addresses if address.version == gateway.version]
        if not own:
            raise NetworkError(f"{self.full_name}: gateway {gateway} without an address of its family")
        default = ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0")
        # IPv6 takes no preferred source that is still tentative, and selects by prefix anyway (RFC 6724).
        source = own[0].ip if gateway.version == 4 else None
        for address in own:
            self._queue(
                self._rule(address),
                routes.route(address.network, index=self.index, source=source, table=self._table),
            )
        self._queue(
            routes.route(default, via=gateway, index=self.index, source=source, table=self._table),
            routes.route(default, via=gateway, index=self.index, source=source, metric=self._metric),
        )

    def _first_address(self) -> None:
        """Mininet's idea of an address: the first of IPv4."""
        first = next((address for address in self.addresses if address.version == 4), None)
        self.ip, self.prefixLen = (str(first.ip), first.network.prefixlen) if first else (None, None)

    def setIP(self, ipstr: str, prefixLen: int | None = None) -> None:  # noqa: N802, N803
        """Put an address in the place of the NIC's first of its family."""
        if "/" not in ipstr:
            if prefixLen is None:
                raise NetworkError(f"no prefix length set for address {ipstr}")
            ipstr = f"{ipstr}/{prefixLen}"
        new = ip_interface(ipstr)
        with self.node.network.batch():
            old = next((address for address in self.addresses if address.version == new.version), None)
            if old is not None and old != new:
                self.addresses.remove(old)
                self._queue(rtnetlink.delete_address(self.index, old))
            self._add([new], [], dad=False)

    def setMAC(self, macstr: str) -> None:  # noqa: N802
        """Set the MAC address."""
        self.mac = macstr
        with self.node.network.batch():
            self._queue(rtnetlink.set_link(self.index, mac=macstr))

    # Mininet asks ifconfig for these; what the network has set is known already.

    def updateIP(self) -> str | None:  # noqa: N802
        """The first IPv4 address."""
        return self.ip

    def updateMAC(self) -> str | None:  # noqa: N802
        """The MAC address."""
        return self.mac

    def updateAddr(self) -> tuple[str | None, str | None]:  # noqa: N802
        """The first IPv4 address and the MAC address."""
        return self.ip, self.mac

    # State

    def isUp(self, setUp: bool = False) -> bool:  # noqa: N802
        """Whether the NIC is administratively up; with `setUp` it is after this."""
        if setUp:
            with self.node.network.batch():
                self._queue(rtnetlink.set_link(self.index, up=True))
            return True
        return is_running(self.node.namespace, self.name)[0]

    def has_carrier(self) -> bool:
        """Whether the NIC is up and the far end of its link is, too."""
        return is_running(self.node.namespace, self.name)[1]

    def status(self) -> str:
        """Mininet's word for a NIC's state."""
        try:
            up, carrier = is_running(self.node.namespace, self.name)
        except OSError:
            return "MISSING"
        return "OK" if carrier else "NO-CARRIER" if up else "DOWN"

    def rename(self, newname: str) -> None:
        """Give the NIC another name; the kernel wants it down for that."""
        self.node.nameToIntf[newname] = self.node.nameToIntf.pop(self.name)
        self.name = newname
        with self.node.network.batch():
            self._queue(
                rtnetlink.set_link(self.index, up=False),
                rtnetlink.set_link(self.index, name=newname),
                rtnetlink.set_link(self.index, up=True),
            )

    def down(self, *, admin: bool = False) -> None:
        """Take the link down: at its far end, so that the NIC loses its carrier, or (`admin`) the NIC itself."""
        with self._change(NicDown(self.name, admin)):
            if admin:
                self._queue(rtnetlink.set_link(self.index, up=False))
            else:
                self._wired().set_near(self, up=False)
            self.node.network.carrier_changes()

    def up(self, *, admin: bool = False) -> None:
        """Undo `down`. After `admin`, which makes the kernel forget them, addresses and routes are set anew."""
        with self._change(NicUp(self.name, admin)):
            if admin:
                self._queue(rtnetlink.set_link(self.index, up=True))
                self._add(list(self.addresses), list(self.gateways), dad=False)
            else:
                self._wired().set_near(self, up=True)
            self.node.network.carrier_changes()

    def delete(self) -> None:
        """Delete the NIC; its link is of no use after that."""
        with self.node.network.batch():
            for address in self.addresses if self.gateways else []:
                self._queue(self._rule(address, on=False))
            self._queue(rtnetlink.delete_link(self.index))
        self.addresses, self.gateways = [], []
        self.node.delIntf(self)
        self.link = None

    def _wired(self) -> "Link":
        if self.link is None:
            raise NetworkError(f"{self.full_name} has no link")
        return self.link

    def _rule(self, address: Interface, *, on: bool = True) -> Request:
        """What comes from an address of this NIC is routed by the NIC's own table."""
        version = address.version
        return routes.rule(version, source=address.ip, table=self._table, priority=self._table, on=on)

    def _change(self, event: NicEvent) -> AbstractContextManager[None]:
        event.node = self.node.name
        return self.node.network.change(event)

    def _queue(self, *requests: Request) -> None:
        self.node.namespace.rtnl.queue(*requests)


class TCIntf(Intf):
    """Mininet's NIC with link parameters: `config(delay="5ms", ...)` sets them for what it sends."""

    def config(self, **params: Any) -> dict[str, Any]:  # type: ignore[override] # all go through it
        """Configure the NIC; link parameters act on what it sends."""
        from roamlab.network.impairment import split

        own, rest = split(params)
        result = super().config(**rest)
        if own:
            self._wired().impair_from(self, own)
        return result
