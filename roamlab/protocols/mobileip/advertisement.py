"""Agent advertisement and solicitation: ICMP router discovery with Mobile IP's extensions (RFC 5944, 2.1; RFC 1256).

On the wire: ICMP type 9, TTL 1, to 224.0.0.1 or 255.255.255.255; solicitations are type 10, to 224.0.0.2 or the
broadcast address. Both are whole ICMP messages here, checksum included.
"""

import struct
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address
from typing import ClassVar

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.extensions import Extension, split_extensions

ALL_HOSTS = IPv4Address("224.0.0.1")
ALL_ROUTERS = IPv4Address("224.0.0.2")
CODE_ROUTES_COMMON_TRAFFIC = 0

PADDING = 0
MOBILITY_AGENT = 16
PREFIX_LENGTHS = 19

_ICMP = struct.Struct("!BBH")
_ROUTERS = struct.Struct("!BBH")
_ROUTER = struct.Struct("!4si")
_AGENT = struct.Struct("!HHH")
_WORD = 4


class AgentFlags(IntFlag):
    """The bits of the Mobility Agent Advertisement Extension, in the order of the wire (RFC 5944, 2.1.1)."""

    R = 0x8000
    """registration through this foreign agent required, even with a co-located care-of address"""
    B = 0x4000
    """busy: no registrations from further mobile nodes"""
    H = 0x2000
    """home agent on this link"""
    F = 0x1000
    """foreign agent on this link"""
    M = 0x0800
    """receives minimal encapsulation (RFC 2004)"""
    G = 0x0400
    """receives GRE"""
    RESERVED = 0x0200
    """'r': sent as zero"""
    T = 0x0100
    """reverse tunnelling (RFC 3024)"""


_KNOWN_FLAGS = 0xFF00


@dataclass(frozen=True, slots=True)
class MobilityAgentExtension:
    """Mobility Agent Advertisement Extension (RFC 5944, 2.1.1); the low-order 8 bits of the flags are not kept."""

    sequence: int
    registration_lifetime: int
    flags: AgentFlags
    care_of_addresses: tuple[IPv4Address, ...] = ()

    def encode(self) -> bytes:
        """Return the extension."""
        body = _AGENT.pack(self.sequence, self.registration_lifetime, self.flags)
        return Extension(MOBILITY_AGENT, body + b"".join(a.packed for a in self.care_of_addresses)).encode()

    @classmethod
    def decode(cls, data: bytes) -> "MobilityAgentExtension":
        """Decode the extension's data; raises DecodeError."""
        if len(data) < _AGENT.size or (len(data) - _AGENT.size) % _WORD:
            raise DecodeError(f"Mobility Agent Advertisement Extension of length {len(data)}")
        sequence, lifetime, flags = _AGENT.unpack_from(data)
        addresses = data[_AGENT.size :]
        care_of = tuple(IPv4Address(addresses[i : i + _WORD]) for i in range(0, len(addresses), _WORD))
        return cls(sequence, lifetime, AgentFlags(flags & _KNOWN_FLAGS), care_of)


@dataclass(frozen=True, slots=True)
class Router:
    """A router address and its preference level (RFC 1256, 3)."""

    address: IPv4Address
    preference: int = 0


@dataclass(frozen=True, slots=True)
class AgentAdvertisement:
    """ICMP router advertisement with its Mobile IP extensions.

    `lifetime` in seconds says for how long the advertisement itself is valid; `prefix_lengths` is empty or has one
    entry for each router; `mobility` is None for a router that is no mobility agent.
    """

    TYPE: ClassVar[int] = 9

    lifetime: int
    routers: tuple[Router, ...] = ()
    mobility: MobilityAgentExtension | None = None
    prefix_lengths: tuple[int, ...] = ()
    code: int = CODE_ROUTES_COMMON_TRAFFIC
    skipped: tuple[Extension, ...] = ()

    def __post_init__(self) -> None:
        """Refuse prefix lengths that belong to no router."""
        if self.prefix_lengths and len(self.prefix_lengths) != len(self.routers):
            raise ValueError(f"{len(self.prefix_lengths)} prefix lengths for {len(self.routers)} routers")

    def encode(self) -> bytes:
        """Return the ICMP message, padded to an even length (RFC 5944, 2.1.3)."""
        body = _ROUTERS.pack(len(self.routers), _ROUTER.size // _WORD, self.lifetime)
        body += b"".join(_ROUTER.pack(r.address.packed, r.preference) for r in self.routers)
        if self.mobility:
            body += self.mobility.encode()
        if self.prefix_lengths:
            body += Extension(PREFIX_LENGTHS, bytes(self.prefix_lengths)).encode()
        body += b"".join(e.encode() for e in self.skipped)
        if len(body) % 2:
            body += bytes((PADDING,))
        return _icmp(self.TYPE, self.code, body)

    @classmethod
    def decode(cls, data: bytes) -> "AgentAdvertisement":
        """Decode an ICMP message; raises DecodeError."""
        code = _open(data, cls.TYPE)
        body = data[_ICMP.size :]
        if len(body) < _ROUTERS.size:
            raise DecodeError("router advertisement cut off")
        count, words, lifetime = _ROUTERS.unpack_from(body)
        size = words * _WORD
        end = _ROUTERS.size + count * size
        if size < _ROUTER.size or end > len(body):
            raise DecodeError(
                f"router advertisement of {len(body)} bytes with {count} entries of {words} words"
            )
        routers = tuple(
            Router(IPv4Address(address), preference)
            for address, preference in (
                _ROUTER.unpack_from(body, offset) for offset in range(_ROUTERS.size, end, size)
            )
        )
        return cls._with_extensions(code, lifetime, routers, body[end:])

    @classmethod
    def _with_extensions(
        cls, code: int, lifetime: int, routers: tuple[Router, ...], tail: bytes
    ) -> "AgentAdvertisement":
        mobility: MobilityAgentExtension | None = None
        prefix_lengths: tuple[int, ...] = ()
        skipped = []
        for extension in split_extensions(tail, (MOBILITY_AGENT, PREFIX_LENGTHS), PADDING):
            if extension.type == MOBILITY_AGENT:
                mobility = MobilityAgentExtension.decode(extension.data)
            elif extension.type == PREFIX_LENGTHS:
                prefix_lengths = tuple(extension.data)
            else:
                skipped.append(extension)
        if len(prefix_lengths) not in (0, len(routers)) or any(n > 32 for n in prefix_lengths):
            raise DecodeError(f"prefix lengths {prefix_lengths} for {len(routers)} routers")
        return cls(lifetime, routers, mobility, prefix_lengths, code, tuple(skipped))


@dataclass(frozen=True, slots=True)
class AgentSolicitation:
    """ICMP router solicitation (RFC 1256, 3; RFC 5944, 2.2)."""

    TYPE: ClassVar[int] = 10
    RESERVED: ClassVar[int] = 4

    def encode(self) -> bytes:
        """Return the ICMP message."""
        return _icmp(self.TYPE, 0, bytes(self.RESERVED))

    @classmethod
    def decode(cls, data: bytes) -> "AgentSolicitation":
        """Decode an ICMP message; raises DecodeError."""
        if _open(data, cls.TYPE) != 0 or len(data) < _ICMP.size + cls.RESERVED:
            raise DecodeError("malformed router solicitation")
        return cls()


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of `data`; 0 when `data` holds its own."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _icmp(kind: int, code: int, body: bytes) -> bytes:
    return _ICMP.pack(kind, code, checksum(_ICMP.pack(kind, code, 0) + body)) + body


def _open(data: bytes, kind: int) -> int:
    """Return the code of an ICMP message of type `kind`."""
    if len(data) < _ICMP.size or data[0] != kind:
        raise DecodeError(f"not an ICMP message of type {kind}")
    if checksum(data):
        raise DecodeError("ICMP checksum wrong")
    return data[1]
