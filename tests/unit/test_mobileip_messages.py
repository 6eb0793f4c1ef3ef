"""Mobile IP's messages: round trips, truncations, junk, authenticators, and two other implementations' opinion."""

import hashlib
import struct
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.mobileip import MobileIPRRP, MobileIPRRQ

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.advertisement import (
    AgentAdvertisement,
    AgentFlags,
    AgentSolicitation,
    MobilityAgentExtension,
    Router,
    checksum,
)
from roamlab.protocols.mobileip.authentication import Algorithm, SecurityAssociation, cut_after, sign, verify
from roamlab.protocols.mobileip.codes import REPLY_CODE_NAMES, ReplyCode, describe
from roamlab.protocols.mobileip.extensions import (
    FOREIGN_HOME,
    MOBILE_FOREIGN,
    MOBILE_HOME,
    Authentication,
    Extension,
)
from roamlab.protocols.mobileip.registration import (
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    decode_registration,
)
from tests.second_opinion import compare_here, written
from tests.tshark import needs_tshark

HOME, AGENT, CARE_OF = (IPv4Address(a) for a in ("192.0.2.10", "192.0.2.1", "198.51.100.1"))
KEY = SecurityAssociation(256, bytes(range(16)))
SHA = SecurityAssociation(257, bytes(32), Algorithm.HMAC_SHA256)
REQUEST = RegistrationRequest(
    RequestFlags.S | RequestFlags.G | RequestFlags.T, 18000, HOME, AGENT, CARE_OF, 0xE95BBFEB80000001
)
REPLY = RegistrationReply(133, 10800, HOME, AGENT, 0xE95BBFEB80000001)

addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
u8, u16, u32, u64 = (st.integers(0, 2**n - 1) for n in (8, 16, 32, 64))
skippable = st.builds(Extension, st.integers(128, 255), st.binary(max_size=40))
authentications = st.builds(Authentication, st.integers(32, 34), u32, st.binary(min_size=1, max_size=64))
extensions = st.lists(skippable | authentications, max_size=4).map(tuple)
requests = st.builds(
    RegistrationRequest, u8.map(RequestFlags), u16, addresses, addresses, addresses, u64, extensions
)
replies = st.builds(RegistrationReply, u8, u16, addresses, addresses, u64, extensions)


@st.composite
def advertisements(draw):
    routers = tuple(
        draw(st.lists(st.builds(Router, addresses, st.integers(-(2**31), 2**31 - 1)), max_size=4))
    )
    lengths = tuple(draw(st.integers(0, 32)) for _ in routers) if draw(st.booleans()) else ()
    flags = draw(u8) << 8
    mobility = MobilityAgentExtension(
        draw(u16), draw(u16), AgentFlags(flags), tuple(draw(st.lists(addresses, max_size=3)))
    )
    return AgentAdvertisement(
        draw(u16),
        routers,
        draw(st.sampled_from([None, mobility])),
        lengths,
        draw(st.sampled_from([0, 16])),
        tuple(draw(st.lists(skippable, max_size=2))),
    )


@given(requests | replies)
def test_a_registration_message_survives_encoding(message):
    assert decode_registration(message.encode()) == message


@given(requests | replies)
def test_encoding_what_was_decoded_gives_the_same_bytes(message):
    assert decode_registration(message.encode()).encode() == message.encode()


@given(advertisements())
def test_an_advertisement_survives_encoding_and_is_even(message):
    data = message.encode()
    assert AgentAdvertisement.decode(data) == message
    assert len(data) % 2 == 0
    assert checksum(data) == 0


def test_a_solicitation_survives_encoding():
    assert AgentSolicitation().encode() == bytes.fromhex("0a00f5ff00000000")
    assert AgentSolicitation.decode(AgentSolicitation().encode()) == AgentSolicitation()


@pytest.mark.parametrize("message", [REQUEST, REPLY], ids=["request", "reply"])
def test_every_truncation_is_a_decode_error_or_ends_at_an_extension(message):
    signed = sign(sign(message, MOBILE_HOME, KEY), FOREIGN_HOME, KEY)
    whole = signed.encode()
    boundaries = {message.FIXED.size, message.FIXED.size + 22, len(whole)}
    for n in range(len(whole) + 1):
        if n in boundaries:
            assert decode_registration(whole[:n]).encode() == whole[:n]
        else:
            with pytest.raises(DecodeError):
                decode_registration(whole[:n])


@given(st.binary(max_size=120))
def test_junk_is_a_decode_error_or_a_message(data):
    for decode in (decode_registration, AgentAdvertisement.decode, AgentSolicitation.decode):
        with suppress(DecodeError):
            decode(data)


@given(st.binary(max_size=60), st.integers(0, 255))
def test_junk_behind_a_valid_icmp_header_is_a_decode_error_or_a_message(body, code):
    data = struct.pack("!BBH", 9, code, checksum(struct.pack("!BBH", 9, code, 0) + body)) + body
    with suppress(DecodeError):
        AgentAdvertisement.decode(data)


def test_an_unknown_extension_from_128_on_is_kept():
    data = REQUEST.encode() + bytes((200, 2, 7, 7))
    assert RegistrationRequest.decode(data).extensions == (Extension(200, b"\7\7"),)


@pytest.mark.parametrize("kind", [0, 31, 35, 127])
def test_an_unknown_extension_below_128_fails_the_message(kind):
    with pytest.raises(DecodeError, match="not skippable"):
        RegistrationRequest.decode(REQUEST.encode() + bytes((kind, 0)))


def test_an_unknown_extension_below_128_fails_the_advertisement():
    data = bytearray(AgentAdvertisement(30, skipped=(Extension(200, b""),)).encode())
    data[8] = 100
    data[2:4] = bytes(2)
    data[2:4] = checksum(bytes(data)).to_bytes(2, "big")
    with pytest.raises(DecodeError, match="not skippable"):
        AgentAdvertisement.decode(bytes(data))


def test_a_wrong_icmp_checksum_is_a_decode_error():
    with pytest.raises(DecodeError, match="checksum"):
        AgentSolicitation.decode(bytes.fromhex("0a00f5fe00000000"))


@pytest.mark.parametrize("association", [KEY, SHA], ids=["hmac-md5", "hmac-sha-256"])
@given(message=requests | replies, at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_before_the_authenticators_end_is_noticed(association, message, at, bit):
    message = replace(message, extensions=tuple(e for e in message.extensions if e.type >= 128))
    data = bytearray(sign(message, MOBILE_HOME, association).encode())
    assert verify(decode_registration(bytes(data)), MOBILE_HOME, association)
    data[at % len(data)] ^= 1 << bit
    with suppress(DecodeError):
        assert not verify(decode_registration(bytes(data)), MOBILE_HOME, association)


def test_the_authenticator_is_hmac_md5_over_the_message_up_to_its_spi():
    """RFC 2104's HMAC written out, so that the span doesn't rest on our own code alone."""
    signed = sign(REQUEST, MOBILE_HOME, KEY).encode()
    covered = signed[:-16]
    assert covered == REQUEST.encode() + bytes.fromhex("201400000100")
    key = KEY.key.ljust(64, b"\0")
    inner = hashlib.md5(bytes(b ^ 0x36 for b in key) + covered).digest()
    assert signed[-16:] == hashlib.md5(bytes(b ^ 0x5C for b in key) + inner).digest()


def test_what_follows_an_authenticator_is_not_covered():
    signed = sign(REQUEST, MOBILE_HOME, KEY)
    more = replace(signed, extensions=(*signed.extensions, Extension(200, b"later")))
    assert verify(more, MOBILE_HOME, KEY)
    assert cut_after(more, MOBILE_HOME) == signed


def test_two_authenticators_of_one_type_are_refused():
    assert not verify(sign(sign(REQUEST, MOBILE_HOME, KEY), MOBILE_HOME, KEY), MOBILE_HOME, KEY)


def test_an_authenticator_of_another_spi_or_type_is_refused():
    signed = sign(REQUEST, MOBILE_FOREIGN, KEY)
    assert not verify(signed, MOBILE_HOME, KEY)
    assert not verify(signed, MOBILE_FOREIGN, replace(KEY, spi=300))


def test_reserved_spis_are_refused():
    with pytest.raises(ValueError, match="reserved"):
        SecurityAssociation(255, b"")


def test_every_reply_code_has_a_name():
    assert {int(c) for c in ReplyCode} == set(REPLY_CODE_NAMES)
    assert describe(133) == "133 home agent: registration Identification mismatch"


def test_scapy_reads_the_request_as_we_wrote_it():
    read = MobileIPRRQ(REQUEST.encode()[1:])
    assert (read.flags, read.lifetime, read.id) == (0x8A, 18000, REQUEST.identification)
    assert (read.homeaddr, read.haaddr, read.coaddr) == (str(HOME), str(AGENT), str(CARE_OF))


def test_we_read_the_reply_as_scapy_wrote_it():
    written = b"\3" + bytes(
        MobileIPRRP(code=133, lifetime=10800, homeaddr=str(HOME), haaddr=str(AGENT), id=REPLY.identification)
    )
    assert RegistrationReply.decode(written) == REPLY


@needs_tshark
def test_tshark_reads_what_we_wrote_as_we_do(tmp_path):
    request = sign(sign(REQUEST, MOBILE_HOME, KEY), MOBILE_FOREIGN, SHA)
    reply = sign(REPLY, MOBILE_HOME, KEY)
    mobility = MobilityAgentExtension(7, 0xFFFF, AgentFlags.F | AgentFlags.R | AgentFlags.T, (CARE_OF,))
    advertisement = AgentAdvertisement(3, (Router(CARE_OF),), mobility, (24,))
    plain = AgentAdvertisement(1800, (Router(CARE_OF, -5), Router(AGENT, 7)))
    datagrams = [
        IP(src=str(HOME), dst=str(AGENT)) / UDP(sport=434, dport=434) / m.encode() for m in (request, reply)
    ]
    datagrams += [
        IP(src=str(CARE_OF), dst="224.0.0.1", ttl=1, proto=1) / m.encode()
        for m in (advertisement, plain, AgentSolicitation())
    ]
    comparison = compare_here([written(tmp_path / "c.pcapng", [*map(bytes, datagrams)], linktype=101)])
    assert comparison.differences == []
    assert comparison.kinds == {
        "RegistrationRequest": 1,
        "RegistrationReply": 1,
        "AgentAdvertisement": 2,
        "AgentSolicitation": 1,
    }
