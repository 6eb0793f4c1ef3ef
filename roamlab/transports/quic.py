"""QUIC, by aioquic in user space: a client of ours moves its connection by itself, or leaves that to the kernel's routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from roamlab.protocols import datagrams
from roamlab.protocols.trace import Sighting, UdpPacket
from roamlab.record.event import Event
from roamlab.record.quic_events import QuicSecret
from roamlab.transports.base import Crossings, Keeper, Loop, Reader, Transport

if TYPE_CHECKING:
    from roamlab.transports.quic_channel import ClientChannel, Ways
    from roamlab.transports.quic_server import QuicListener


class Quic(Transport):
    """QUIC (RFC 9000) whose client migrates when its node has a new address (9.2): another socket, another connection id."""

    name = "quic"
    migrates: ClassVar[bool] = True
    """whether the client itself moves to a new address, rather than send from whichever the kernel chooses"""
    apart: ClassVar[bool] = False
    """whether each message has a stream of its own, rather than all one stream in order"""
    begins_again: ClassVar[bool] = False
    """whether both ends begin a new path with an initial window, without RTT and backoff (RFC 9000, 9.4)"""
    carrier = "connection"
    stack = "aioquic 1.7.2"
    settings = (
        "its client migrates at the event of a new address: another socket and connection id, and a PING"
    )
    largest = 1228
    """aioquic sends datagrams of 1,200 octets, which every path for QUIC must carry (RFC 9000, 14)"""
    lacks: ClassVar[Mapping[str, str]] = {"both-ends": "only a client can migrate (RFC 9000, 9)"}
    modules = (
        "aioquic",
        "OpenSSL",
        "_cffi_backend",
        "_hashlib",
        "_ssl",
        "certifi",
        "cryptography",
        "service_identity",
        "ssl",
    )
    says_when_up = True
    moving = Crossings(up=(1, 0), down=(1, 1))
    """RFC 9000, 9.2 and 9.3: data may leave from a new address at once. The peer may answer there at once, with three
    times what it received from there until the path is validated (8.1)."""
    gives_up_s = 60.0  # the engine's idle timeout
    connecting = Crossings(up=(2, 1), down=(2, 2))
    """RFC 9001, 4.1.1: data may leave with the client's Finished. The listening side sends when a message has named the
    session."""

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> ClientChannel:  # noqa: ARG002
        """A connection from a local address, to be connected."""
        from roamlab.transports.quic_channel import ClientChannel

        return ClientChannel(local, port, self.ways, anywhere=not self.migrates)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> QuicListener:  # noqa: ARG002
        """Wait for connections, all on one socket."""
        from roamlab.transports.quic_server import QuicListener

        return QuicListener(local, port, self.ways)

    @property
    def ways(self) -> Ways:
        """How its channels differ from others'."""
        from roamlab.transports.quic_channel import Ways

        return Ways(self.apart, self.begins_again)

    def reader(self) -> Reader:
        """A reader that has no secrets, and so finds no message."""
        return self.reader_of(())

    def reader_of(self, events: Sequence[Event]) -> Reader:
        """A reader that decrypts with the secrets that the endpoints reported."""
        from roamlab.transports.quic_reader import QuicReader

        return QuicReader(event for event in events if isinstance(event, QuicSecret))

    def keeper(self, loop: Loop, family: int) -> Keeper | None:  # noqa: ARG002
        """Who moves connections to a new address."""
        if not self.migrates:
            return None
        from roamlab.transports.quic_paths import QuicPaths

        return QuicPaths(loop)

    def asks(self, packet: Sighting) -> bool:
        """Whether a packet may be the first one from a new address: any protected one will do."""
        return isinstance(packet, UdpPacket) and datagrams.is_quic_short(packet.udp.payload)

    def answers(self, packet: Sighting) -> bool:
        """Whether a packet may be the first that comes back."""
        return self.asks(packet)


class QuicStreams(Quic):
    """QUIC with a stream for each message, as HTTP/3 has one for each request: none waits for another that was lost."""

    name = "quic-streams"
    settings = "as quic; each message has a stream of its own"
    apart = True


class QuicReset(Quic):
    """QUIC whose ends begin a new path as RFC 9000, 9.4, asks, which aioquic does not (docs/quic.md)."""

    name = "quic-reset"
    settings = (
        "as quic; both ends begin a new path with an initial window, without RTT and backoff (RFC 9000, 9.4)"
    )
    begins_again = True


class PassiveQuic(Quic):
    """QUIC whose client does nothing: its socket has no address, and sends from whichever there is (RFC 9000, 9.3)."""

    name = "quic-passive"
    settings = "its client does nothing: its socket is bound to no address"
    migrates = False


TRANSPORT: Final = Quic()
STREAMS: Final = QuicStreams()
RESET: Final = QuicReset()
PASSIVE: Final = PassiveQuic()
