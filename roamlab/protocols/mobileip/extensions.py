"""Extensions: the type-length-value tails of Mobile IP's messages (RFC 5944, 1.8 and 1.9).

An extension whose type isn't known is skippable when the type is 128 or above, and is kept as it came, so that it
is relayed unchanged and stays covered by authenticators. Below 128 the whole message has to be discarded.
"""

import struct
from collections.abc import Container
from dataclasses import dataclass

from roamlab.protocols.errors import DecodeError

MOBILE_HOME = 32
MOBILE_FOREIGN = 33
FOREIGN_HOME = 34
ENCAPSULATING_DELIVERY = 130
"""Encapsulating Delivery Style: the mobile node wants to encapsulate towards the foreign agent (RFC 3024, 3.3)."""

AUTHENTICATION_TYPES = frozenset({MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME})
FIRST_SKIPPABLE = 128

_HEADER = struct.Struct("!BB")
_SPI = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension in the Type-Length-Value format (RFC 5944, 1.9); `data` is at most 255 bytes."""

    type: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return type, length and data."""
        return _HEADER.pack(self.type, len(self.data)) + self.data


@dataclass(frozen=True, slots=True)
class Authentication:
    """Mobile-Home (32), Mobile-Foreign (33) or Foreign-Home (34) Authentication Extension (RFC 5944, 3.5.2 to 3.5.4)."""

    type: int
    spi: int
    authenticator: bytes

    def encode_covered(self) -> bytes:
        """Return type, length and SPI: the part of the extension that its own authenticator covers."""
        return _HEADER.pack(self.type, _SPI.size + len(self.authenticator)) + _SPI.pack(self.spi)

    def encode(self) -> bytes:
        """Return the whole extension."""
        return self.encode_covered() + self.authenticator


AnyExtension = Extension | Authentication


def split_extensions(data: bytes, known: Container[int], padding: int | None = None) -> list[Extension]:
    """Cut `data` into extensions (RFC 5944, 1.9); one of type `padding` is a single byte, and left out.

    Raises DecodeError when one runs past the end, and for a type below 128 that isn't in `known`.
    """
    found = []
    while data:
        if data[0] == padding:
            data = data[1:]
            continue
        if len(data) < _HEADER.size:
            raise DecodeError("an extension without a length")
        kind, length = _HEADER.unpack_from(data)
        end = _HEADER.size + length
        if kind < FIRST_SKIPPABLE and kind not in known:
            raise DecodeError(f"unknown extension {kind}, not skippable")
        if end > len(data):
            raise DecodeError(f"extension {kind} claims {length} bytes, {len(data) - _HEADER.size} are left")
        found.append(Extension(kind, data[_HEADER.size : end]))
        data = data[end:]
    return found


def decode_registration_extensions(data: bytes) -> tuple[AnyExtension, ...]:
    """Decode the extensions of a Registration Request or Reply."""
    return tuple(
        _authentication(e) if e.type in AUTHENTICATION_TYPES else e
        for e in split_extensions(data, AUTHENTICATION_TYPES)
    )


def _authentication(extension: Extension) -> Authentication:
    if len(extension.data) <= _SPI.size:
        raise DecodeError(f"extension {extension.type} without an authenticator")
    (spi,) = _SPI.unpack_from(extension.data)
    return Authentication(extension.type, spi, extension.data[_SPI.size :])
