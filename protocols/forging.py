"""What somebody who is no end of an association can learn of it, and the packets that can be forged from that.

An :class:`Overheard` is fed with packets as they pass. What it then knows is what RFC 5062 grants an attacker on the path:
ports, verification tags, the serial number that comes next, and, from INIT and INIT-ACK, the association's key (RFC 4895, 6.1:
without a configured endpoint key those two say all that it is made from).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from protocols.errors import DecodeError
from protocols.rewriting import Keys
from protocols.sctp import auth, packet
from protocols.sctp.chunks import (
    Asconf,
    AsconfAck,
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
from protocols.sctp.packet import Packet
from protocols.sctp.parameters import (
    ChunkList,
    HmacAlgorithms,
    IPv4Parameter,
    Parameter,
    Random,
    StateCookie,
    SupportedExtensions,
    address_parameter,
)

_WINDOW: Final = 1 << 20
_DYNAMIC: Final = (Asconf.type, AsconfAck.type)


class Signing(Enum):
    """What stands before a forged ASCONF: no AUTH, one with a made-up HMAC, or one with the association's key."""

    NONE = "none"
    JUNK = "junk"
    KEY = "key"


@dataclass(slots=True)
class Overheard:
    """An association between ``mobile``, which set it up, and ``correspondent``; only the first one that is seen.

    ``tag`` is that of packets to the correspondent, ``serial`` of the ASCONF that comes next. None, 0 and b"": not known.
    """

    mobile: IPv4Address | None = None
    correspondent: IPv4Address | None = None
    sport: int = 0
    dport: int = 0
    tag: int = 0
    serial: int = 0
    cookie_echo: bytes = b""
    keys: Keys = field(default_factory=Keys)
    _initial_tag: int = 0

    def see(self, source: IPv4Address, destination: IPv4Address, data: bytes) -> None:
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

    def init(self, tag: int, tsn: int, addresses: Sequence[IPv4Address]) -> bytes:
        """An INIT from the mobile node's port that lists these addresses."""
        listed = tuple(IPv4Parameter(address) for address in addresses)
        return Packet(self.sport, self.dport, 0, (Init(tag, _WINDOW, 10, 10, tsn, listed),)).encode()

    def answer(self, data: bytes) -> bytes | None:
        """What an end would answer: HEARTBEAT-ACK to HEARTBEAT, SACK to DATA, None to everything else."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return None
        replies: list[Chunk] = []
        tsns = [chunk.tsn for chunk in seen.chunks if isinstance(chunk, Data)]
        if tsns:
            replies.append(Sack(tsns[-1], _WINDOW))
        replies += [HeartbeatAck(chunk.parameters) for chunk in seen.chunks if isinstance(chunk, Heartbeat)]
        return self._packet(*replies) if replies else None

    def _packet(self, *chunks: Chunk) -> bytes:
        return Packet(self.sport, self.dport, self.tag, chunks).encode()


@dataclass(slots=True)
class Caller:
    """The set-up of an association of one's own, without a kernel: INIT, COOKIE-ECHO, then ASCONFs with its key.

    ``random`` are the 32 bytes of the RANDOM parameter, ``addresses`` what INIT lists.
    """

    sport: int
    dport: int
    tag: int
    tsn: int
    random: bytes
    addresses: tuple[IPv4Address, ...]
    _peer_tag: int = 0
    _serial: int = 0
    _keys: Keys = field(default_factory=Keys)

    def init(self) -> bytes:
        """The INIT."""
        parameters = (
            *(IPv4Parameter(address) for address in self.addresses),
            SupportedExtensions((*_DYNAMIC, Auth.type)),
            Random(self.random),
            ChunkList(_DYNAMIC),
            HmacAlgorithms((auth.SHA1,)),
        )
        self._serial = self.tsn
        data = Packet(
            self.sport, self.dport, 0, (Init(self.tag, _WINDOW, 10, 10, self.tsn, parameters),)
        ).encode()
        self._keys.learn(data)
        return data

    def answer(self, data: bytes) -> bytes | None:
        """COOKIE-ECHO to the INIT-ACK, HEARTBEAT-ACK and SACK as they are due, None to everything else."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return None
        if (seen.sport, seen.dport, seen.tag) != (self.dport, self.sport, self.tag):
            return None
        replies: list[Chunk] = []
        for chunk in seen.chunks:
            match chunk:
                case InitAck():
                    self._keys.learn(data)
                    self._peer_tag = chunk.tag
                    cookie = next(p.cookie for p in chunk.parameters if isinstance(p, StateCookie))
                    replies.append(CookieEcho(cookie))
                case Data():
                    replies.append(Sack(chunk.tsn, _WINDOW))
                case Heartbeat():
                    replies.append(HeartbeatAck(chunk.parameters))
        return Packet(self.sport, self.dport, self._peer_tag, tuple(replies)).encode() if replies else None

    def asconf(self, requests: Sequence[Parameter]) -> bytes:
        """An ASCONF of the association's own, signed. Raises NoKey before the set-up."""
        chunks = (
            Auth(0, auth.SHA1, bytes(auth.hmac_length(auth.SHA1))),
            Asconf(self._serial, (address_parameter(self.addresses[0]), *requests)),
        )
        self._serial = (self._serial + 1) & 0xFFFFFFFF
        data = Packet(self.sport, self.dport, self._peer_tag, chunks).encode()
        return auth.sign(data, self._keys.key(self._peer_tag))
