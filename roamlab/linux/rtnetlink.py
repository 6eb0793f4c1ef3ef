"""Requests about devices and addresses, one function each, encoded by pyroute2. Routes are in `roamlab.linux.routes`.

Devices are known by index. A network chooses the indices itself (see `roamlab.network.lab`), so a NIC can be named in the
same batch that makes it.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Final

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from roamlab.linux.netlink import CREATE_NEW, CREATE_OR_REPLACE, REQUEST, Request

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

NEWLINK, DELLINK, SETLINK = 16, 17, 19
NEWADDR, DELADDR = 20, 21

IFF_UP: Final = 0x1
GONE: Final = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL})
"""What the kernel says of a deletion of what isn't there."""
THERE: Final = frozenset({errno.EEXIST})
_IFA_F_NODAD: Final = 0x02
_TUNNEL_TTL: Final = 64
_TUNNELS: Final = {"ipip": "IFLA_IPIP", "gre": "IFLA_GRE"}

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


def family(address: Address | Interface | Network) -> int:
    """The address family of an address or prefix."""
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
        ignore=GONE if ignore_gone else frozenset(),
    )


def delete_link(index: int) -> Request:
    """Delete a device; with a veth goes its peer. One that is gone already is no error."""
    message = ifinfmsg()
    message["index"] = index
    return encode(message, DELLINK, REQUEST, f"delete device {index}", ignore=GONE)


def tunnel(*, name: str, index: int, kind: str, local: IPv4Address, remote: IPv4Address | None) -> Request:
    """Make an ``ipip`` or ``gre`` tunnel, up; without ``remote`` it only decapsulates what comes to ``local``.

    One that is there already is no error.
    """
    prefix = _TUNNELS[kind]
    data: Attributes = [(f"{prefix}_LOCAL", str(local))]
    if remote is not None:
        data += [(f"{prefix}_REMOTE", str(remote)), (f"{prefix}_TTL", _TUNNEL_TTL)]
    message = ifinfmsg()
    message["index"] = index
    message["flags"] = message["change"] = IFF_UP
    message["attrs"] = [
        ("IFLA_IFNAME", name),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": data})]}),
    ]
    return encode(message, NEWLINK, CREATE_NEW, f"add tunnel {name}", ignore=THERE)


def device(*, name: str, index: int, kind: str, option: str) -> Request:
    """Make a device of a kind that needs nothing more said, down."""
    message = ifinfmsg()
    message["index"] = index
    message["attrs"] = [
        ("IFLA_IFNAME", name),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind)]}),
    ]
    return encode(message, NEWLINK, CREATE_NEW, f"add {kind} device {name}", option=option)


def delete_named(name: str) -> Request:
    """Delete a device by name, with all routes into it. One that is gone already is no error."""
    message = ifinfmsg()
    message["attrs"] = [("IFLA_IFNAME", name)]
    return encode(message, DELLINK, REQUEST, f"delete device {name}", ignore=GONE)


# Addresses


def add_address(index: int, address: Interface, *, dad: bool = False) -> Request:
    """Give a NIC an address, usable at once unless duplicate address detection is asked for (RFC 4862, 5.4)."""
    message = ifaddrmsg()
    message["family"], message["index"] = family(address), index
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
    message["family"], message["index"] = family(address), index
    message["prefixlen"] = address.network.prefixlen
    message["attrs"] = [("IFA_ADDRESS", str(address.ip)), ("IFA_LOCAL", str(address.ip))]
    return encode(message, DELADDR, REQUEST, f"delete address {address}", ignore=GONE)
