"""WireGuard devices of the kernel over netlink (linux/wireguard.h). What is here acts on the caller's network namespace."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from typing import Final

from roamlab.linux.errors import NetworkError
from roamlab.linux.generic import Family
from roamlab.linux.netlink import attribute, attributes, nest

KEY_LENGTH: Final = 32
_OPTION: Final = "CONFIG_WIREGUARD"
_GET, _SET = 0, 1
_NAME, _PRIVATE, _PUBLIC, _PORT, _PEERS = 2, 3, 4, 6, 8
_PEER_KEY, _PEER_FLAGS, _ENDPOINT, _KEEPALIVE, _ALLOWED = 1, 3, 4, 5, 9
_UPDATE_ONLY: Final = struct.pack("=I", 1 << 2)
_ALLOWED_FAMILY, _ALLOWED_ADDRESS, _ALLOWED_BITS = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a tunnel.

    Attributes:
        key: its public key.
        inner: the addresses that it has inside, with prefix lengths: what goes to them goes to it, and comes from nobody else.
        endpoint: its address and port outside; None where it speaks first.
        keepalive_s: how often something is sent when nothing else is (seconds); 0 for never.

    """

    key: bytes
    inner: tuple[str, ...]
    endpoint: tuple[str, int] | None = None
    keepalive_s: int = 0


def public_key(device: str, private: bytes, port: int) -> bytes:
    """Give a device its private key and the port where it listens; its public key, which the kernel works out."""
    family = Family("wireguard", _OPTION)
    try:
        name = attribute(_NAME, device.encode() + b"\0")
        body = name + attribute(_PRIVATE, private) + attribute(_PORT, struct.pack("=H", port))
        family.do(_SET, body, f"configure {device}")
        told = dict(family.dump(_GET, name, f"ask for the key of {device}"))
    finally:
        family.close()
    if _PUBLIC not in told:
        raise NetworkError(f"{device} has no public key")
    return told[_PUBLIC]


def add_peer(device: str, peer: Peer) -> None:
    """Add a peer to a device. NetlinkError where the kernel refuses."""
    body = attribute(_PEER_KEY, peer.key) + attribute(_KEEPALIVE, struct.pack("=H", peer.keepalive_s))
    if peer.endpoint is not None:
        body += attribute(_ENDPOINT, _socket_address(*peer.endpoint))
    body += nest(_ALLOWED, b"".join(nest(0, _allowed(address)) for address in peer.inner))
    family = Family("wireguard", _OPTION)
    try:
        whole = attribute(_NAME, device.encode() + b"\0") + nest(_PEERS, nest(0, body))
        family.do(_SET, whole, f"give {device} a peer")
    finally:
        family.close()


def forget_sources(device: str) -> None:
    """Have a device choose again from which address it sends: it keeps the last one as long as the node has that.

    Each peer is given the endpoint that it has, which is all that this takes. NetlinkError where the kernel refuses.
    """
    family = Family("wireguard", _OPTION)
    name = attribute(_NAME, device.encode() + b"\0")
    try:
        told = [*family.dump(_GET, name, f"ask for the peers of {device}")]
        for kind, value in told:
            if kind != _PEERS:
                continue
            for _, peer in attributes(value):
                has = dict(attributes(peer))
                if _ENDPOINT in has:
                    same = attribute(_PEER_KEY, has[_PEER_KEY]) + attribute(_PEER_FLAGS, _UPDATE_ONLY)
                    same += attribute(_ENDPOINT, has[_ENDPOINT])
                    family.do(
                        _SET, name + nest(_PEERS, nest(0, same)), f"set the endpoint of a peer of {device}"
                    )
    finally:
        family.close()


def _allowed(address: str) -> bytes:
    inner = ip_interface(address)
    family = socket.AF_INET6 if inner.version == 6 else socket.AF_INET
    return (
        attribute(_ALLOWED_FAMILY, struct.pack("=H", family))
        + attribute(_ALLOWED_ADDRESS, inner.ip.packed)
        + attribute(_ALLOWED_BITS, bytes([inner.network.prefixlen]))
    )


def _socket_address(address: str, port: int) -> bytes:
    packed = ip_address(address).packed
    if len(packed) == 16:
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, packed, 0)
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, packed)
