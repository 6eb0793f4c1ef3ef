"""What Mobile IP's nodes change in their kernel: tunnels, routes, rules, neighbours, proxy ARP.

Everything is IPv4, is safe to repeat, and stands apart from what the host had: routes in a table of Mobile IP's own, chosen
by rules that come before the host's. So taking it away again is enough to have the host as it was.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from roamlab.linux import routes, rtnetlink
from roamlab.linux.errors import MissingKernelOption, NetlinkError
from roamlab.linux.netlink import Request, Rtnl
from roamlab.protocols.mobileip.actions import Encapsulation

MAIN: Final = routes.MAIN_TABLE
"""The host's own routing table."""
TABLE: Final = 434
"""The routing table for what Mobile IP routes; its rules have the same number as their priority."""


class Routing:
    """The routes of the namespace that the process stands in. OSError for what the kernel refuses."""

    def __init__(self) -> None:
        self._rtnl = Rtnl(explained=False)

    # -- devices

    def add_tunnel(
        self,
        name: str,
        index: int,
        encapsulation: Encapsulation,
        local: IPv4Address,
        remote: IPv4Address | None,
    ) -> None:
        """Make a tunnel device, up; without ``remote`` it only decapsulates what comes to ``local``."""
        self._do(
            rtnetlink.tunnel(name=name, index=index, kind=encapsulation.value, local=local, remote=remote)
        )

    def delete_device(self, name: str) -> None:
        """Delete a device, with all routes into it."""
        self._do(rtnetlink.delete_named(name))

    # -- routes and rules

    def route(
        self,
        destination: IPv4Network,
        device: str,
        *,
        via: IPv4Address | None = None,
        source: IPv4Address | None = None,
        table: int = TABLE,
        metric: int = 0,
    ) -> None:
        """Route through a device; ``via`` counts as being on its link even where no prefix says so."""
        self._do(
            routes.route(
                destination,
                via=via,
                index=socket.if_nametoindex(device),
                source=source,
                table=table,
                metric=metric,
                onlink=via is not None,
            )
        )

    def delete_route(self, destination: IPv4Network, table: int = TABLE, metric: int = 0) -> None:
        """Delete a route, whatever it leads through."""
        self._do(routes.delete_route(destination, table=table, metric=metric))

    def flush(self, table: int = TABLE) -> None:
        """Delete all routes of a table."""
        for entry in self._rtnl.dump(routes.list_routes(), routes.Route):
            if routes.table_of(entry) == table:
                destination = entry.get_attr("RTA_DST") or "0.0.0.0"
                self.delete_route(IPv4Network((destination, entry["dst_len"])), table)

    def rule(
        self,
        *,
        source: IPv4Address | None = None,
        into: str = "",
        table: int | None = TABLE,
        skip_to: int = 0,
        priority: int = TABLE,
        on: bool = True,
    ) -> None:
        """Route by ``table`` what comes from ``source`` or in through the device ``into``; without a table, drop it.

        With ``skip_to`` neither: the rules before that priority do not apply to it.
        """
        self._do(
            routes.rule(4, source=source, into=into, table=table, skip_to=skip_to, priority=priority, on=on)
        )

    # -- neighbours

    def neighbour(self, address: IPv4Address, device: str, link: bytes) -> None:
        """Say which link-layer address a neighbour has, for good: ARP is not asked."""
        self._do(routes.neighbour(socket.if_nametoindex(device), address, link.hex(":")))

    def forget_neighbour(self, address: IPv4Address, device: str) -> None:
        """Undo :meth:`neighbour`."""
        self._do(routes.delete_neighbour(socket.if_nametoindex(device), address))

    def proxy(self, address: IPv4Address, device: str, *, on: bool) -> None:
        """Answer ARP requests for an address on a device's link in its place, or no longer."""
        self._do(routes.proxy(socket.if_nametoindex(device), address, on=on))

    def _do(self, request: Request) -> None:
        try:
            self._rtnl.do(request)
        except NetlinkError as error:
            raise OSError(error.errno, str(error)) from None
        except MissingKernelOption as error:
            raise OSError(errno.EOPNOTSUPP, str(error)) from None


def arp_for(device: str, **values: int) -> None:
    """Set ARP sysctls of a device: ``arp_ignore``, ``arp_announce`` (net.ipv4.conf)."""
    for name, value in values.items():
        Path(f"/proc/sys/net/ipv4/conf/{device}/{name}").write_text(str(value))


def ask_by_broadcast(device: str, *, on: bool) -> None:
    """Let ARP requests be broadcast on a device's link, as usual, or never."""
    Path(f"/proc/sys/net/ipv4/neigh/{device}/mcast_solicit").write_text("3" if on else "0")


def answer_proxied_at_once(device: str) -> None:
    """Let proxied ARP requests wait for nothing: the kernel's delay of up to 0.8 s is meant for load sharing."""
    Path(f"/proc/sys/net/ipv4/neigh/{device}/proxy_delay").write_text("0")


def learned_link(address: IPv4Address, device: str) -> bytes:
    """The link-layer address that the neighbour table has for an address; empty when it has none."""
    for line in Path("/proc/net/arp").read_text().splitlines()[1:]:
        found, _, flags, link, _, where = line.split()
        if (found, where) == (str(address), device) and int(flags, 16) & 0x2:
            return bytes.fromhex(link.replace(":", ""))
    return b""
