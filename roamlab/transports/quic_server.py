"""The side of QUIC that is called: one socket for all connections, and a channel for each."""

from __future__ import annotations

import os
import select
import socket
from datetime import UTC, datetime, timedelta

from aioquic._buffer import Buffer
from aioquic.quic import events as quic
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicPacketType, pull_quic_header
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from roamlab.transports.quic_channel import ALPN, End, QuicChannel, Ways, now_ns, received, send
from roamlab.transports.quic_recovery import begin_path
from roamlab.transports.sockets import bound


class ServerChannel(QuicChannel):
    """The end that was called; its datagrams come and go by the listener's socket."""

    def __init__(
        self, listener: QuicListener, configuration: QuicConfiguration, original: bytes, ways: Ways
    ) -> None:
        super().__init__(ways)
        self._listener = listener
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._bell, select.EPOLLIN)
        self._engine = QuicConnection(
            configuration=self.configured(configuration), original_destination_connection_id=original
        )

    @property
    def engine(self) -> QuicConnection:
        """The connection's protocol engine."""
        return self._engine

    def came(self, data: bytes, source: End) -> None:
        """Take a datagram from the listener; the channel can be read then."""
        self.look_at_clock()
        before = self.engine.get_peer_address()
        self.taken(data, source)
        if self._ways.begins_again and before not in (None, self.engine.get_peer_address()):
            begin_path(self.engine, self._now)
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """Leave the listener."""
        self._listener.left(self)
        os.close(self._bell)
        super().close()

    def _take_datagram(self) -> None:  # the listener gave it
        try:
            os.eventfd_read(self._bell)
        except BlockingIOError:
            return

    def _send(self, data: bytes, peer: End) -> None:
        self._listener.send(data, peer)

    def _said(self, event: quic.QuicEvent) -> None:
        match event:
            case quic.ConnectionIdIssued():
                self._listener.named(self, event.connection_id)
            case quic.ConnectionIdRetired():
                self._listener.unnamed(event.connection_id)
            case _:
                super()._said(event)


class QuicListener:
    """One UDP socket for all connections, which are told apart by their connection ids."""

    def __init__(self, local: str, port: int, ways: Ways) -> None:
        self._ways = ways
        self._sock = bound(socket.SOCK_DGRAM, local, port)
        self._sock.setblocking(False)
        self._channels: dict[bytes, ServerChannel] = {}
        self._key, self._certificate = identity()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._sock.fileno()

    def accept(self) -> ServerChannel | None:
        """Give a datagram to its connection; that one where it is new, and None where it is not.

        More than one is left for the loop's next turn, as by `QuicChannel.receive`.
        """
        if (come := received(self._sock)) is None:
            return None
        data, source = come
        known = self._of(data)
        channel = known or self._new(data)
        if channel is not None:
            channel.came(data, source)
        return channel if known is None else None

    def send(self, data: bytes, peer: End) -> None:
        """Send a datagram of a connection's."""
        send(self._sock, data, peer)

    def named(self, channel: ServerChannel, connection_id: bytes) -> None:
        """What has this id is the channel's."""
        self._channels[connection_id] = channel

    def unnamed(self, connection_id: bytes) -> None:
        """An id is used no more."""
        self._channels.pop(connection_id, None)

    def left(self, channel: ServerChannel) -> None:
        """A channel is closed."""
        self._channels = {known: other for known, other in self._channels.items() if other is not channel}

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()

    def _of(self, data: bytes) -> ServerChannel | None:
        header = _header(data)
        return None if header is None else self._channels.get(header[1])

    def _new(self, data: bytes) -> ServerChannel | None:
        """A connection for an Initial that belongs to none; shorter datagrams than RFC 9000, 14.1, allows are ignored."""
        header = _header(data)
        if (
            header is None
            or header[0] is not QuicPacketType.INITIAL
            or len(data) < SMALLEST_MAX_DATAGRAM_SIZE
        ):
            return None
        configuration = QuicConfiguration(
            alpn_protocols=[ALPN], is_client=False, private_key=self._key, certificate=self._certificate
        )
        channel = ServerChannel(self, configuration, header[1], self._ways)
        self.named(channel, header[1])
        self.named(channel, channel.engine.host_cid)
        return channel


def _header(data: bytes) -> tuple[QuicPacketType, bytes] | None:
    """A datagram's first packet: its type, and the connection id that it goes to."""
    try:
        header = pull_quic_header(Buffer(data=data), host_cid_length=QuicConfiguration.connection_id_length)
    except ValueError:
        return None
    return header.packet_type, header.destination_cid


def identity() -> tuple[Ed25519PrivateKey, x509.Certificate]:
    """A key, and a certificate for it that nobody checks; Ed25519 signs the same with the same bytes."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ALPN)])
    now = datetime.fromtimestamp(now_ns() // 10**9, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    return key, certificate
