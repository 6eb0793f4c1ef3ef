"""TCP's options as far as conversations need them: what MPTCP says in SYNs (RFC 8684, 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_END, _NOTHING, _MPTCP = 0, 1, 30
_CAPABLE, _JOIN = 0, 1
_FIXED: Final = 20


def options(segment: bytes) -> Iterator[tuple[int, bytes]]:
    """A segment's options by kind, without their two octets of kind and length; stops at the first that is cut off."""
    if len(segment) < _FIXED:
        return
    left = segment[_FIXED : (segment[12] >> 4) * 4]
    while left:
        if left[0] == _END:
            return
        if left[0] == _NOTHING:
            left = left[1:]
            continue
        if len(left) < 2 or not 2 <= left[1] <= len(left):
            return
        yield left[0], left[2 : left[1]]
        left = left[left[1] :]


def mptcp_key(segment: bytes) -> bytes | None:
    """The sender's key in an MP_CAPABLE of version 1, which a SYN has none of yet (RFC 8684, 3.1)."""
    for kind, body in options(segment):
        if kind == _MPTCP and body and body[0] >> 4 == _CAPABLE and len(body) >= 10:
            return body[2:10]
    return None


def mptcp_token(segment: bytes) -> int | None:
    """The receiver's token in a SYN's MP_JOIN (RFC 8684, 3.2)."""
    for kind, body in options(segment):
        if kind == _MPTCP and len(body) == 10 and body[0] >> 4 == _JOIN:
            return int.from_bytes(body[2:6])
    return None
