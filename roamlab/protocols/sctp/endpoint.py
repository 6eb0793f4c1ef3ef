"""An end of one association that does as it is told: set-up, AUTH and SACKs by the book, and whatever else it is asked to say.

It is no stack. It calls (RFC 9260, 5.1), with AUTH and ASCONF where it is `secured` (RFC 4895, RFC 5061), acknowledges DATA,
answers HEARTBEAT and SHUTDOWN, and signs what its peer wants authenticated. It has no timers: it retransmits nothing, and sends
nothing unasked. Which chunks it says, and in which packets, is the caller's business, above all those that no stack would send.
Verification tag, TSN and RANDOM are arguments.

    state          told or heard     state           says
    -------------  ----------------  --------------  ---------------------------
    CLOSED         init()            COOKIE_WAIT     INIT
    COOKIE_WAIT    INIT-ACK          COOKIE_ECHOED   COOKIE-ECHO, where it `echoes`
    COOKIE_ECHOED  COOKIE-ACK        ESTABLISHED
    any            SHUTDOWN          CLOSED          SHUTDOWN-ACK
    any            ABORT             CLOSED
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address
from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp.causes import RefusedNoAuthorization, UnrecognizedParameters
from roamlab.protocols.sctp.chunks import (
    Abort,
    Asconf,
    AsconfAck,
    Auth,
    Chunk,
    CookieAck,
    CookieEcho,
    Data,
    Heartbeat,
    HeartbeatAck,
    Init,
    InitAck,
    Sack,
    Shutdown,
    ShutdownAck,
)
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import (
    AddIp,
    ChunkList,
    DeleteIp,
    ErrorCauseIndication,
    HmacAlgorithms,
    Parameter,
    Random,
    SetPrimary,
    StateCookie,
    SupportedExtensions,
    address_parameter,
)

WINDOW: Final = 1 << 20
_STREAMS: Final = 10
_WHOLE: Final = 3  # DATA that begins and ends a message
_AUTHENTICATED: Final = (Asconf.type, AsconfAck.type)
_WRAP: Final = 0xFFFFFFFF


class EndpointState(Enum):
    """How far an association is (RFC 9260, 4)."""

    CLOSED = "closed"
    COOKIE_WAIT = "cookie wait"
    COOKIE_ECHOED = "cookie echoed"
    ESTABLISHED = "established"


@dataclass(slots=True)
class ReceivedTsns:
    """Which TSNs have come: all up to ``cumulative``, and some beyond."""

    cumulative: int
    beyond: set[int] = field(default_factory=set)

    def take(self, tsn: int) -> None:
        """Enter a TSN; one that was there already changes nothing."""
        if 0 < (tsn - self.cumulative) & _WRAP < 1 << 31:
            self.beyond.add(tsn)
        while (following := (self.cumulative + 1) & _WRAP) in self.beyond:
            self.beyond.remove(following)
            self.cumulative = following

    def sack(self) -> Sack:
        """What a SACK says of it (RFC 9260, 3.3.4)."""
        return Sack(self.cumulative, WINDOW, tuple(self._gaps()))

    def _gaps(self) -> Iterator[tuple[int, int]]:
        offsets = sorted((tsn - self.cumulative) & _WRAP for tsn in self.beyond)
        while offsets:
            first = last = offsets.pop(0)
            while offsets and offsets[0] == last + 1:
                last = offsets.pop(0)
            yield first, last


@dataclass(slots=True)
class SctpEndpoint:
    """One end, that calls. ``random`` are the 32 bytes of its RANDOM parameter, ``addresses`` what its INIT lists.

    ``serial`` is that of its next ASCONF, at first the initial TSN (RFC 5061, 5.1, A2). ``preference`` goes into the INIT
    (5.4), behind the addresses or, where it ``prefers_first``, before them. ``asked`` are the peer's ASCONFs by serial number.
    """

    sport: int
    dport: int
    tag: int
    tsn: int
    random: bytes
    addresses: tuple[Address, ...]
    secured: bool = True
    echoes: bool = True
    state: EndpointState = EndpointState.CLOSED
    peer_tag: int = 0
    peer_tsn: int = 0
    serial: int = 0
    cookie: bytes = b""
    preference: SetPrimary | None = None
    prefers_first: bool = False
    asked: dict[int, Asconf] = field(default_factory=dict)
    _ssn: int = 0
    _received: ReceivedTsns = field(default_factory=lambda: ReceivedTsns(0))
    _vector: bytes = b""
    _key: bytes = b""
    _wanted: tuple[int, ...] = ()

    # -- what it is told ---------------------------------------------------------------------------------------------

    def init(self) -> bytes:
        """The INIT."""
        listed: tuple[Parameter, ...] = tuple(map(address_parameter, self.addresses))
        wish = () if self.preference is None else (self.preference,)
        parameters = (*wish, *listed) if self.prefers_first else (*listed, *wish)
        if self.secured:
            parameters += (
                SupportedExtensions((*_AUTHENTICATED, Auth.type)),
                Random(self.random),
                ChunkList(_AUTHENTICATED),
                HmacAlgorithms((auth.SHA1,)),
            )
            self._vector = auth.key_vector(parameters)
        self.serial = self.tsn
        self.state = EndpointState.COOKIE_WAIT
        init = Init(self.tag, WINDOW, _STREAMS, _STREAMS, self.tsn, parameters)
        return Packet(self.sport, self.dport, 0, (init,)).encode()

    def cookie_echo(self, *, damaged: bool = False) -> bytes:
        """The COOKIE-ECHO, whole or with one bit turned round. ValueError before the INIT-ACK."""
        if not self.cookie:
            raise ValueError("there is no cookie: no INIT-ACK has come")
        cookie = bytearray(self.cookie)
        if damaged:
            cookie[len(cookie) // 2] ^= 1
        self.state = EndpointState.COOKIE_ECHOED
        return self.packet(CookieEcho(bytes(cookie)))

    def packet(self, *chunks: Chunk) -> bytes:
        """These chunks in one packet, behind an AUTH chunk where the peer wants one of them authenticated."""
        if not any(chunk.type in self._wanted for chunk in chunks):
            return self._encode(chunks)
        signed = Auth(0, auth.SHA1, bytes(auth.hmac_length(auth.SHA1)))
        return auth.sign(self._encode((signed, *chunks)), self._key)

    def asconf(self, requests: Sequence[Parameter]) -> Asconf:
        """The next ASCONF chunk, with these requests. ValueError before the INIT-ACK."""
        if not self.peer_tag:
            raise ValueError("there is no association: no INIT-ACK has come")
        chunk = Asconf(self.serial, (address_parameter(self.addresses[0]), *requests))
        self.serial = (self.serial + 1) & _WRAP
        return chunk

    def acknowledgement(self, ahead: int, *, understood: bool = True, refused: bool = False) -> AsconfAck:
        """An ASCONF-ACK, its serial number counted from the one that the peer's first ASCONF has.

        It says nothing, so that everything is carried out, or of each request that it was not ``understood`` (RFC 5061, 5.3,
        F3a and F3b), or that it is ``refused`` for lack of authorization (4.3.5). ValueError for an ASCONF that never came
        where its requests are to be named.
        """
        serial = (self.peer_tsn + ahead) & _WRAP
        if understood and not refused:
            return AsconfAck(serial)
        if serial not in self.asked:
            raise ValueError(f"no ASCONF with serial number {serial} has come")
        return AsconfAck(
            serial,
            tuple(
                ErrorCauseIndication(
                    r.correlation_id,
                    (RefusedNoAuthorization(r.encode()) if refused else UnrecognizedParameters(r.encode()),),
                )
                for r in self.asked[serial].requests
                if isinstance(r, AddIp | DeleteIp | SetPrimary)
            ),
        )

    def data(self, message: bytes) -> Data:
        """The next DATA chunk, a whole message on stream 0."""
        chunk = Data(self.tsn, 0, self._ssn, 0, message, flags=_WHOLE)
        self.tsn, self._ssn = (self.tsn + 1) & _WRAP, (self._ssn + 1) & 0xFFFF
        return chunk

    def pretend(self, more: int) -> bytes:
        """A SACK for ``more`` DATA chunks than have come (RFC 5062: what a bomber says in his victim's place)."""
        self._received.cumulative = (self._received.cumulative + more) & _WRAP
        return self.packet(self._received.sack())

    # -- what it hears -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> bytes | None:
        """The answer that is due to a packet; None for none, and for a packet of another association or junk."""
        try:
            seen = packet.decode(data)
        except DecodeError:
            return None
        if (seen.sport, seen.dport) != (self.dport, self.sport) or seen.tag != self._due(seen):
            return None
        replies: list[Chunk] = []
        for chunk in seen.chunks:
            match chunk:
                case InitAck() if self.state is EndpointState.COOKIE_WAIT:
                    if self._offered(chunk) and self.echoes:
                        return self.cookie_echo()
                case CookieAck() if self.state is EndpointState.COOKIE_ECHOED:
                    self.state = EndpointState.ESTABLISHED
                case Data():
                    self._received.take(chunk.tsn)
                case Asconf():
                    self.asked[chunk.serial] = chunk
                case Heartbeat():
                    replies.append(HeartbeatAck(chunk.parameters))
                case Shutdown():
                    self.state = EndpointState.CLOSED
                    replies.append(ShutdownAck())
                case Abort():
                    self.state = EndpointState.CLOSED
                    return None
        if any(isinstance(chunk, Data) for chunk in seen.chunks):
            replies.insert(0, self._received.sack())
        return self.packet(*replies) if replies else None

    def _due(self, seen: Packet) -> int:
        """The verification tag that a packet must have: a peer that knows nothing of us reflects its own (RFC 9260, 8.5.1)."""
        reflected = any(isinstance(chunk, Abort) and chunk.reflected for chunk in seen.chunks)
        return self.peer_tag if reflected else self.tag

    def _offered(self, answer: InitAck) -> bool:
        """Take what an INIT-ACK offers; False where it has no cookie."""
        cookies = [p.cookie for p in answer.parameters if isinstance(p, StateCookie)]
        if not cookies:
            return False
        self.cookie = cookies[0]
        self.peer_tag, self.peer_tsn = answer.tag, answer.tsn
        self._received = ReceivedTsns((answer.tsn - 1) & _WRAP)
        if self.secured:
            try:
                self._key = auth.association_key(self._vector, auth.key_vector(answer.parameters))
            except ValueError:  # a peer without AUTH
                return True
            self._wanted = next((p.chunk_types for p in answer.parameters if isinstance(p, ChunkList)), ())
        return True

    def _encode(self, chunks: tuple[Chunk, ...]) -> bytes:
        return Packet(self.sport, self.dport, self.peer_tag, chunks).encode()
