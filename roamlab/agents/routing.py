"""What Mobile IP's nodes change in their kernel over rtnetlink: tunnels, routes, rules, neighbours, proxy ARP.

Everything is IPv4, is safe to repeat, and stands apart from what the host had: routes in a table of Mobile IP's own, chosen
by rules that come before the host's. So taking it away again is enough to have the host as it was.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from roamlab.protocols.mobileip.actions import Encapsulation

MAIN: Final = 254
"""The host's own routing table."""
TABLE: Final = 434
"""The routing table for what Mobile IP routes; its rules have the same number as their priority."""
_NEWLINK, _DELLINK = 16, 17
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH = 28, 29
_NEWRULE, _DELRULE = 32, 33
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_CREATE_NEW, _CREATE_OR_REPLACE = 0x600, 0x500
_ERROR, _DONE = 2, 3
_IFF_UP: Final = 0x1
_ONLINK: Final = 0x4
_PERMANENT: Final = 0x80
_NTF_PROXY: Final = 0x8
_TO_TABLE, _GOTO, _BLACKHOLE = 1, 2, 6
_UNICAST, _STATIC, _SCOPE_UNIVERSE, _SCOPE_LINK = 1, 4, 0, 253
_TTL: Final = 64
_GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
_THERE: Final = frozenset({errno.EEXIST})
_EVERYWHERE: Final = IPv4Network("0.0.0.0/0")
_TUNNEL_PREFIX: Final = {Encapsulation.IPIP: "IFLA_IPIP", Encapsulation.GRE: "IFLA_GRE"}

Attributes = list[tuple[str, Any]]


class Routing:
    """A rtnetlink socket in the namespace that the process stands in. OSError for what the kernel refuses."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = 0

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
        prefix = _TUNNEL_PREFIX[encapsulation]
        data: Attributes = [(f"{prefix}_LOCAL", str(local))]
        if remote is not None:
            data += [(f"{prefix}_REMOTE", str(remote)), (f"{prefix}_TTL", _TTL)]
        message = ifinfmsg()
        message["index"] = index
        message["flags"] = message["change"] = _IFF_UP
        message["attrs"] = [
            ("IFLA_IFNAME", name),
            (
                "IFLA_LINKINFO",
                {"attrs": [("IFLA_INFO_KIND", encapsulation.value), ("IFLA_INFO_DATA", {"attrs": data})]},
            ),
        ]
        self._do(message, _NEWLINK, _CREATE_NEW, f"add tunnel {name}", _THERE)

    def delete_device(self, name: str) -> None:
        """Delete a device, with all routes into it."""
        message = ifinfmsg()
        message["attrs"] = [("IFLA_IFNAME", name)]
        self._do(message, _DELLINK, 0, f"delete device {name}", _GONE)

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
        message = _route(destination, table, metric)
        message["proto"], message["type"] = _STATIC, _UNICAST
        message["scope"] = _SCOPE_LINK if via is None else _SCOPE_UNIVERSE
        message["flags"] = _ONLINK if via is not None else 0
        attributes: Attributes = [("RTA_OIF", socket.if_nametoindex(device))]
        if via is not None:
            attributes.append(("RTA_GATEWAY", str(via)))
        if source is not None:
            attributes.append(("RTA_PREFSRC", str(source)))
        message["attrs"] += attributes
        self._do(message, _NEWROUTE, _CREATE_OR_REPLACE, f"add route {destination}", frozenset())

    def delete_route(self, destination: IPv4Network, table: int = TABLE, metric: int = 0) -> None:
        """Delete a route, whatever it leads through."""
        message = _route(destination, table, metric)
        message["scope"] = 255  # any
        self._do(message, _DELROUTE, 0, f"delete route {destination}", _GONE)

    def flush(self, table: int = TABLE) -> None:
        """Delete all routes of a table."""
        message = rtmsg()
        message["family"] = socket.AF_INET
        found = [m for m in self._dump(message, _GETROUTE, rtmsg) if _table(m) == table]
        for entry in found:
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
        message = fibmsg()
        message["family"] = socket.AF_INET
        message["action"] = _GOTO if skip_to else _BLACKHOLE if table is None else _TO_TABLE
        attributes: Attributes = [("FRA_PRIORITY", priority)]
        if skip_to:
            attributes.append(("FRA_GOTO", skip_to))
        elif table is not None:
            attributes.append(("FRA_TABLE", table))
        if source is not None:
            message["src_len"] = 32
            attributes.append(("FRA_SRC", str(source)))
        if into:
            attributes.append(("FRA_IIFNAME", into))
        message["attrs"] = attributes
        what = f"rule for {source or into or 'everything'}"
        if on:
            self._do(message, _NEWRULE, _CREATE_NEW, f"add {what}", _THERE)
        else:
            self._do(message, _DELRULE, 0, f"delete {what}", _GONE)

    # -- neighbours

    def neighbour(self, address: IPv4Address, device: str, link: bytes) -> None:
        """Say which link-layer address a neighbour has, for good: ARP is not asked."""
        message = _neighbour(address, device)
        message["state"] = _PERMANENT
        message["attrs"].append(("NDA_LLADDR", link.hex(":")))
        self._do(message, _NEWNEIGH, _CREATE_OR_REPLACE, f"add neighbour {address}", frozenset())

    def forget_neighbour(self, address: IPv4Address, device: str) -> None:
        """Undo :meth:`neighbour`."""
        self._do(_neighbour(address, device), _DELNEIGH, 0, f"delete neighbour {address}", _GONE)

    def proxy(self, address: IPv4Address, device: str, *, on: bool) -> None:
        """Answer ARP requests for an address on a device's link in its place, or no longer."""
        message = _neighbour(address, device)
        message["flags"] = _NTF_PROXY
        if on:
            self._do(message, _NEWNEIGH, _CREATE_OR_REPLACE, f"proxy ARP for {address}", frozenset())
        else:
            self._do(message, _DELNEIGH, 0, f"no proxy ARP for {address}", _GONE)

    # -- the socket

    def _do(self, message: Any, kind: int, flags: int, what: str, ignore: frozenset[int]) -> None:
        self._send(message, kind, flags | _REQUEST | _ACK)
        while True:
            for sequence, found, part in _parts(self._socket.recv(65536)):
                if found == _ERROR and sequence == self._sequence:
                    code = -int(struct.unpack_from("=i", part, 16)[0])
                    if code and code not in ignore:
                        raise OSError(code, f"{what}: {os.strerror(code)}")
                    return

    def _dump(self, message: Any, kind: int, decoder: Any) -> list[Any]:
        self._send(message, kind, _REQUEST | _DUMP)
        found: list[Any] = []
        while True:
            for _, answer, part in _parts(self._socket.recv(1 << 17)):
                if answer in (_DONE, _ERROR):
                    return found
                entry = decoder(part)
                entry.decode()
                found.append(entry)

    def _send(self, message: Any, kind: int, flags: int) -> None:
        self._sequence += 1
        message["header"]["type"], message["header"]["flags"] = kind, flags
        message["header"]["sequence_number"] = self._sequence
        message.encode()
        self._socket.send(message.data)


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


def _parts(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(sequence number, type, bytes) of each message in a datagram."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, offset)
        yield sequence, kind, data[offset : offset + length]
        offset += (length + 3) & ~3


def _route(destination: IPv4Network, table: int, metric: int) -> Any:
    message = rtmsg()
    message["family"], message["dst_len"] = socket.AF_INET, destination.prefixlen
    message["proto"] = message["type"] = 0
    attributes: Attributes = [("RTA_TABLE", table)]
    if destination != _EVERYWHERE:
        attributes.append(("RTA_DST", str(destination.network_address)))
    if metric:
        attributes.append(("RTA_PRIORITY", metric))
    message["attrs"] = attributes
    return message


def _table(message: Any) -> int:
    return int(message.get_attr("RTA_TABLE") or message["table"])


def _neighbour(address: IPv4Address, device: str) -> Any:
    message = ndmsg()
    message["family"], message["ifindex"] = socket.AF_INET, socket.if_nametoindex(device)
    message["attrs"] = [("NDA_DST", str(address))]
    return message
