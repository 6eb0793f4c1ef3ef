"""What home and foreign agents decide alike: lifetimes, encapsulation, reverse tunnels."""

from dataclasses import dataclass
from enum import StrEnum

from roamlab.protocols.mobileip.actions import DEFAULT_TTL, Encapsulation, UdpAddress
from roamlab.protocols.mobileip.identification import SECOND
from roamlab.protocols.mobileip.registration import INFINITE_LIFETIME, RequestFlags


class Reverse(StrEnum):
    """An agent's policy on reverse tunnels (RFC 3024)."""

    UNAVAILABLE = "unavailable"
    AVAILABLE = "available"
    MANDATORY = "mandatory"

    def refuses(self, flags: RequestFlags) -> bool:
        """Tell whether the T bit asks for what isn't there."""
        return self is Reverse.UNAVAILABLE and RequestFlags.T in flags

    def misses(self, flags: RequestFlags) -> bool:
        """Tell whether the T bit has to be there, and isn't."""
        return self is Reverse.MANDATORY and RequestFlags.T not in flags


@dataclass(frozen=True, slots=True)
class Reception:
    """How a datagram came: from where, to which of our addresses, the sender's link-layer address, the TTL."""

    source: UdpAddress
    destination: UdpAddress
    link: bytes = b""
    ttl: int = DEFAULT_TTL


def requested_encapsulation(flags: RequestFlags) -> Encapsulation | None:
    """Return what a request's G and M bits ask for; None for minimal encapsulation, which nobody here offers."""
    if RequestFlags.M in flags:
        return None
    return Encapsulation.GRE if RequestFlags.G in flags else Encapsulation.IPIP


def granted_lifetime(requested: int, most: int) -> int:
    """Return the shorter lifetime; 0xffff is longer than all others, being infinite."""
    return min(requested, most)


def expiry(lifetime: int, start: int) -> int | None:
    """Return when a lifetime in seconds that began at `start` ends, in ns; None for an infinite one."""
    return None if lifetime == INFINITE_LIFETIME else start + lifetime * SECOND
