"""From a captured frame to the innermost IP datagram, with the tunnels around it.

Frames: Ethernet, Linux cooked (SLL and SLL2), raw IP. Tunnels: IP in IP (RFC 2003), IPv6 in IPv4 (RFC 4213), IPv4 and
IPv6 in IPv6 (RFC 2473), GRE (RFC 2784, RFC 2890). Nothing is reassembled: only a datagram's first fragment has a header
of the next protocol. Checksums are not checked.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from roamlab.protocols.errors import DecodeError

Address = IPv4Address | IPv6Address

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
SCTP: Final = 132

_IPIP, _IPV6, _GRE = 4, 41, 47
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 43, 44, 51, 60
_EXTENSIONS = frozenset({_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS})
_TYPE_IPV4, _TYPE_ARP, _TYPE_IPV6, _TYPE_BRIDGED = 0x0800, 0x0806, 0x86DD, 0x6558
_VLANS = frozenset({0x8100, 0x88A8})
_MAX_TUNNELS = 8  # deeper ones stay payload: a hostile capture could nest thousands

_IPV4 = struct.Struct("!BxHxxHBBxx4s4s")
_IPV6_FIXED = struct.Struct("!IHBB16s16s")
_ARP = struct.Struct("!HHBBH6s4s6s4s")


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IPv4 or IPv6 datagram, or a fragment of one.

    `protocol` is that of `payload`, behind IPv6's extension headers. `fragment_offset` is in bytes. `outer` is the
    datagram that carried this one through a tunnel, whose own `outer` may be another. `payload` is shorter than the
    header says where the capture kept the beginning only.
    """

    source: Address
    destination: Address
    protocol: int
    hop_limit: int
    payload: bytes
    fragment_offset: int = 0
    more_fragments: bool = False
    outer: "Datagram | None" = None

    @property
    def tunnels(self) -> "tuple[Datagram, ...]":
        """The datagrams around this one, outermost first."""
        chain: list[Datagram] = []
        outer = self.outer
        while outer is not None:
            chain.append(outer)
            outer = outer.outer
        return tuple(reversed(chain))


@dataclass(frozen=True, slots=True)
class Arp:
    """ARP for IPv4 over Ethernet (RFC 826). `operation` is 1 for a request, 2 for a reply; hardware addresses as text."""

    operation: int
    sender_hardware: str
    sender: IPv4Address
    target_hardware: str
    target: IPv4Address

    @property
    def gratuitous(self) -> bool:
        """Whether the sender speaks of its own address (RFC 5944, 4.6)."""
        return self.sender == self.target


@lru_cache(maxsize=4096)
def ipv4(packed: bytes) -> IPv4Address:
    """Return the address of 4 bytes; DecodeError for another length. Equal bytes give the same object."""
    if len(packed) != 4:
        raise DecodeError(f"IPv4 address of {len(packed)} bytes")
    return IPv4Address(packed)


@lru_cache(maxsize=4096)
def ipv6(packed: bytes) -> IPv6Address:
    """Return the address of 16 bytes; DecodeError for another length. Equal bytes give the same object."""
    if len(packed) != 16:
        raise DecodeError(f"IPv6 address of {len(packed)} bytes")
    return IPv6Address(packed)


def decode(linktype: int, frame: bytes) -> Datagram | Arp | None:
    """Return what `frame` carries; None where it is neither IP nor ARP for IPv4.

    `linktype` is the capture's (LINKTYPE_ETHERNET 1, RAW 101, LINUX_SLL 113, IPV4 228, IPV6 229, LINUX_SLL2 276).
    What stands inside a tunnel but does not decode stays the tunnel's payload. DecodeError for an unknown link type,
    a frame that is cut off, and a header that lies.
    """
    ethertype, start = _link_header(linktype, frame)
    if ethertype == _TYPE_ARP:
        return _arp(frame, start)
    decoder = {_TYPE_IPV4: _ipv4_header, _TYPE_IPV6: _ipv6_header}.get(ethertype)
    if decoder is None:
        return None
    datagram = decoder(frame, start, None)
    for _ in range(_MAX_TUNNELS):
        try:
            inner = _tunnelled(datagram)
        except DecodeError:
            break
        if inner is None:
            break
        datagram = inner
    return datagram


def encode(datagram: Datagram) -> bytes:
    """Return a datagram as bytes: IPv4 without options, IPv6 without extension headers. Tunnels and fragments are not made.

    ValueError for a payload that is too long.
    """
    length = len(datagram.payload)
    if length > 0xFFFF - 20:
        raise ValueError(f"a payload of {length} bytes does not fit into a datagram")
    ends = datagram.source.packed, datagram.destination.packed
    if isinstance(datagram.source, IPv6Address):
        fixed: bytes = _IPV6_FIXED.pack(6 << 28, length, datagram.protocol, datagram.hop_limit, *ends)
        return fixed + datagram.payload
    header: bytes = _IPV4.pack(0x45, 20 + length, 0, datagram.hop_limit, datagram.protocol, *ends)
    total: int = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return header[:10] + checksum.to_bytes(2, "big") + header[12:] + datagram.payload


def _link_header(linktype: int, frame: bytes) -> tuple[int, int]:
    """Return the EtherType of what follows the link's header, and where it begins."""
    if linktype in _LINK_HEADERS:
        length, at = _LINK_HEADERS[linktype]
        if len(frame) < length:
            raise DecodeError(f"frame of {len(frame)} bytes is shorter than its link header")
        ethertype = frame[at] << 8 | frame[at + 1]
        while ethertype in _VLANS and len(frame) >= length + 4:
            ethertype = frame[length + 2] << 8 | frame[length + 3]
            length += 4
        return ethertype, length
    if linktype in _RAW:
        if not frame:
            raise DecodeError("empty frame")
        return {4: _TYPE_IPV4, 6: _TYPE_IPV6}.get(frame[0] >> 4, 0), 0
    raise DecodeError(f"link type {linktype} is not known")


# Of link types with an EtherType: the header's length and where in it the EtherType stands.
_LINK_HEADERS: Final = {1: (14, 12), 113: (16, 14), 276: (20, 0)}
_RAW: Final = frozenset({101, 228, 229})


def _ipv4_header(data: bytes, start: int, outer: Datagram | None) -> Datagram:
    if len(data) - start < 20:
        raise DecodeError(f"IPv4 header cut off after {len(data) - start} bytes")
    first, total, fragment, hop_limit, protocol, source, destination = _IPV4.unpack_from(data, start)
    header = (first & 15) * 4
    if first >> 4 != 4 or header < 20:
        raise DecodeError(f"IPv4 header begins with 0x{first:02x}")
    # Segmentation offload leaves the total length 0.
    end = start + total if total else len(data)
    if end - start < header:
        raise DecodeError(f"IPv4 total length {total} is less than the header's {header}")
    return Datagram(
        ipv4(source),
        ipv4(destination),
        protocol,
        hop_limit,
        data[start + header : end],
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
        outer,
    )


def _ipv6_header(data: bytes, start: int, outer: Datagram | None) -> Datagram:
    if len(data) - start < 40:
        raise DecodeError(f"IPv6 header cut off after {len(data) - start} bytes")
    first, length, following, hop_limit, source, destination = _IPV6_FIXED.unpack_from(data, start)
    if first >> 28 != 6:
        raise DecodeError(f"IPv6 header begins with 0x{first >> 24:02x}")
    at = start + 40
    end = min(at + length, len(data)) if length else len(data)
    offset, more = 0, False
    while following in _EXTENSIONS and not offset:
        if at + 8 > end:
            raise DecodeError("IPv6 extension header cut off")
        extension, following, size = following, data[at], (data[at + 1] + 1) * 8
        if extension == _FRAGMENT:
            size = 8
            place = data[at + 2] << 8 | data[at + 3]
            offset, more = place & 0xFFF8, bool(place & 1)
        elif extension == _AUTHENTICATION:
            size = (data[at + 1] + 2) * 4
        at += size
        if at > end:
            raise DecodeError("IPv6 extension header runs past the datagram")
    return Datagram(ipv6(source), ipv6(destination), following, hop_limit, data[at:end], offset, more, outer)


def _tunnelled(datagram: Datagram) -> Datagram | None:
    """Return the datagram inside `datagram`, None where it carries none."""
    if datagram.fragment_offset:
        return None
    payload = datagram.payload
    if datagram.protocol == _IPIP:
        return _ipv4_header(payload, 0, datagram)
    if datagram.protocol == _IPV6:
        return _ipv6_header(payload, 0, datagram)
    if datagram.protocol == _GRE:
        return _gre(payload, datagram)
    return None


def _gre(data: bytes, outer: Datagram) -> Datagram | None:
    if len(data) < 4:
        raise DecodeError("GRE header cut off")
    flags, ethertype = struct.unpack_from("!HH", data)
    if flags & 7:  # version 1 is PPTP's
        return None
    # Checksum (with a reserved field), key and sequence number, each four bytes where its bit is set.
    at = 4 + 4 * (flags >> 15) + 4 * (flags >> 13 & 1) + 4 * (flags >> 12 & 1)
    if ethertype == _TYPE_BRIDGED:
        ethertype, length = _link_header(1, data[at:])
        at += length
    if ethertype == _TYPE_IPV4:
        return _ipv4_header(data, at, outer)
    if ethertype == _TYPE_IPV6:
        return _ipv6_header(data, at, outer)
    return None


def _arp(data: bytes, start: int) -> Arp | None:
    if len(data) - start < _ARP.size:
        raise DecodeError("ARP cut off")
    fields = _ARP.unpack_from(data, start)
    if fields[:4] != (1, _TYPE_IPV4, 6, 4):
        return None
    operation, sender_hardware, sender, target_hardware, target = fields[4:]
    return Arp(operation, sender_hardware.hex(":"), ipv4(sender), target_hardware.hex(":"), ipv4(target))
