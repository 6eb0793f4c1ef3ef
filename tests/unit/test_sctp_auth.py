"""AUTH: keys and HMACs against what a real kernel sent, and by RFC 4895's rules."""

from dataclasses import replace
from pathlib import Path

import pytest

from roamlab.protocols import trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import parameters as p
from roamlab.protocols.sctp.packet import Packet

REAL = Path(__file__).parent.parent / "captures" / "linux-asconf.pcapng"


@pytest.fixture(scope="module")
def association() -> tuple[bytes, list[trace.SctpPacket]]:
    """The key of the real association, from its INIT and INIT-ACK, and its packets with AUTH."""
    seen = trace.load(REAL).sctp
    one, other = (
        auth.key_vector(chunk.parameters)
        for item in seen
        for chunk in item.chunks
        if isinstance(chunk, k.Init | k.InitAck)
    )
    return auth.association_key(one, other), [item for item in seen if isinstance(item.chunks[0], k.Auth)]


def test_every_authenticated_packet_of_a_real_kernel_verifies(association):
    key, packets = association
    assert [auth.verify(item.raw, key) for item in packets] == [True] * 6


def test_another_key_does_not_verify(association):
    key, packets = association
    assert not auth.verify(packets[0].raw, key + b"x")


def test_a_changed_bit_does_not_verify(association):
    key, packets = association
    raw = packets[0].raw
    assert not auth.verify(raw[:-1] + bytes([raw[-1] ^ 1]), key)


def test_signing_gives_the_kernel_s_own_bytes(association):
    key, packets = association
    for item in packets:
        blank = replace(item.chunks[0], hmac=bytes(20))
        forgotten = Packet(item.sport, item.dport, item.tag, (blank, *item.chunks[1:])).encode()
        assert auth.sign(forgotten, key) == item.raw


def test_a_packet_with_a_parameter_inserted_can_be_signed_anew(association):
    key, packets = association
    item = packets[0]
    asconf = item.chunks[1]
    longer = replace(asconf, parameters=(*asconf.parameters, p.SetPrimary(1, asconf.lookup)))
    signed = auth.sign(Packet(item.sport, item.dport, item.tag, (item.chunks[0], longer)).encode(), key)
    assert auth.verify(signed, key)
    assert packet.decode(signed, verify=True).chunks[1] == longer


@pytest.mark.parametrize(("hmac_id", "length"), [(auth.SHA1, 20), (auth.SHA256, 32)])
def test_both_algorithms_sign_and_verify(hmac_id, length):
    blank = k.Auth(0, hmac_id, bytes(length))
    signed = auth.sign(Packet(1, 2, 3, (blank, k.Asconf(1, ()))).encode(), b"key")
    assert auth.hmac_length(hmac_id) == length
    assert auth.verify(signed, b"key")


def test_chunks_before_auth_are_not_authenticated():
    parts = (k.CookieEcho(b"abc"), k.Auth(0, auth.SHA1, bytes(20)), k.CookieAck())
    signed = packet.decode(auth.sign(Packet(1, 2, 3, parts).encode(), b"key"))
    other = Packet(1, 2, 3, (k.CookieEcho(b"other"), *signed.chunks[1:])).encode()
    assert auth.verify(other, b"key")


def test_the_smaller_key_vector_comes_first():
    assert auth.association_key(b"\2", b"\1") == auth.association_key(b"\1", b"\2") == b"\1\2"
    assert auth.association_key(b"\2", b"\1\0", endpoint_key=b"shared") == b"shared\2\1\0"


def test_the_shorter_of_equal_numbers_comes_first():
    assert auth.association_key(b"\0\1", b"\1") == b"\1\0\1"


def test_a_key_vector_has_headers_and_no_padding_and_may_lack_chunks():
    random, hmacs = p.Random(b"12345"), p.HmacAlgorithms((1,))
    assert auth.key_vector((hmacs, random)) == b"\x80\x02\0\x0912345" + b"\x80\x04\0\x06\0\1"


def test_an_endpoint_without_the_extension_has_no_key_vector():
    with pytest.raises(ValueError, match="no RANDOM and no HMAC-ALGO"):
        auth.key_vector((p.EcnCapable(),))


def test_a_packet_without_auth_is_not_verified_and_can_not_be_signed():
    plain = Packet(1, 2, 3, (k.CookieAck(),)).encode()
    assert not auth.verify(plain, b"")
    with pytest.raises(ValueError, match="no AUTH chunk"):
        auth.sign(plain, b"")


@pytest.mark.parametrize("chunk", [k.Auth(0, 2, bytes(20)), k.Auth(0, auth.SHA1, bytes(19))])
def test_an_unknown_or_short_hmac_is_not_verified_and_can_not_be_signed(chunk):
    data = Packet(1, 2, 3, (chunk,)).encode()
    assert not auth.verify(data, b"")
    with pytest.raises(ValueError, match="HMAC"):
        auth.sign(data, b"")


def test_every_truncation_fails_or_raises_decode_error(association):
    key, packets = association
    for cut in range(len(packets[0].raw)):
        try:
            assert not auth.verify(packets[0].raw[:cut], key)
        except DecodeError:
            continue
