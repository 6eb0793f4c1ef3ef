"""What a UDP datagram and a SYN tell of their conversation, by bytes from RFCs and from WireGuard's layout."""

import pytest

from roamlab.protocols import datagrams
from roamlab.protocols.tcp_options import mptcp_key, mptcp_token, options

# RFC 9001, A.2 and A.3: the headers of a client's and a server's Initial.
CLIENT_INITIAL = bytes.fromhex("c300000001088394c8f03e5157080000449e00000002") + bytes(1162)
SERVER_INITIAL = bytes.fromhex("c1000000010008f067a5502a4262b50040750001") + bytes(100)


def test_a_quic_clients_first_packet_names_the_servers_id_and_the_answer_the_servers_own() -> None:
    client, server = datagrams.quic_long(CLIENT_INITIAL), datagrams.quic_long(SERVER_INITIAL)
    assert client == datagrams.QuicHeader(bytes.fromhex("8394c8f03e515708"), b"", initial=True)
    assert server == datagrams.QuicHeader(b"", bytes.fromhex("f067a5502a4262b5"), initial=True)


@pytest.mark.parametrize("length", [0, 5, 6, 13])
def test_a_header_that_is_cut_off_is_none(length: int) -> None:
    assert datagrams.quic_long(CLIENT_INITIAL[:length]) is None


def test_a_handshake_packet_is_no_initial_and_another_version_is_not_known() -> None:
    handshake = bytes([CLIENT_INITIAL[0] & 0xCF | 0x20]) + CLIENT_INITIAL[1:]
    header = datagrams.quic_long(handshake)
    assert header is not None
    assert not header.initial
    assert datagrams.quic_long(CLIENT_INITIAL[:1] + b"\x0a\x0a\x0a\x0a" + CLIENT_INITIAL[5:]) is None


def test_a_short_header_is_told_from_a_long_one_and_from_what_is_too_short() -> None:
    assert datagrams.is_quic_short(b"\x4a" + bytes(30))
    assert not datagrams.is_quic_short(b"\x4a" + bytes(10))
    assert not datagrams.is_quic_short(CLIENT_INITIAL)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\x01\0\0\0" + bytes(144), "initiation"),
        (b"\x02\0\0\0" + bytes(88), "response"),
        (b"\x03\0\0\0" + bytes(60), "cookie"),
        (b"\x04\0\0\0" + bytes(28), "keepalive"),
        (b"\x04\0\0\0" + bytes(28 + 96), "data"),
        (b"\x04\0\0\0" + bytes(28 + 1420), "data"),
        (b"\x04\0\0\0" + bytes(29), None),
        (b"\x01\0\0\0" + bytes(10), None),
        (b"\x01\0\0\1" + bytes(144), None),
        (b"", None),
    ],
)
def test_wireguards_messages_are_known_by_type_and_length(payload: bytes, message: str | None) -> None:
    assert datagrams.wireguard(payload) == message


def segment(*parts: bytes) -> bytes:
    body = b"".join(parts)
    body += b"\1" * (-len(body) % 4)
    return bytes(12) + bytes([(20 + len(body)) // 4 << 4]) + bytes(7) + body


def test_mptcp_tells_its_key_in_a_syn_ack_and_its_token_in_a_join() -> None:
    key = bytes(range(8))
    capable = segment(b"\2\4\5\xb4", b"\x1e\x0c\x01\x81" + key)
    join = segment(b"\1\1", b"\x1e\x0c\x10\x02\xde\xad\xbe\xef" + bytes(4))
    assert mptcp_key(capable) == key
    assert mptcp_token(capable) is None
    assert mptcp_token(join) == 0xDEADBEEF
    assert mptcp_key(join) is None


def test_options_end_where_one_is_cut_off() -> None:
    assert list(options(segment(b"\2\4\5\xb4", b"\3\3\7\0"))) == [(2, b"\5\xb4"), (3, b"\7")]
    assert list(options(segment(b"\x1e\xff\0\0"))) == []
    assert list(options(b"short")) == []
