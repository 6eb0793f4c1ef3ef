"""Words that choose packets: those of Mobile IP and ARP, and what is none of theirs."""

from ipaddress import IPv4Address

import pytest

from roamlab.errors import BadInput
from roamlab.protocols.ip import UDP, Arp, Datagram
from roamlab.protocols.mobileip.extensions import Authentication
from roamlab.protocols.mobileip.registration import RegistrationRequest, RequestFlags
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import ArpPacket, Sighting, Trace, UdpPacket
from roamlab.protocols.transport import Udp
from roamlab.query.filtering import Filter, facts

HOME, HA, FA = (IPv4Address(text) for text in ("192.0.2.10", "192.0.2.1", "198.51.100.1"))
REQUEST = RegistrationRequest(
    RequestFlags.D | RequestFlags.T, 18000, HOME, HA, FA, 1 << 63, (Authentication(32, 256, b"x" * 16),)
)


def udp(payload: bytes, port: int = 434, outer: Datagram | None = None) -> UdpPacket:
    datagram = Datagram(HOME, FA, UDP, 255, payload, outer=outer)
    return UdpPacket(3, 0, "mn", "wlan0", Way.OUT, datagram, Udp(434, port, payload))


ARP = ArpPacket(4, 0, "ha", "home", Way.OUT, Arp(1, "02:00:00:00:00:01", HOME, "00:00:00:00:00:00", HOME))


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (udp(REQUEST.encode()), "registration-request dport=434 node=mn way=out hops=255 tunnel=none"),
        (
            udp(REQUEST.encode()),
            "registration-request lifetime=18000 care_of_address=198.51.100.1 flags=d flags=t",
        ),
        (udp(REQUEST.encode()), "registration-request mobile-home-authentication spi=0x100 !flags=g !udp"),
        (udp(REQUEST.encode()), "registration-request identification=9223372036854775808"),
        (udp(b"junk"), "udp !registration-request"),
        (
            udp(b"junk", outer=Datagram(HA, FA, 4, 64, b"")),
            "udp tunnelled_by=192.0.2.1 tunnel=198.51.100.1",
        ),
        (udp(REQUEST.encode(), port=435), "registration-request dport=435"),
        (ARP, "arp-request gratuitous sender=192.0.2.10 target=192.0.2.10 nic=home"),
    ],
)
def test_all_words_fit(packet: Sighting, words: str) -> None:
    assert Filter.parse(words).fits(facts(packet))


@pytest.mark.parametrize(
    "words",
    [
        "registration-reply",
        "registration-request flags=g",
        "udp",
        "arp-request",
        "registration-request way=in",
    ],
)
def test_one_word_does_not_fit(words: str) -> None:
    assert not Filter.parse(words).fits(facts(udp(REQUEST.encode())))


def test_a_filter_speaks_of_sctp_unless_it_names_something_else() -> None:
    trace = Trace((udp(REQUEST.encode()), ARP), (), truncated=False)
    assert Filter.parse("node=mn !asconf").candidates(trace) == ()
    assert Filter.parse("!registration-reply").candidates(trace) == ()
    assert Filter.parse("registration-request").candidates(trace) == trace.sightings


@pytest.mark.parametrize("word", ["registration", "coa=1.2.3.4", "flags"])
def test_a_word_that_no_packet_can_have_is_refused(word: str) -> None:
    with pytest.raises(BadInput, match=word):
        Filter.parse(word)
