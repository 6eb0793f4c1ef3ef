"""Requests about routes, rules and neighbours, one function each, encoded by pyroute2."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from roamlab.linux.netlink import CREATE_NEW, CREATE_OR_REPLACE, DUMP, REQUEST, Request
from roamlab.linux.rtnetlink import GONE, THERE, Address, Attributes, Network, encode, family

NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH = 28, 29
NEWRULE, DELRULE = 32, 33
MAIN_TABLE: Final = 254
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_ANY = 0, 253, 255
_PROTO_STATIC: Final = 4
_UNICAST: Final = 1
_ONLINK: Final = 0x4
_TO_TABLE, _GOTO, _BLACKHOLE = 1, 2, 6
_RULES: Final = {4: "CONFIG_IP_MULTIPLE_TABLES", 6: "CONFIG_IPV6_MULTIPLE_TABLES"}
_NO_RULES: Final = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT})
_PERMANENT: Final = 0x80
_NTF_PROXY: Final = 0x8

Route = rtmsg
"""A route as a dump lists it."""


def route(
    destination: Network,
    *,
    via: Address | None = None,
    index: int | None = None,
    source: Address | None = None,
    table: int = MAIN_TABLE,
    metric: int = 0,
    onlink: bool = False,
) -> Request:
    """Add a route, or put it in the place of one with the same destination, table and metric.

    With ``onlink`` the gateway counts as being on the device's link even where no prefix says so.
    """
    message = _route(destination, via, index, source, table, metric)
    message["flags"] = _ONLINK if onlink else 0
    return encode(message, NEWROUTE, CREATE_OR_REPLACE, f"add route {destination} via {via or index}")


def delete_route(
    destination: Network, *, index: int | None = None, table: int = MAIN_TABLE, metric: int = 0
) -> Request:
    """Delete a route; one that isn't there is no error."""
    message = _route(destination, None, index, None, table, metric)
    message["scope"] = _SCOPE_ANY
    message["proto"] = message["type"] = 0
    return encode(message, DELROUTE, REQUEST, f"delete route {destination}", ignore=GONE)


def list_routes() -> Request:
    """All IPv4 routes of a namespace, for `Rtnl.dump` with `Route`."""
    message = rtmsg()
    message["family"] = socket.AF_INET
    return encode(message, GETROUTE, REQUEST | DUMP, "list routes")


def table_of(listed: Any) -> int:
    """The table that a listed route is in."""
    return int(listed.get_attr("RTA_TABLE") or listed["table"])


def _route(
    destination: Network,
    via: Address | None,
    index: int | None,
    source: Address | None,
    table: int,
    metric: int,
) -> Any:
    message = rtmsg()
    message["family"] = family(destination)
    message["dst_len"] = destination.prefixlen
    message["table"] = table if table < 256 else 0
    message["proto"] = _PROTO_STATIC
    message["scope"] = _SCOPE_UNIVERSE if via is not None or destination.version == 6 else _SCOPE_LINK
    message["type"] = _UNICAST
    attributes: Attributes = [("RTA_TABLE", table)]
    if destination.prefixlen:
        attributes.append(("RTA_DST", str(destination.network_address)))
    if via is not None:
        attributes.append(("RTA_GATEWAY", str(via)))
    if index is not None:
        attributes.append(("RTA_OIF", index))
    if source is not None:
        attributes.append(("RTA_PREFSRC", str(source)))
    if metric:
        attributes.append(("RTA_PRIORITY", metric))
    message["attrs"] = attributes
    return message


# Rules


def rule(
    version: int,
    *,
    source: Address | None = None,
    into: str = "",
    table: int | None = None,
    skip_to: int = 0,
    priority: int,
    on: bool = True,
) -> Request:
    """Route by ``table`` what comes from ``source`` or in through the device ``into``; without a table, drop it.

    With ``skip_to`` neither: the rules before that priority do not apply to it. ``version`` is 4 or 6. Without ``on`` the
    rule is deleted. A rule that is there already, or of a deletion isn't, is no error.
    """
    message = fibmsg()
    message["family"] = socket.AF_INET if version == 4 else socket.AF_INET6
    message["action"] = _GOTO if skip_to else _BLACKHOLE if table is None else _TO_TABLE
    message["table"] = table if table is not None and table < 256 else 0
    attributes: Attributes = [("FRA_PRIORITY", priority)]
    if skip_to:
        attributes.append(("FRA_GOTO", skip_to))
    elif table is not None:
        attributes.append(("FRA_TABLE", table))
    if source is not None:
        message["src_len"] = source.max_prefixlen
        attributes.append(("FRA_SRC", str(source)))
    if into:
        attributes.append(("FRA_IIFNAME", into))
    message["attrs"] = attributes
    what, option = f"rule for {source or into or 'everything'}", _RULES[version]
    if on:
        return encode(message, NEWRULE, CREATE_NEW, f"add {what}", option=option, ignore=THERE)
    return encode(message, DELRULE, REQUEST, f"delete {what}", ignore=GONE | _NO_RULES)


def rule_dropping(source: Network, destination: Network, priority: int, *, on: bool = True) -> Request:
    """Packets from `source` to `destination` are dropped instead of routed; without ``on``, no longer."""
    message = fibmsg()
    message["family"] = family(source)
    message["src_len"], message["dst_len"] = source.prefixlen, destination.prefixlen
    message["action"] = _BLACKHOLE
    message["attrs"] = [
        ("FRA_SRC", str(source.network_address)),
        ("FRA_DST", str(destination.network_address)),
        ("FRA_PRIORITY", priority),
    ]
    what = f"what goes from {source} to {destination}"
    if on:
        return encode(message, NEWRULE, CREATE_NEW, f"drop {what}", option=_RULES[source.version])
    return encode(message, DELRULE, REQUEST, f"drop no longer {what}", ignore=GONE)


def rule_silencing(version: int, protocol: int, *, but_marked: int, priority: int) -> Request:
    """What this node itself sends of an IP protocol finds no route unless its mark has a bit of ``but_marked``."""
    message = fibmsg()
    message["family"] = socket.AF_INET if version == 4 else socket.AF_INET6
    message["action"] = _BLACKHOLE
    message["attrs"] = [
        ("FRA_PRIORITY", priority),
        ("FRA_IP_PROTO", protocol),
        ("FRA_FWMARK", 0),
        ("FRA_FWMASK", but_marked),
    ]
    return encode(
        message, NEWRULE, CREATE_NEW, f"silence protocol {protocol}", option=_RULES[version], ignore=THERE
    )


# Neighbours


def neighbour(index: int, address: Address, mac: str) -> Request:
    """Add a permanent neighbour entry: ARP or neighbour discovery is not asked."""
    message = _neighbour(index, address)
    message["state"] = _PERMANENT
    message["attrs"].append(("NDA_LLADDR", mac))
    return encode(message, NEWNEIGH, CREATE_OR_REPLACE, f"add neighbour {address}")


def delete_neighbour(index: int, address: Address) -> Request:
    """Undo `neighbour`; one that isn't there is no error."""
    return encode(_neighbour(index, address), DELNEIGH, REQUEST, f"delete neighbour {address}", ignore=GONE)


def proxy(index: int, address: Address, *, on: bool) -> Request:
    """Answer ARP requests for an address on a device's link in its place, or no longer."""
    message = _neighbour(index, address)
    message["flags"] = _NTF_PROXY
    if on:
        return encode(message, NEWNEIGH, CREATE_OR_REPLACE, f"proxy ARP for {address}")
    return encode(message, DELNEIGH, REQUEST, f"no proxy ARP for {address}", ignore=GONE)


def _neighbour(index: int, address: Address) -> Any:
    message = ndmsg()
    message["family"], message["ifindex"] = family(address), index
    message["attrs"] = [("NDA_DST", str(address))]
    return message
