"""Requests to the kernel's routing and device tables, one function each, encoded by pyroute2.

Devices are known by index. The lab chooses the indices itself (see `roamlab.network.lab`), so a NIC can be named in the same
batch that makes it.
"""

import errno
import socket
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Final

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from roamlab.network.netlink import Request

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

NEWLINK, DELLINK, SETLINK = 16, 17, 19
NEWADDR, DELADDR = 20, 21
NEWROUTE, DELROUTE = 24, 25
NEWNEIGH = 28
NEWRULE, DELRULE = 32, 33

REQUEST, CREATE_NEW, CREATE_OR_REPLACE = 0x1, 0x1 | 0x600, 0x1 | 0x500

IFF_UP: Final = 0x1
MAIN_TABLE: Final = 254
_GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
_IFA_F_NODAD: Final = 0x02
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_PROTO_STATIC: Final = 4
_UNICAST: Final = 1
_TO_TABLE, _BLACKHOLE = 1, 6
_RULES: Final = {4: "CONFIG_IP_MULTIPLE_TABLES", 6: "CONFIG_IPV6_MULTIPLE_TABLES"}
_PERMANENT: Final = 0x80

Attributes = list[tuple[str, Any]]


def encode(
    message: Any,
    kind: int,
    flags: int,
    what: str,
    *,
    option: str | None = None,
    ignore: frozenset[int] = frozenset(),
) -> Request:
    """Finish a pyroute2 message."""
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message.encode()
    data = bytes(message.data)
    return Request(data + bytes(-len(data) % 4), what, option, ignore)


def _family(address: Address | Interface | Network) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


# Devices


def veth(
    *,
    name: str,
    index: int,
    mac: str,
    namespace: int,
    peer: str,
    peer_index: int,
    peer_mac: str,
    peer_namespace: int,
    up: bool = True,
    master: int | None = None,
) -> Request:
    """Make a pair of virtual NICs, each end at once in its namespace (a descriptor); the peer starts down."""
    inner = ifinfmsg()
    inner["index"] = peer_index
    inner["attrs"] = [
        ("IFLA_IFNAME", peer),
        ("IFLA_ADDRESS", peer_mac),
        ("IFLA_NET_NS_FD", peer_namespace),
    ]
    message = ifinfmsg()
    message["index"] = index
    message["flags"] = message["change"] = IFF_UP if up else 0
    attributes: Attributes = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_NET_NS_FD", namespace),
    ]
    if master is not None:
        attributes.append(("IFLA_MASTER", master))
    attributes.append(
        (
            "IFLA_LINKINFO",
            {
                "attrs": [
                    ("IFLA_INFO_KIND", "veth"),
                    ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", inner)]}),
                ]
            },
        )
    )
    message["attrs"] = attributes
    return encode(message, NEWLINK, CREATE_NEW, f"add veth {name} - {peer}", option="CONFIG_VETH")


def bridge(*, name: str, index: int, mac: str, hub: bool) -> Request:
    """Make a bridge, up, without spanning tree and multicast snooping.

    A hub learns nothing and passes link-local multicast too, as a cable does.
    """
    data: Attributes = [
        ("IFLA_BR_FORWARD_DELAY", 0),
        ("IFLA_BR_STP_STATE", 0),
        ("IFLA_BR_MCAST_SNOOPING", 0),
    ]
    if hub:
        # The kernel keeps the three groups of STP, PAUSE and LACP to itself (BR_GROUPFWD_RESTRICTED).
        data += [("IFLA_BR_AGEING_TIME", 0), ("IFLA_BR_GROUP_FWD_MASK", 0xFFF8)]
    message = ifinfmsg()
    message["index"] = index
    message["flags"] = message["change"] = IFF_UP
    message["attrs"] = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", {"attrs": data})]}),
    ]
    return encode(message, NEWLINK, CREATE_NEW, f"add bridge {name}", option="CONFIG_BRIDGE")


def set_link(
    index: int,
    *,
    up: bool | None = None,
    master: int | None = None,
    name: str | None = None,
    mac: str | None = None,
    ignore_gone: bool = False,
) -> Request:
    """Change a device; `master` 0 takes it off its bridge."""
    message = ifinfmsg()
    message["index"] = index
    words = []
    if up is not None:
        message["flags"], message["change"] = IFF_UP if up else 0, IFF_UP
        words.append("up" if up else "down")
    attributes: Attributes = []
    if name is not None:
        attributes.append(("IFLA_IFNAME", name))
        words.append(f"name {name}")
    if mac is not None:
        attributes.append(("IFLA_ADDRESS", mac))
        words.append(f"address {mac}")
    if master is not None:
        attributes.append(("IFLA_MASTER", master))
        words.append(f"master {master}")
    message["attrs"] = attributes
    return encode(
        message,
        SETLINK,
        REQUEST,
        f"set device {index} {' '.join(words)}",
        ignore=_GONE if ignore_gone else frozenset(),
    )


def delete_link(index: int) -> Request:
    """Delete a device; with a veth goes its peer. One that is gone already is no error."""
    message = ifinfmsg()
    message["index"] = index
    return encode(message, DELLINK, REQUEST, f"delete device {index}", ignore=_GONE)


# Addresses


def add_address(index: int, address: Interface, *, dad: bool = False) -> Request:
    """Give a NIC an address, usable at once unless duplicate address detection is asked for (RFC 4862, 5.4)."""
    message = ifaddrmsg()
    message["family"], message["index"] = _family(address), index
    message["prefixlen"] = address.network.prefixlen
    message["flags"] = _IFA_F_NODAD if address.version == 6 and not dad else 0
    attributes: Attributes = [("IFA_ADDRESS", str(address.ip)), ("IFA_LOCAL", str(address.ip))]
    if isinstance(address, IPv4Interface) and address.network.prefixlen < 31:
        attributes.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    message["attrs"] = attributes
    return encode(message, NEWADDR, CREATE_OR_REPLACE, f"add address {address}")


def delete_address(index: int, address: Interface) -> Request:
    """Take an address from a NIC; one that isn't there is no error."""
    message = ifaddrmsg()
    message["family"], message["index"] = _family(address), index
    message["prefixlen"] = address.network.prefixlen
    message["attrs"] = [("IFA_ADDRESS", str(address.ip)), ("IFA_LOCAL", str(address.ip))]
    return encode(message, DELADDR, REQUEST, f"delete address {address}", ignore=_GONE)


# Routes, rules, neighbours


def route(
    destination: Network,
    *,
    via: Address | None = None,
    index: int | None = None,
    source: Address | None = None,
    table: int = MAIN_TABLE,
    metric: int = 0,
) -> Request:
    """Add a route, or put it in the place of one with the same destination, table and metric."""
    message = _route(destination, via, index, source, table, metric)
    return encode(message, NEWROUTE, CREATE_OR_REPLACE, f"add route {destination} via {via or index}")


def delete_route(
    destination: Network, *, index: int | None = None, table: int = MAIN_TABLE, metric: int = 0
) -> Request:
    """Delete a route; one that isn't there is no error."""
    message = _route(destination, None, index, None, table, metric)
    message["scope"] = 255  # RT_SCOPE_NOWHERE: any
    message["proto"] = message["type"] = 0
    return encode(message, DELROUTE, REQUEST, f"delete route {destination}", ignore=_GONE)


def _route(
    destination: Network,
    via: Address | None,
    index: int | None,
    source: Address | None,
    table: int,
    metric: int,
) -> Any:
    message = rtmsg()
    message["family"] = _family(destination)
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


def rule_from(source: Address, table: int, priority: int) -> Request:
    """Packets from `source` are routed by `table`."""
    message = _rule(source, table, priority)
    return encode(
        message,
        NEWRULE,
        CREATE_NEW,
        f"add rule from {source}",
        option=_RULES[source.version],
        ignore=frozenset({errno.EEXIST}),
    )


def delete_rule_from(source: Address, table: int, priority: int) -> Request:
    """Undo `rule_from`; a rule that isn't there is no error."""
    return encode(
        _rule(source, table, priority),
        DELRULE,
        REQUEST,
        f"delete rule from {source}",
        ignore=_GONE | {errno.EOPNOTSUPP, errno.EAFNOSUPPORT},
    )


def rule_dropping(source: Network, destination: Network, priority: int) -> Request:
    """Packets from `source` to `destination` are dropped instead of routed."""
    message = fibmsg()
    message["family"] = _family(source)
    message["src_len"], message["dst_len"] = source.prefixlen, destination.prefixlen
    message["action"] = _BLACKHOLE
    message["attrs"] = [
        ("FRA_SRC", str(source.network_address)),
        ("FRA_DST", str(destination.network_address)),
        ("FRA_PRIORITY", priority),
    ]
    what = f"drop what goes from {source} to {destination}"
    return encode(message, NEWRULE, CREATE_NEW, what, option=_RULES[source.version])


def _rule(source: Address, table: int, priority: int) -> Any:
    message = fibmsg()
    message["family"] = _family(source)
    message["src_len"] = source.max_prefixlen
    message["table"] = table if table < 256 else 0
    message["action"] = _TO_TABLE
    message["attrs"] = [("FRA_SRC", str(source)), ("FRA_TABLE", table), ("FRA_PRIORITY", priority)]
    return message


def neighbour(index: int, address: Address, mac: str) -> Request:
    """Add a permanent neighbour entry (ARP or neighbour discovery)."""
    message = ndmsg()
    message["family"], message["ifindex"], message["state"] = _family(address), index, _PERMANENT
    message["attrs"] = [("NDA_DST", str(address)), ("NDA_LLADDR", mac)]
    return encode(message, NEWNEIGH, CREATE_OR_REPLACE, f"add neighbour {address}")
