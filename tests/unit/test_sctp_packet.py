"""The common header, its checksum, and packets in words."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.sctp import crc32c as scapy_crc32c

from roamlab.protocols.checksum import crc32c
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp import causes as c
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import packet
from roamlab.protocols.sctp import parameters as p
from roamlab.protocols.sctp.describe import describe, outline
from roamlab.protocols.sctp.packet import Packet

A, X = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.7")

REFUSED = "Request Refused - No Authorization (0x00a4): DELETE 192.0.2.1 id=2"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_published_check_values(data, expected):
    """Those of RFC 3720, B.4, for 32 bytes, and the catalogue's for the digits."""
    assert crc32c(data) == expected


@given(st.binary(max_size=200))
def test_scapy_computes_the_same_checksum(data):
    assert crc32c(data) == int.from_bytes(scapy_crc32c(data).to_bytes(4, "big"), "little")


def test_the_checksum_is_stored_least_significant_byte_first():
    data = Packet(1, 2, 3, (k.CookieAck(),)).encode()
    assert data[8:12] == crc32c(data[:8] + bytes(4) + data[12:]).to_bytes(4, "little")
    assert packet.stored_checksum(data) == packet.checksum(data)


def test_a_wrong_checksum_is_an_error_only_where_asked():
    data = bytearray(Packet(1, 2, 3, (k.CookieAck(),)).encode())
    data[8] ^= 1
    assert packet.decode(bytes(data)).chunks == (k.CookieAck(),)
    with pytest.raises(DecodeError, match="SCTP checksum"):
        packet.decode(bytes(data), verify=True)
    assert packet.decode(packet.with_checksum(bytes(data)), verify=True).tag == 3


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (
            k.Asconf(7, (p.address_parameter(A), p.AddIp(1, X), p.DeleteIp(2, A))),
            "ASCONF serial=7 lookup=192.0.2.1 ADD 198.51.100.7 id=1 DELETE 192.0.2.1 id=2",
        ),
        (k.Asconf(7, (p.SetPrimary(1, X),)), "ASCONF serial=7 lookup=missing SET PRIMARY 198.51.100.7 id=1"),
        (k.AsconfAck(7), "ASCONF-ACK serial=7 all carried out"),
        (
            k.AsconfAck(
                7,
                (
                    p.Success(1),
                    p.ErrorCauseIndication(2, (c.RefusedNoAuthorization(p.DeleteIp(2, A).encode()),)),
                ),
            ),
            "ASCONF-ACK serial=7 SUCCESS id=1 FAILED id=2 " + REFUSED,
        ),
        (k.Data(5, 1, 2, 3, b"hello", flags=7), "DATA tsn=5 stream=1 ssn=2 ppid=3 UBE 5B"),
        (k.Sack(10, 99, ((2, 3),), (8,)), "SACK cumulative_tsn=10 a_rwnd=99 gaps=12-13 duplicates=8"),
        (k.Sack(2**32 - 1, 99, ((2, 3),)), "SACK cumulative_tsn=4294967295 a_rwnd=99 gaps=1-2"),
        (
            k.Init(1, 2, 3, 4, 5, (p.address_parameter(A), p.SupportedExtensions((0xC1, 0x77)))),
            "INIT tag=0x00000001 a_rwnd=2 streams=3/4 tsn=5 192.0.2.1 Supported Extensions=[ASCONF, 0x77]",
        ),
        (k.Abort((c.UserInitiatedAbort(b"bye"),)), "ABORT User-Initiated Abort (0x000c) reason=3B"),
        (k.Auth(0, 3, bytes(32)), "AUTH key=0 hmac=SHA-256"),
        (k.RawChunk(0x77, b"ab", flags=1), "0x77 flags=1 value=2B"),
        (c.UnresolvableAddress(b"cut"), "Unresolvable Address (0x0005): 3B"),
    ],
)
def test_messages_in_words(item, line):
    assert describe(item) == line


def test_an_outline_names_every_field_of_nested_messages():
    chunk = k.Asconf(7, (p.address_parameter(A), p.AddIp(1, X)), flags=2)
    assert [str(line) for line in outline(chunk)] == [
        "ASCONF",
        "  flags: 0x2",
        "  serial: 7",
        "  parameters:",
        "    IPv4 Address",
        "      address: 192.0.2.1",
        "    ADD IP",
        "      correlation_id: 1",
        "      address: 198.51.100.7",
    ]


def test_an_outline_with_headers_says_types_flags_and_lengths_and_opens_copies():
    refused = c.RefusedNoAuthorization(p.DeleteIp(1, A).encode())
    chunk = k.AsconfAck(7, (p.ErrorCauseIndication(1, (refused,)), p.UnrecognizedParameter(b"cut")), flags=2)
    assert [str(line) for line in outline(chunk, headers=True)] == [
        "ASCONF-ACK (0x80), flags 0x02, length 43",
        "  serial: 7",
        "  parameters:",
        "    Error Cause Indication (0xc003), length 28",
        "      correlation_id: 1",
        "      causes:",
        "        Request Refused - No Authorization (0x00a4), length 20",
        "          copied:",
        "            DELETE IP (0xc002), length 16",
        "              correlation_id: 1",
        "              address: 192.0.2.1",
        "    Unrecognized Parameter (0x0008), length 7",
        "      copied: 637574",
    ]


def test_what_hostile_copies_nest_is_opened_once():
    nested = b""
    for _ in range(3000):
        nested = p.UnrecognizedParameter(nested).unpadded()
    assert len(list(outline(k.InitAck(1, 2, 3, 4, 5, (p.UnrecognizedParameter(nested),))))) == 9


def test_an_outline_shows_long_data_by_its_beginning():
    lines = [str(line) for line in outline(k.CookieEcho(bytes(40)))]
    assert lines == ["COOKIE-ECHO", f"  cookie: {'00' * 32}... (40 bytes)"]
