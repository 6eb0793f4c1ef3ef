"""Mobile IP's datagrams as bytes: written as scapy and the kernel's filter expect, and read as they came."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from roamlab.agents.mobileip_io import _WANTED, Discovery, Registration, Unreachable, datagram, parse
from roamlab.protocols.mobileip.actions import SendUdp, UdpAddress
from roamlab.protocols.mobileip.advertisement import AgentSolicitation

HERE, THERE = UdpAddress(IPv4Address("192.0.2.10"), 434), UdpAddress(IPv4Address("198.51.100.1"), 434)
LINK = b"\x02\x00\x00\x00\x00\x01"


def send(data=b"payload", ttl=64):
    return datagram(SendUdp(data, HERE, THERE, ttl))


@given(st.binary(max_size=300), st.integers(1, 255))
def test_scapy_reads_what_was_written_and_agrees_with_both_checksums(data, ttl):
    packet = send(data, ttl)
    read = IP(packet)
    assert (read.src, read.dst, read.ttl) == (str(HERE.address), str(THERE.address), ttl)
    assert (read[UDP].sport, read[UDP].dport, bytes(read[UDP].payload)) == (434, 434, data)
    again = IP(packet)
    del again.chksum, again[UDP].chksum
    assert bytes(again) == packet


@given(st.binary(max_size=300), st.integers(1, 255))
def test_what_was_written_is_read_back_with_its_arrival(data, ttl):
    assert parse(send(data, ttl), "wlan0", LINK) == Registration("wlan0", LINK, HERE, THERE, ttl, data)


@given(st.integers(0, 34), st.integers(1, 255))
def test_a_byte_that_changed_on_the_way_is_noticed(at, change):
    packet = bytearray(send())
    packet[at] ^= change
    read = parse(bytes(packet), "wlan0", LINK)
    in_checksum = at in (2, 3) or 12 <= at < 35  # the rest of the IP header is the kernel's to check
    if in_checksum:
        assert read is None


@given(st.integers(0, 34))
def test_a_datagram_that_is_cut_off_is_left_out(length):
    assert parse(send()[:length], "wlan0", LINK) is None


def test_a_fragment_is_left_out():
    assert (
        parse(bytes(IP(src="192.0.2.1", dst="192.0.2.2", flags="MF") / UDP(dport=434) / b"x"), "e", b"")
        is None
    )


def test_an_unreachable_home_agent_is_recognized_by_the_datagram_that_came_back():
    about = bytes(IP(send()))
    message = IP(src="203.0.113.1", dst=str(HERE.address)) / ICMP(type=3, code=3) / Raw(about)
    assert parse(bytes(message), "e", b"") == Unreachable(THERE.address, 3)


def test_an_unreachable_about_something_else_is_left_out():
    about = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=434, dport=53) / b"")
    message = IP(src="203.0.113.1", dst="192.0.2.1") / ICMP(type=3, code=3) / Raw(about)
    assert parse(bytes(message), "e", b"") is None


def test_a_solicitation_is_read_whole():
    solicitation = AgentSolicitation().encode()
    packet = bytes(IP(src="192.0.2.10", dst="224.0.0.2", proto=1) / Raw(solicitation))
    assert parse(packet, "home", LINK) == Discovery("home", LINK, HERE.address, 10, solicitation)


CASES = {
    "a registration": (IP() / UDP(dport=434) / b"12345678", True),
    "a registration behind IP options": (IP(options=[b"\x01" * 4]) / UDP(dport=434) / b"12345678", True),
    "an advertisement": (IP() / ICMP(type=9), True),
    "a solicitation": (IP() / ICMP(type=10), True),
    "an unreachable": (IP() / ICMP(type=3), True),
    "a reply's port as the source": (IP() / UDP(sport=434, dport=53), False),
    "a ping": (IP() / ICMP(type=8), False),
    "TCP": (IP(proto=6) / Raw(b"\x01\xb2\x01\xb2" + bytes(16)), False),
}


@pytest.mark.parametrize(("packet", "wanted"), CASES.values(), ids=CASES)
def test_the_kernels_filter_lets_in_what_mobile_ip_wants_and_nothing_else(packet, wanted):
    assert bool(run_filter(_WANTED, bytes(packet))) is wanted


def run_filter(program, data):
    """Classic BPF as far as the filter uses it (linux/filter.h)."""
    a = x = at = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        match code:
            case 0x06:
                return k
            case 0x15:
                at += yes if a == k else no
            case 0x30:
                a = data[k]
            case 0x48:
                a = int.from_bytes(data[x + k : x + k + 2], "big")
            case 0x50:
                a = data[x + k]
            case 0xB1:
                x = 4 * (data[k] & 0xF)
