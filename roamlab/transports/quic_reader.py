"""Follows QUIC connections through a capture, across addresses: by their packets' ids, decrypted with their secrets.

A connection begins with a client's Initial, whose keys follow from the id in it (RFC 9001, 5.2). The ids that the two ends give
each other later are in packets that only the secrets open, which the endpoints reported (`quic.secret`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from aioquic._buffer import Buffer
from aioquic._crypto import CryptoError
from aioquic.quic.crypto import CryptoContext, CryptoPair, apply_key_phase, next_key_phase
from aioquic.quic.packet import QuicHeader, QuicPacketType, pull_quic_header
from aioquic.tls import CipherSuite

from roamlab.protocols import datagrams, payload, quic
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, Reassembly
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.quic import (
    ConnectionClose,
    Crypto,
    Frame,
    NewConnectionId,
    PathChallenge,
    PathResponse,
    StreamData,
)
from roamlab.protocols.trace import Sighting, UdpPacket
from roamlab.record.quic_events import QuicSecret
from roamlab.transports.base import Sink, Told

_Kind: TypeAlias = Literal["data", "sack", "asconf", "setup", "heartbeat", "end"]
_WRAP: Final = 1 << 32
_KINDS: Final[tuple[tuple[set[type], _Kind], ...]] = (
    ({ConnectionClose}, "end"),
    ({PathChallenge, PathResponse}, "heartbeat"),
    ({NewConnectionId}, "asconf"),
    ({StreamData}, "data"),
)
"""What a packet is for: the first of these says."""
_REMEMBERED: Final = 1 << 14
"""Datagrams whose frames are kept until their next sighting."""
_LONGEST_ID: Final = 20


@dataclass(slots=True)
class _Stream:
    reassembly: Reassembly = field(default_factory=lambda: Reassembly(0))
    deframer: Deframer = field(default_factory=Deframer)


@dataclass(slots=True)
class _Connection:
    """``original`` is the id of the client's first Initial. Keys are by whose packets they open: the client's (True) or not."""

    original: bytes
    version: int
    initial: dict[tuple[bool, int], CryptoContext] = field(default_factory=dict)
    """by version as well: two ends may agree on another one (RFC 9368)"""
    client_random: str = ""
    suite: int = 0
    data: dict[bool, CryptoContext] = field(default_factory=dict)
    expected: dict[tuple[bool, bool], int] = field(default_factory=dict)
    """packet numbers, by whose they are and whether they are of an Initial"""
    streams: dict[tuple[str, Way, bool, int], _Stream] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"connection (QUIC, id {self.original.hex()})"

    def initial_keys(self, by_client: bool, version: int) -> CryptoContext:
        if (by_client, version) not in self.initial:
            pair = CryptoPair()
            pair.setup_initial(self.original, is_client=False, version=version)
            self.initial |= {(True, version): pair.recv, (False, version): pair.send}
        return self.initial[by_client, version]


@dataclass(frozen=True, slots=True)
class Opened:
    """A datagram's connection, whether the client sent it, and its frames."""

    connection: _Connection
    by_client: bool
    frames: tuple[Frame, ...]


class QuicReader:
    """Puts streams together, apart for each node and way."""

    def __init__(self, secrets: Iterable[QuicSecret]) -> None:
        self._secrets = {(s.label, s.client_random): s.secret for s in secrets}
        self._ids: dict[bytes, tuple[_Connection, bool]] = {}
        """Whose packets are sent to an id: a connection's, by its client or not."""
        self._lengths: set[int] = set()
        self._seen: OrderedDict[bytes, Opened | None] = OrderedDict()

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the messages that are complete with this datagram, and of the connection's end."""
        if not isinstance(packet, UdpPacket):
            return
        opened = self.opened(packet)
        if opened is None:
            return
        connection = opened.connection
        for frame in opened.frames:
            if isinstance(frame, StreamData):
                self._stream(packet, opened, frame, sink)
            elif isinstance(frame, ConnectionClose):
                sink.ended(packet, connection.original, "CONNECTION_CLOSE")

    def told(self, packet: Sighting) -> Told | None:
        """What a datagram is for, by its frames; for one that does not open, by its header."""
        if not isinstance(packet, UdpPacket) or (opened := self.opened(packet)) is None:
            return None
        words = quic.words(opened.frames)
        kinds = {type(frame) for frame in opened.frames}
        kind: _Kind = next((kind for those, kind in _KINDS if those & kinds), "sack")
        if datagrams.quic_long(packet.udp.payload) is not None:
            return Told(f"QUIC handshake{f': {words}' if words else ''}", "setup")
        return Told(f"QUIC {words or f'{len(packet.udp.payload)} B'}", kind)

    def _stream(self, packet: UdpPacket, opened: Opened, frame: StreamData, sink: Sink) -> None:
        connection = opened.connection
        where = (packet.node, packet.direction, opened.by_client, frame.stream)
        stream = connection.streams.setdefault(where, _Stream())
        try:
            found = stream.deframer.feed(stream.reassembly.feed(frame.offset % _WRAP, frame.data))
        except DecodeError:
            return
        for data in found:
            if not sink.known(connection.original) and payload.decode(data) is not None:
                sink.carrier(connection.original, connection.name)
            sink.message(packet, data, connection.original)

    def opened(self, packet: UdpPacket) -> Opened | None:
        """What a datagram holds; it is seen at both ends, and opened at the first of them. None for what is no QUIC."""
        data = packet.udp.payload
        if data in self._seen:
            return self._seen[data]
        opened = self._open(data)
        self._seen[data] = opened
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return opened

    def _open(self, data: bytes) -> Opened | None:
        found: list[Frame] = []
        belongs: tuple[_Connection, bool] | None = None
        for packet, header, offset in self._packets(data):
            belongs = self._belongs(header)
            if belongs is None:
                return None
            connection, by_client = belongs
            if header.packet_type is QuicPacketType.INITIAL and header.version is not None:
                keys = connection.initial_keys(by_client, header.version)
                frames = _decrypt(packet, offset, keys, belongs, initial=True)
                _hello(connection, by_client, frames)
                found += frames
            elif header.packet_type is QuicPacketType.HANDSHAKE:
                connection.version = header.version or connection.version
            elif header.packet_type is QuicPacketType.ONE_RTT:
                keys_of_data = self._keys(connection, by_client)
                frames = _decrypt(packet, offset, keys_of_data, belongs, initial=False)
                for frame in frames:
                    if isinstance(frame, NewConnectionId):  # the other end will send to it
                        self._name(frame.connection_id, connection, not by_client)
                found += frames
        return None if belongs is None else Opened(*belongs, tuple(found))

    def _packets(self, data: bytes) -> Iterator[tuple[bytes, QuicHeader, int]]:
        """The packets that are together in a datagram (RFC 9000, 12.2), with where each one's packet number is."""
        at = 0
        while at < len(data):
            rest = data[at:]
            buffer = Buffer(data=rest)
            try:
                header = pull_quic_header(buffer, host_cid_length=self._length(rest))
            except ValueError:  # no QUIC, or padding
                return
            yield rest[: header.packet_length], header, buffer.tell()
            at += header.packet_length

    def _length(self, packet: bytes) -> int:
        """How long the id is in a short header, which does not say it: as long as one that is known."""
        return next((n for n in sorted(self._lengths, reverse=True) if packet[1 : 1 + n] in self._ids), 0)

    def _belongs(self, header: QuicHeader) -> tuple[_Connection, bool] | None:
        known = self._ids.get(header.destination_cid)
        if known is None and header.packet_type is QuicPacketType.INITIAL and header.version is not None:
            known = _Connection(header.destination_cid, header.version), True
            self._name(header.destination_cid, *known)
        if known is not None and header.source_cid:
            self._name(header.source_cid, known[0], not known[1])
        return known

    def _name(self, connection_id: bytes, connection: _Connection, by_client: bool) -> None:
        if connection_id and len(connection_id) <= _LONGEST_ID:
            self._ids.setdefault(connection_id, (connection, by_client))
            self._lengths.add(len(connection_id))

    def _keys(self, connection: _Connection, by_client: bool) -> CryptoContext | None:
        if by_client in connection.data:
            return connection.data[by_client]
        label = f"{'CLIENT' if by_client else 'SERVER'}_TRAFFIC_SECRET_0"
        secret = self._secrets.get((label, connection.client_random))
        if secret is None:
            return None
        keys = CryptoContext()
        try:
            suite = CipherSuite(connection.suite)
            keys.setup(cipher_suite=suite, secret=bytes.fromhex(secret), version=connection.version)
        except (ValueError, KeyError):  # what was reported is no secret, or the cipher is not known
            return None
        connection.data[by_client] = keys
        return keys


def _decrypt(
    packet: bytes,
    offset: int,
    keys: CryptoContext | None,
    belongs: tuple[_Connection, bool],
    *,
    initial: bool,
) -> list[Frame]:
    """The frames of a packet; none where it does not open."""
    if keys is None:
        return []
    connection, by_client = belongs
    expected = connection.expected.get((by_client, initial), 0)
    try:
        _, plain, number, updated = keys.decrypt_packet(packet, offset, expected)
    except (CryptoError, ValueError):
        return []
    if updated:
        apply_key_phase(keys, next_key_phase(keys), trigger="remote_update")
    connection.expected[by_client, initial] = max(expected, number + 1)
    found: list[Frame] = []
    with suppress(DecodeError):
        for frame in quic.frames(plain):
            found.append(frame)  # noqa: PERF402 - what comes before one that is not known counts
    return found


def _hello(connection: _Connection, by_client: bool, frames: Iterable[Frame]) -> None:
    """Take from the handshake's first bytes which secrets are the connection's, and for which cipher they are."""
    for frame in frames:
        if isinstance(frame, Crypto) and not frame.offset:
            if by_client:
                connection.client_random = connection.client_random or quic.hello_random(frame.data).hex()
            else:
                connection.suite = connection.suite or quic.chosen_suite(frame.data)
