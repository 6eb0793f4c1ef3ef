"""What a UDP datagram tells of the protocol that it carries without its keys: QUIC's and WireGuard's headers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal

_LONG, _FIXED = 0x80, 0x40
_QUIC_VERSIONS: Final = (b"\x00\x00\x00\x01", b"\x6b\x33\x43\xcf")
_INITIAL: Final = {b"\x00\x00\x00\x01": 0, b"\x6b\x33\x43\xcf": 1}  # RFC 9000, 17.2.2; RFC 9369, 3.2
_MOST_ID: Final = 20
_LEAST_SHORT: Final = 21  # RFC 9000, 10.3: shorter packets look like no protected one

Wireguard = Literal["initiation", "response", "cookie", "data", "keepalive"]
_WIREGUARD: Final[dict[int, tuple[int, Wireguard]]] = {
    1: (148, "initiation"),
    2: (92, "response"),
    3: (64, "cookie"),
}


@dataclass(frozen=True, slots=True)
class QuicHeader:
    """A long header (RFC 9000, 17.2): the two connection ids, and whether the packet is an Initial."""

    destination: bytes
    source: bytes
    initial: bool


def quic_long(payload: bytes) -> QuicHeader | None:
    """A datagram's first QUIC packet's long header; None where there is none of a version that is known (1 and 2)."""
    if len(payload) < 7 or payload[0] & (_LONG | _FIXED) != _LONG | _FIXED:
        return None
    version = payload[1:5]
    if version not in _QUIC_VERSIONS:
        return None
    length = payload[5]
    if length > _MOST_ID or len(payload) < 7 + length:
        return None
    destination = payload[6 : 6 + length]
    own = payload[6 + length]
    if own > _MOST_ID or len(payload) < 7 + length + own:
        return None
    source = payload[7 + length : 7 + length + own]
    return QuicHeader(destination, source, (payload[0] >> 4) & 3 == _INITIAL[version])


def is_initial(payload: bytes) -> bool:
    """Whether a datagram begins with a QUIC Initial packet."""
    header = quic_long(payload)
    return header is not None and header.initial


def is_quic_short(payload: bytes) -> bool:
    """Whether a datagram could be a QUIC packet with a short header (RFC 9000, 17.3)."""
    return len(payload) >= _LEAST_SHORT and payload[0] & (_LONG | _FIXED) == _FIXED


def wireguard(payload: bytes) -> Wireguard | None:
    """Which message of WireGuard's a datagram is by its type and length; None where it is none of them."""
    if len(payload) < 4 or payload[1:4] != b"\x00\x00\x00":
        return None
    if payload[0] in _WIREGUARD:
        length, name = _WIREGUARD[payload[0]]
        return name if len(payload) == length else None
    # What is inside is padded to 16 bytes, but never beyond the tunnel's MTU, which is 1280 or more.
    if payload[0] == 4 and len(payload) >= 32 and (len(payload) % 16 == 0 or len(payload) >= 32 + 1280):
        return "keepalive" if len(payload) == 32 else "data"
    return None


def is_unicast(address: str) -> bool:
    """Whether an address is that of one host: neither a group's nor the broadcast address."""
    parsed = ip_address(address)
    return not parsed.is_multicast and address != "255.255.255.255"
