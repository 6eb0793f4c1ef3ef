"""QUIC's frames, its reader across addresses and new ids on what a real engine sends, and the client's paths."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from importlib.metadata import version
from ipaddress import IPv4Address

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from roamlab.protocols import quic
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import frame
from roamlab.protocols.ip import UDP, Datagram
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.quic import ConnectionClose, NewConnectionId, PathChallenge, Plain, StreamData
from roamlab.protocols.trace import UdpPacket
from roamlab.protocols.transport import Udp
from roamlab.record.quic_events import QuicMigrated, QuicSecret
from roamlab.transports import find, quic_paths
from roamlab.transports.base import Told
from roamlab.transports.quic_channel import ClientChannel, Ways
from roamlab.transports.quic_log import Secrets
from roamlab.transports.quic_paths import QuicPaths
from roamlab.transports.quic_reader import QuicReader
from roamlab.transports.quic_server import QuicListener, identity

OLD, NEW, PEER = (IPv4Address(text) for text in ("192.0.2.10", "198.51.100.10", "203.0.113.10"))


def test_frames_are_told_apart_by_their_lengths() -> None:
    acknowledged = b"\x02\x40\x64\x05\x01\x03\x00\x02"
    ecn = b"\x03\x01\x00\x00\x00\x01\x02\x03"
    payload = b"".join(
        (
            bytes(3),
            b"\x01",
            acknowledged,
            ecn,
            b"\x0e\x04\x40\x80\x02hi",
            b"\x18\x01\x00\x02ab" + bytes(16),
            b"\x1a12345678",
            b"\x10\x41\x00",
            b"\x1c\x01\x06\x03bye",
            b"\x0c\x00\x05the rest",
        )
    )
    found = list(quic.frames(payload))
    assert found == [
        Plain("PING"),
        Plain("ACK"),
        Plain("ACK"),
        StreamData(4, 128, b"hi"),
        NewConnectionId(b"ab"),
        PathChallenge(b"12345678"),
        Plain("MAX_DATA"),
        ConnectionClose(1, "bye"),
        StreamData(0, 5, b"the rest"),
    ]
    assert quic.words(found) == (
        "PING, ACK, STREAM 10 B, NEW_CONNECTION_ID, PATH_CHALLENGE, MAX_DATA, CONNECTION_CLOSE"
    )


@pytest.mark.parametrize("payload", [b"\x06\x00\x05ab", b"\x21", b"\x08"])
def test_a_frame_that_breaks_off_or_is_not_known_is_an_error(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        list(quic.frames(payload))


class Sink:
    def __init__(self) -> None:
        self.names: dict[object, str] = {}
        self.messages: list[tuple[str, int, str]] = []
        self.endings: list[str] = []

    def carrier(self, key: object, name: str) -> None:
        self.names[key] = name

    def also(self, key: object, other: object) -> None:
        raise AssertionError

    def known(self, key: object) -> bool:
        return key in self.names

    def message(self, packet: UdpPacket, data: bytes, key: object) -> None:
        if packet.direction is Way.IN:
            self.messages.append((packet.node, len(data), str(packet.source)))

    def ended(self, packet: UdpPacket, key: object, how: str) -> None:
        self.endings.append(f"{packet.node} {how}")


class Talk:
    """A client and a server of the engine's, and what their datagrams show at both NICs."""

    def __init__(self) -> None:
        self.told: list[QuicSecret] = []
        self.packets: list[UdpPacket] = []
        self.now = 0.0
        self.mine = OLD
        key, certificate = identity()
        self.client = QuicConnection(configuration=self._logged(QuicConfiguration(verify_mode=ssl.CERT_NONE)))
        self.client.connect((str(PEER), 5001), now=self.now)
        served = QuicConfiguration(is_client=False, private_key=key, certificate=certificate)
        self.server = QuicConnection(
            configuration=self._logged(served),
            original_destination_connection_id=self.client.original_destination_connection_id,
        )
        self.exchange()

    def _logged(self, configuration: QuicConfiguration) -> QuicConfiguration:
        configuration.alpn_protocols = ["test"]
        configuration.secrets_log_file = Secrets(self.told)  # type: ignore[arg-type]
        return configuration

    def exchange(self) -> None:
        for _ in range(4):
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                self.now += 0.05
                if (timer := sender.get_timer()) is not None and timer <= self.now:
                    sender.handle_timer(self.now)
                for data, _ in sender.datagrams_to_send(self.now):
                    mine = (self.mine, 4000)
                    source, destination = (
                        (mine, (PEER, 5001)) if sender is self.client else ((PEER, 5001), mine)
                    )
                    self._seen(data, source, destination)
                    receiver.receive_datagram(data, (str(source[0]), source[1]), now=self.now)

    def _seen(self, data: bytes, source: tuple, destination: tuple) -> None:
        nodes = ("mn", "cn") if destination[0] == PEER else ("cn", "mn")
        for node, way in zip(nodes, (Way.OUT, Way.IN), strict=True):
            datagram = Datagram(source[0], destination[0], UDP, 64, data)
            udp = Udp(source[1], destination[1], data)
            self.packets.append(UdpPacket(len(self.packets), 0, node, "eth0", way, datagram, udp))

    def read(self, secrets: list[QuicSecret]) -> Sink:
        reader, sink = QuicReader(secrets), Sink()
        for packet in self.packets:
            reader.read(packet, sink)
        return sink


def message(size: int, direction: Direction = Direction.UP) -> bytes:
    return frame(Message(Kind.DATA, direction, 1, 0, 0).encode(size))


@pytest.fixture(scope="module")
def talk() -> Talk:
    """One message from the old address, another that is cut in two by the move, an answer, one after the keys changed."""
    talk = Talk()
    talk.client.send_stream_data(0, message(100))
    talk.exchange()
    second = message(101)
    talk.client.send_stream_data(0, second[:50])
    talk.exchange()
    talk.mine = NEW
    talk.client.change_connection_id()
    talk.client.send_stream_data(0, second[50:])
    talk.exchange()
    talk.server.send_stream_data(0, message(102, Direction.DOWN))
    talk.client.send_stream_data(2, message(103), end_stream=True)
    talk.exchange()
    talk.client.request_key_update()
    talk.client.send_stream_data(0, message(104))
    talk.exchange()
    talk.client.close()
    talk.exchange()
    return talk


def test_a_connection_is_followed_across_addresses_ids_and_keys(talk: Talk) -> None:
    sink = talk.read(talk.told)
    assert sorted(sink.messages, key=lambda found: found[1]) == [
        ("cn", 100, str(OLD)),
        ("cn", 101, str(NEW)),
        ("mn", 102, str(PEER)),
        ("cn", 103, str(NEW)),
        ("cn", 104, str(NEW)),
    ]
    odcid = talk.client.original_destination_connection_id.hex()
    assert list(sink.names.values()) == [f"connection (QUIC, id {odcid})"]
    assert sink.endings[0] == "mn CONNECTION_CLOSE"


def test_each_packet_is_told_in_words(talk: Talk) -> None:
    reader = QuicReader(talk.told)
    told = [reader.told(packet) for packet in talk.packets]
    assert told[0] == Told("QUIC handshake: CRYPTO", "setup")
    assert {one.kind for one in told if one} == {"setup", "data", "sack", "asconf", "heartbeat", "end"}
    assert any(one is not None and "PATH_RESPONSE" in one.words for one in told)
    assert all(one is None or one.kind == "setup" for one in map(QuicReader([]).told, talk.packets[:2]))


def test_without_its_own_secrets_a_connection_shows_nothing(talk: Talk) -> None:
    other = [QuicSecret(label=s.label, client_random="00" * 32, secret=s.secret) for s in talk.told]
    wrong = [QuicSecret(label=s.label, client_random=s.client_random, secret="zz") for s in talk.told]
    false = [QuicSecret(label=s.label, client_random=s.client_random, secret="11" * 48) for s in talk.told]
    for secrets in ([], other, wrong, false):
        assert talk.read(secrets).messages == []


def test_bytes_that_are_no_quic_are_passed_over(talk: Talk) -> None:
    reader, sink = QuicReader(talk.told), Sink()
    whole = talk.packets[0].udp.payload
    for data in (b"", b"\x40", b"\xc0\0\0\0\1", whole[:40], bytes(1200), whole[:10] + b"\xff" * 1190):
        datagram = Datagram(OLD, PEER, UDP, 64, data)
        reader.read(UdpPacket(0, 0, "cn", "eth0", Way.IN, datagram, Udp(4000, 5001, data)), sink)
    assert sink.messages == []


class Loop:
    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []
        self.events: list[QuicMigrated] = []

    def at(self, when_ns: int, action: Callable[[], None]) -> None:
        self.due.append(action)

    def on_readable(self, source: object, action: Callable[[], None]) -> None:
        raise AssertionError

    def emit(self, event: QuicMigrated) -> None:
        self.events.append(event)


@pytest.fixture
def channels() -> Iterator[tuple[ClientChannel, QuicListener]]:
    """A client on loopback, set up with a listener there, which gave it further ids."""
    listener = QuicListener("127.0.0.1", 0, Ways())
    client = ClientChannel("127.0.0.2", 0, Ways(), anywhere=False)
    client.connect(*listener._sock.getsockname())
    accepted = None
    while not client.engine._peer_cid_available:
        accepted = listener.accept() or accepted
        if accepted is not None:
            accepted.receive()
        client.receive()
    yield client, listener
    assert accepted is not None
    for closed in (client, accepted, listener):
        closed.close()


def test_a_client_goes_to_the_newest_address_and_back_when_that_goes(
    channels: tuple[ClientChannel, QuicListener], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, listener = channels
    loop = Loop()
    paths = QuicPaths(loop)
    paths.address_up("127.0.0.2")
    paths.opened(client)
    ready = iter([False, True, True])
    monkeypatch.setattr(quic_paths, "can_send", lambda address, peer: next(ready))
    paths.address_up("127.0.0.3")
    assert client.address == "127.0.0.2"  # it can't be bound to yet
    loop.due.pop()()
    assert client.address == "127.0.0.3"
    _, source = listener._sock.recvfrom(2048)
    while source[0] != "127.0.0.3":  # it says so at once, though nobody had anything to send
        _, source = listener._sock.recvfrom(2048)
    paths.address_down("127.0.0.3")
    assert client.address == "127.0.0.2"
    assert [(event.before, event.address) for event in loop.events] == [
        ("127.0.0.2", "127.0.0.3"),
        ("127.0.0.3", "127.0.0.2"),
    ]
    assert len({event.connection_id for event in loop.events}) == 2
    paths.address_down("127.0.0.2")
    assert client.address == "127.0.0.2"  # there is no other


def test_the_stack_that_is_named_is_the_one_that_is_installed() -> None:
    assert find("quic").gives_up_s == QuicConfiguration().idle_timeout
    assert find("quic").stack == f"aioquic {version('aioquic')}"
