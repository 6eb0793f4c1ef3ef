"""Authenticators of registration messages (RFC 5944, 3.5; 5.1).

An authenticator covers the UDP payload from the message's type up to the extension that carries it: the fixed part,
all extensions before, and the extension's own type, length and SPI. What follows it is not covered; that is where a
foreign agent appends and removes.
"""

import hmac
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from roamlab.protocols.mobileip.extensions import Authentication
from roamlab.protocols.mobileip.registration import (
    RegistrationMessage,
    RegistrationReply,
    RegistrationRequest,
)

FIRST_FREE_SPI = 256
"""SPIs 0 to 255 are reserved (RFC 5944, 1.6)."""

_M = TypeVar("_M", RegistrationRequest, RegistrationReply)


class Algorithm(Enum):
    """The keyed hash: name for hashlib, size of the authenticator in bytes."""

    HMAC_MD5 = ("md5", 16)
    HMAC_SHA256 = ("sha256", 32)

    @property
    def digest_name(self) -> str:
        """The hash's name in hashlib."""
        return self.value[0]

    @property
    def size(self) -> int:
        """Bytes of the authenticator."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class SecurityAssociation:
    """A mobility security association between two nodes; HMAC-MD5 is the default algorithm (RFC 5944, 3.5.1)."""

    spi: int
    key: bytes
    algorithm: Algorithm = Algorithm.HMAC_MD5

    def __post_init__(self) -> None:
        """Refuse a reserved SPI."""
        if self.spi < FIRST_FREE_SPI:
            raise ValueError(f"SPI {self.spi} is reserved; the first free one is {FIRST_FREE_SPI}")


def sign(message: _M, kind: int, association: SecurityAssociation) -> _M:
    """Return `message` with an authentication extension of type `kind` appended."""
    blank = Authentication(kind, association.spi, bytes(association.algorithm.size))
    digest = _digest(message.encode() + blank.encode_covered(), association)
    return replace(message, extensions=(*message.extensions, replace(blank, authenticator=digest)))


def verify(message: RegistrationMessage, kind: int, association: SecurityAssociation) -> bool:
    """Tell whether `message` has exactly one authentication extension of type `kind`, and a valid one."""
    positions = [
        i for i, e in enumerate(message.extensions) if isinstance(e, Authentication) and e.type == kind
    ]
    if len(positions) != 1:
        return False
    carrier = message.extensions[positions[0]]
    if not isinstance(carrier, Authentication) or carrier.spi != association.spi:
        return False
    before = replace(message, extensions=message.extensions[: positions[0]])
    return hmac.compare_digest(
        _digest(before.encode() + carrier.encode_covered(), association), carrier.authenticator
    )


def cut_after(message: _M, kind: int) -> _M | None:
    """Return `message` without what follows its first extension of type `kind`, or None when it has none.

    A foreign agent relays only what stands up to the Mobile-Home Authentication Extension (RFC 5944, 3.7.2.2).
    """
    for i, extension in enumerate(message.extensions):
        if extension.type == kind:
            return replace(message, extensions=message.extensions[: i + 1])
    return None


def _digest(covered: bytes, association: SecurityAssociation) -> bytes:
    return hmac.digest(association.key, covered, association.algorithm.digest_name)
