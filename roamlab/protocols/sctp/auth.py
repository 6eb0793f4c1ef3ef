"""Authenticated chunks (RFC 4895): keys from INIT and INIT-ACK, and the HMAC of a packet.

An association without a configured key has the empty endpoint pair shared key, number 0. Its association shared key
then follows from what INIT and INIT-ACK say in the clear, so a capture that has both can be checked, and a packet can
be changed and signed anew.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp.chunks import Auth, split
from roamlab.protocols.sctp.packet import HEADER_LENGTH, with_checksum
from roamlab.protocols.sctp.parameters import ChunkList, HmacAlgorithms, Parameter, Random

SHA1: Final = 1
SHA256: Final = 3
_DIGESTS: Final = {SHA1: hashlib.sha1, SHA256: hashlib.sha256}
_HMAC_AT = 8  # in an AUTH chunk: behind type, flags, length, key and HMAC identifier


def key_vector(parameters: Iterable[Parameter]) -> bytes:
    """Return an endpoint's key vector from its INIT's or INIT-ACK's parameters (section 6.1).

    It is RANDOM, CHUNKS (where present) and HMAC-ALGO with their headers and without padding. ValueError where RANDOM
    or HMAC-ALGO is missing: such an endpoint does not support the extension.
    """
    found = {item.type: item.unpadded() for item in parameters}
    missing = [kind.name for kind in (Random, HmacAlgorithms) if kind.type not in found]
    if missing:
        raise ValueError(f"no {' and no '.join(missing)} parameter")
    return found[Random.type] + found.get(ChunkList.type, b"") + found[HmacAlgorithms.type]


def association_key(one: bytes, other: bytes, *, endpoint_key: bytes = b"") -> bytes:
    """Return the association shared key of two key vectors (section 6.1).

    The vectors are compared as numbers; the smaller follows the endpoint pair shared key, the shorter of equal ones.
    """
    first, last = sorted((one, other), key=lambda vector: (int.from_bytes(vector, "big"), len(vector)))
    return endpoint_key + first + last


def hmac_length(hmac_id: int) -> int:
    """Return how many bytes the HMAC of this identifier has; ValueError for an unknown one."""
    if hmac_id not in _DIGESTS:
        raise ValueError(f"HMAC identifier {hmac_id} is not known")
    return _DIGESTS[hmac_id]().digest_size


def verify(packet: bytes, key: bytes) -> bool:
    """Whether the packet's AUTH chunk is right; False also where it has none. DecodeError on bad bytes."""
    place = _auth(packet)
    if place is None:
        return False
    start, end = place
    hmac_id = int.from_bytes(packet[start + 6 : start + 8], "big")
    if hmac_id not in _DIGESTS or end - start - _HMAC_AT != hmac_length(hmac_id):
        return False
    return hmac.compare_digest(packet[start + _HMAC_AT : end], _compute(packet, start, hmac_id, key))


def sign(packet: bytes, key: bytes) -> bytes:
    """Return the packet with the HMAC of its first AUTH chunk, and then its checksum, made right.

    The AUTH chunk must have room for the HMAC of its identifier. ValueError where the packet has no AUTH chunk or it
    has not; DecodeError on bad bytes.
    """
    place = _auth(packet)
    if place is None:
        raise ValueError("the packet has no AUTH chunk")
    start, end = place
    hmac_id = int.from_bytes(packet[start + 6 : start + 8], "big")
    if end - start - _HMAC_AT != hmac_length(hmac_id):
        raise ValueError(f"AUTH has {end - start - _HMAC_AT} bytes for an HMAC of {hmac_length(hmac_id)}")
    return with_checksum(packet[: start + _HMAC_AT] + _compute(packet, start, hmac_id, key) + packet[end:])


def _auth(packet: bytes) -> tuple[int, int] | None:
    """Return where the first AUTH chunk begins and ends; chunks before it are not authenticated."""
    for start, end in split(packet[HEADER_LENGTH:]):
        if packet[HEADER_LENGTH + start] == Auth.type:
            if end - start < _HMAC_AT:
                raise DecodeError(f"AUTH: {end - start} bytes")
            return HEADER_LENGTH + start, HEADER_LENGTH + end
    return None


def _compute(packet: bytes, start: int, hmac_id: int, key: bytes) -> bytes:
    """HMAC over the AUTH chunk with its HMAC zeroed and all that follows (section 6.2)."""
    behind = start + _HMAC_AT + hmac_length(hmac_id)
    zeroed = packet[start : start + _HMAC_AT] + bytes(behind - start - _HMAC_AT) + packet[behind:]
    return hmac.digest(key, zeroed, _DIGESTS[hmac_id])
