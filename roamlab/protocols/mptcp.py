"""What MPTCP says in the options of TCP segments (RFC 8684, 3)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roamlab.protocols.tcp_options import options

_MPTCP: Final = 30
_CAPABLE, _JOIN, _DSS, _REMOVE, _FASTCLOSE = 0, 1, 2, 4, 7
_HAS_ACK, _LONG_ACK, _HAS_MAPPING, _LONG_MAPPING, _DATA_FIN = 0x01, 0x02, 0x04, 0x08, 0x10
_WRAP_64: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Capable:
    """MP_CAPABLE (3.1): the keys of the segment's sender and receiver (8 bytes; empty where not said).

    ``length`` is that of the data-level mapping of the payload, 0 where there is none.
    """

    sender: bytes = b""
    receiver: bytes = b""
    length: int = 0


@dataclass(frozen=True, slots=True)
class Join:
    """MP_JOIN (3.2): ``token`` names the connection in a SYN, and is None in the two segments that follow."""

    token: int | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """The mapping of a DSS option (3.3): ``length`` bytes from ``subflow`` (relative to the subflow's SYN) are ``data``'s.

    ``data`` is a data sequence number of 64 bits, or of its lower 32 where ``long`` is not set.
    """

    data: int
    subflow: int
    length: int
    long: bool
    fin: bool


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """REMOVE_ADDR (3.4.2): the identifiers of addresses that are gone."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FastClose:
    """MP_FASTCLOSE (3.5): the connection ends at once."""


Option = Capable | Join | Mapping | RemoveAddress | FastClose


def decode(segment: bytes) -> Iterator[Option]:
    """The MPTCP options of a TCP segment (header included) that are whole, in order; a DSS without a mapping is left out."""
    for kind, body in options(segment):
        if kind == _MPTCP and body and (option := _decode(body[0] >> 4, body)) is not None:
            yield option


def token(key: bytes) -> int:
    """The token of a key: the first 32 bits of its SHA-256 (3.2)."""
    return int.from_bytes(hashlib.sha256(key).digest()[:4])


def first_data(key: bytes) -> int:
    """The data sequence number of the first byte of whoever has a key: one behind the initial one (3.1, 3.3)."""
    return (int.from_bytes(hashlib.sha256(key).digest()[-8:]) + 1) % _WRAP_64


def _decode(subtype: int, body: bytes) -> Option | None:
    if subtype == _CAPABLE:
        length = int.from_bytes(body[18:20]) if len(body) >= 20 else 0
        return Capable(_key(body, 2), _key(body, 10), length)
    if subtype == _JOIN:
        return Join(int.from_bytes(body[2:6]) if len(body) == 10 else None)
    if subtype == _DSS and len(body) >= 2:
        return _mapping(body)
    if subtype == _REMOVE:
        return RemoveAddress(tuple(body[1:]))
    return FastClose() if subtype == _FASTCLOSE else None


def _key(body: bytes, at: int) -> bytes:
    return body[at : at + 8] if len(body) >= at + 8 else b""


def _mapping(body: bytes) -> Mapping | None:
    flags, at = body[1], 2
    if not flags & _HAS_MAPPING:
        return None
    if flags & _HAS_ACK:
        at += 8 if flags & _LONG_ACK else 4
    long = bool(flags & _LONG_MAPPING)
    form = struct.Struct("!QIH" if long else "!IIH")
    if len(body) < at + form.size:
        return None
    data, subflow, length = form.unpack_from(body, at)
    return Mapping(data, subflow, length, long, bool(flags & _DATA_FIN))
