"""The addresses of the network namespace that the caller stands in."""

from __future__ import annotations

import socket

from pyroute2.netlink.rtnl import RTM_GETADDR
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from roamlab.linux.netlink import DUMP, REQUEST, Rtnl
from roamlab.linux.rtnetlink import encode


def listed(family: int) -> list[tuple[str, tuple[int, str]]]:
    """Each address of a family (AF_INET or AF_INET6), with the index and the name of its NIC."""
    request = ifaddrmsg()
    request["family"] = family
    with Rtnl() as rtnl:
        entries = rtnl.dump(encode(request, RTM_GETADDR, REQUEST | DUMP, "list addresses"), ifaddrmsg)
    found = []
    for entry in entries:
        address = entry.get_attr("IFA_LOCAL") or entry.get_attr("IFA_ADDRESS")
        try:
            found.append((address, (int(entry["index"]), socket.if_indextoname(entry["index"]))))
        except OSError:  # it went meanwhile
            continue
    return found
