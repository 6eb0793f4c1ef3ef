"""Registration Request and Registration Reply on UDP port 434 (RFC 5944, 3.3 and 3.4).

Both keep every bit they were decoded from, reserved ones too: `decode(data).encode() == data`. That is what lets a
foreign agent relay a message unchanged, and an authenticator be computed again from the decoded message.
"""

import struct
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address
from typing import ClassVar

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.extensions import AnyExtension, decode_registration_extensions

PORT = 434
INFINITE_LIFETIME = 0xFFFF
"""A lifetime that never expires; 0 in a Request asks for deregistration."""


class RequestFlags(IntFlag):
    """The bits of a Registration Request, in the order of the wire."""

    S = 0x80
    """keep the mobile node's other mobility bindings (simultaneous bindings)"""
    B = 0x40
    """tunnel broadcast datagrams of the home network too"""
    D = 0x20
    """the mobile node decapsulates: the care-of address is co-located"""
    M = 0x10
    """minimal encapsulation (RFC 2004)"""
    G = 0x08
    """GRE encapsulation"""
    R = 0x04
    """'r': sent as zero"""
    T = 0x02
    """reverse tunnelling (RFC 3024)"""
    X = 0x01
    """'x': sent as zero"""


RESERVED_FLAGS = RequestFlags.R | RequestFlags.X


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """Registration Request (RFC 5944, 3.3). `lifetime` in seconds, `identification` 64 bits."""

    TYPE: ClassVar[int] = 1
    FIXED: ClassVar[struct.Struct] = struct.Struct("!BBH4s4s4sQ")

    flags: RequestFlags
    lifetime: int
    home_address: IPv4Address
    home_agent: IPv4Address
    care_of_address: IPv4Address
    identification: int
    extensions: tuple[AnyExtension, ...] = ()

    @property
    def deregisters(self) -> bool:
        """Whether the request asks to remove bindings instead of making one."""
        return self.lifetime == 0

    @property
    def deregisters_all(self) -> bool:
        """Whether it removes every binding of the home address, as on return home (RFC 5944, 3.8.2.2)."""
        return self.deregisters and self.care_of_address == self.home_address

    def encode(self) -> bytes:
        """Return the UDP payload."""
        fixed = self.FIXED.pack(
            self.TYPE,
            self.flags,
            self.lifetime,
            self.home_address.packed,
            self.home_agent.packed,
            self.care_of_address.packed,
            self.identification,
        )
        return fixed + b"".join(e.encode() for e in self.extensions)

    @classmethod
    def decode(cls, data: bytes) -> "RegistrationRequest":
        """Decode a UDP payload; raises DecodeError."""
        _expect(data, cls.TYPE, cls.FIXED.size, "Registration Request")
        _, flags, lifetime, home, agent, care_of, identification = cls.FIXED.unpack_from(data)
        return cls(
            RequestFlags(flags),
            lifetime,
            IPv4Address(home),
            IPv4Address(agent),
            IPv4Address(care_of),
            identification,
            decode_registration_extensions(data[cls.FIXED.size :]),
        )


@dataclass(frozen=True, slots=True)
class RegistrationReply:
    """Registration Reply (RFC 5944, 3.4). `lifetime` in seconds is the granted one; none on denial, save 69 (3.6.2.3)."""

    TYPE: ClassVar[int] = 3
    FIXED: ClassVar[struct.Struct] = struct.Struct("!BBH4s4sQ")

    code: int
    lifetime: int
    home_address: IPv4Address
    home_agent: IPv4Address
    identification: int
    extensions: tuple[AnyExtension, ...] = ()

    def encode(self) -> bytes:
        """Return the UDP payload."""
        fixed = self.FIXED.pack(
            self.TYPE,
            self.code,
            self.lifetime,
            self.home_address.packed,
            self.home_agent.packed,
            self.identification,
        )
        return fixed + b"".join(e.encode() for e in self.extensions)

    @classmethod
    def decode(cls, data: bytes) -> "RegistrationReply":
        """Decode a UDP payload; raises DecodeError."""
        _expect(data, cls.TYPE, cls.FIXED.size, "Registration Reply")
        _, code, lifetime, home, agent, identification = cls.FIXED.unpack_from(data)
        return cls(
            code,
            lifetime,
            IPv4Address(home),
            IPv4Address(agent),
            identification,
            decode_registration_extensions(data[cls.FIXED.size :]),
        )


RegistrationMessage = RegistrationRequest | RegistrationReply


def decode_registration(data: bytes) -> RegistrationMessage:
    """Decode whatever came on UDP port 434, by its type; raises DecodeError."""
    kind = data[0] if data else None
    if kind == RegistrationRequest.TYPE:
        return RegistrationRequest.decode(data)
    if kind == RegistrationReply.TYPE:
        return RegistrationReply.decode(data)
    raise DecodeError(f"no registration message: type {kind}")


def _expect(data: bytes, kind: int, size: int, name: str) -> None:
    if len(data) < size:
        raise DecodeError(f"{name} of {len(data)} bytes, at least {size} needed")
    if data[0] != kind:
        raise DecodeError(f"{name} is type {kind}, not {data[0]}")
