"""Finds out what the kernel it runs on can do, by trying it in a network namespace of its own.

Prints the name of each ability that is there, one a line. A kernel that can load modules loads them now.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable

NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 0, 4, 12
RTM_NEWLINK, RTM_NEWQDISC, SOCK_DIAG_BY_FAMILY = 16, 36, 20
NFT_GETGEN = (10 << 8) | 16
REQUEST, ACK, DUMP, CREATE_EXCL = 1, 4, 0x300, 0x600
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, TCA_KIND = 3, 18, 1, 1
SCTP, MPTCP = 132, 262

# What a kernel says of a kind that it doesn't have; any other complaint is about our too short request.
UNKNOWN = {errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT}

LINKS = {
    "bridge": "bridge",
    "dummy": "dummy",
    "gre": "gre",
    "ifb": "ifb",
    "ip6tunnel": "ip6tnl",
    "ipip": "ipip",
    "veth": "veth",
    "vrf": "vrf",
    "wireguard": "wireguard",
}
QDISCS = {"fq_codel": "fq_codel", "htb": "htb", "netem": "netem", "tbf": "tbf"}


def attribute(kind: int, value: bytes) -> bytes:
    """Encode a netlink attribute, padded to 4 octets."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def ask(family: int, message: int, flags: int, body: bytes) -> int:
    """Send one netlink request; give the error number of its answer, 0 for none."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as netlink:
        netlink.settimeout(5.0)
        netlink.send(struct.pack("=IHHII", 16 + len(body), message, REQUEST | flags, 1, 0) + body)
        answer = netlink.recv(65536)
    (kind,) = struct.unpack_from("=H", answer, 4)
    if kind not in (2, 3):  # NLMSG_ERROR and NLMSG_DONE carry a result
        return 0
    (result,) = struct.unpack_from("=i", answer, 16)
    return int(-result)


def link(kind: str) -> bool:
    """Whether NICs of a kind can be made (a tunnel without addresses "exists": each kind has a fallback NIC)."""
    info = attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, kind.encode()))
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, b"probe0\0") + info
    code = ask(NETLINK_ROUTE, RTM_NEWLINK, ACK | CREATE_EXCL, body)
    if code == 0:
        head = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        ask(NETLINK_ROUTE, RTM_NEWLINK + 1, ACK, head + attribute(IFLA_IFNAME, b"probe0\0"))
    return code not in UNKNOWN


def qdisc(kind: str) -> bool:
    """Whether queueing disciplines of a kind can be made: tried on the loopback NIC, with no options."""
    body = struct.pack("=BxHiIII", 0, 0, socket.if_nametoindex("lo"), 0, 0xFFFFFFFF, 0)
    name = attribute(TCA_KIND, kind.encode() + b"\0")
    return ask(NETLINK_ROUTE, RTM_NEWQDISC, ACK | CREATE_EXCL & ~0x200, body + name) not in UNKNOWN


def opens(family: int, kind: int, protocol: int) -> Callable[[], bool]:
    """Make a test for a kind of socket."""

    def test() -> bool:
        socket.socket(family, kind, protocol).close()
        return True

    return test


def listens() -> bool:
    """Whether SCTP can listen, which needs its cookie's HMAC too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, SCTP) as listener:
        listener.listen(1)
    return True


def sctp_diag() -> bool:
    """Whether SCTP associations can be asked for (inet_diag_req_v2 with the protocol alone)."""
    body = struct.pack("=BBBxI", socket.AF_INET, SCTP, 0, 0xFFFFFFFF) + b"\0" * 48
    return ask(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DUMP, body) == 0


def nft() -> bool:
    """Whether nftables answers (NFT_MSG_GETGEN)."""
    return ask(NETLINK_NETFILTER, NFT_GETGEN, ACK, b"\0\0\0\0") == 0


def tests() -> dict[str, Callable[[], bool]]:
    """Give a test for each ability that can be tried."""
    found: dict[str, Callable[[], bool]] = {
        "ipv6": opens(socket.AF_INET6, socket.SOCK_DGRAM, 0),
        "mptcp": opens(socket.AF_INET, socket.SOCK_STREAM, MPTCP),
        "netns": lambda: True,  # we stand in one
        "nft": nft,
        "packet": opens(socket.AF_PACKET, socket.SOCK_RAW, 0),
        "sctp": listens,
        "sctp_diag": sctp_diag,
        "tun": lambda: os.path.exists("/dev/net/tun"),  # noqa: PTH110
    }
    found |= {name: lambda kind=kind: link(kind) for name, kind in LINKS.items()}  # type: ignore[misc]
    found |= {name: lambda kind=kind: qdisc(kind) for name, kind in QDISCS.items()}  # type: ignore[misc]
    return found


def main() -> None:
    """Try everything."""
    for name, test in tests().items():
        try:
            there = test()
        except OSError:
            there = False
        if there:
            print(name)


if __name__ == "__main__":
    main()
