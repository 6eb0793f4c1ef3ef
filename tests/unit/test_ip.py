"""Frames to datagrams; scapy builds what is decoded."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1Q, Ether
from scapy.packet import Packet, Raw

from roamlab.protocols import ip
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Arp, Datagram, decode
from roamlab.protocols.transport import Icmp, Tcp, Udp

A, B, C, D = "192.0.2.1", "198.51.100.2", "203.0.113.3", "203.0.113.4"
A6, B6 = "2001:db8::1", "2001:db8:1::2"
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def ethernet(packet: Packet) -> bytes:
    return bytes(Ether(**MACS) / packet)


def datagram(packet: Packet) -> Datagram:
    decoded = decode(1, ethernet(packet))
    assert isinstance(decoded, Datagram)
    return decoded


def ends(item: Datagram) -> tuple[str, str, int, bytes]:
    return str(item.source), str(item.destination), item.protocol, item.payload


def test_an_ipv4_datagram():
    item = datagram(IP(src=A, dst=B, ttl=61, proto=132) / Raw(b"sctp"))
    assert item == Datagram(ip_address(A), ip_address(B), 132, 61, b"sctp")


def test_ethernet_padding_is_not_payload():
    frame = ethernet(IP(src=A, dst=B, proto=132) / Raw(b"x")).ljust(60, b"\0")
    assert decode(1, frame).payload == b"x"


def test_ipv4_options_are_not_payload():
    assert datagram(IP(src=A, dst=B, proto=132, options=[IPOption_NOP()] * 4) / Raw(b"x")).payload == b"x"


def test_a_total_length_of_zero_means_the_whole_frame():
    assert datagram(IP(src=A, dst=B, proto=132, len=0) / Raw(b"offloaded")).payload == b"offloaded"


def test_an_ipv6_datagram():
    item = datagram(IPv6(src=A6, dst=B6, hlim=7, nh=132) / Raw(b"sctp"))
    assert item == Datagram(ip_address(A6), ip_address(B6), 132, 7, b"sctp")


def test_ipv6_extension_headers_are_walked():
    options = [PadN(optdata=bytes(4))]
    headers = (
        IPv6ExtHdrHopByHop(options=options)
        / IPv6ExtHdrRouting(addresses=[B6])
        / IPv6ExtHdrDestOpt(options=options, nh=132)
    )
    assert ends(datagram(IPv6(src=A6, dst=B6) / headers / Raw(b"sctp"))) == (A6, B6, 132, b"sctp")


@pytest.mark.parametrize("more", [False, True])
def test_fragments_say_where_they_belong(more):
    v4 = datagram(IP(src=A, dst=B, proto=4, frag=5, flags="MF" if more else 0) / Raw(bytes(40)))
    v6 = datagram(IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(offset=5, m=more, nh=4) / Raw(bytes(40)))
    assert [(f.fragment_offset, f.more_fragments, f.outer) for f in (v4, v6)] == [(40, more, None)] * 2


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (IP(src=C, dst=D), IP(src=A, dst=B)),
        (IP(src=C, dst=D), IPv6(src=A6, dst=B6)),
        (IPv6(src=B6, dst=A6), IP(src=A, dst=B)),
        (IPv6(src=B6, dst=A6), IPv6(src=A6, dst=B6)),
        (IP(src=C, dst=D) / GRE(), IP(src=A, dst=B)),
        (IP(src=C, dst=D) / GRE(chksum_present=1, key_present=1, seqnum_present=1), IPv6(src=A6, dst=B6)),
        (IP(src=C, dst=D) / GRE(proto=0x6558) / Ether(**MACS), IP(src=A, dst=B)),
    ],
    ids=["4in4", "6in4", "4in6", "6in6", "gre", "gre with all fields", "gre bridging"],
)
def test_a_tunnel_keeps_the_inner_datagram_and_the_outer(outer, inner):
    item = datagram(outer / inner / UDP(sport=1, dport=2) / Raw(b"inner"))
    assert (str(item.source), str(item.destination)) == (inner.src, inner.dst)
    assert [(str(o.source), str(o.destination)) for o in item.tunnels] == [(outer.src, outer.dst)]
    assert Udp.decode(item.payload) == Udp(1, 2, b"inner")


def test_tunnels_in_tunnels_are_listed_outermost_first():
    item = datagram(IP(src=A, dst=B) / IP(src=B, dst=C) / IP(src=C, dst=D, proto=132) / Raw(b"x"))
    assert [str(o.source) for o in (*item.tunnels, item)] == [A, B, C]


def test_what_does_not_decode_in_a_tunnel_stays_its_payload():
    item = datagram(IP(src=C, dst=D, proto=4) / Raw(b"\x45junk"))
    assert (ends(item), item.outer) == ((C, D, 4, b"\x45junk"), None)


def test_nesting_without_end_is_given_up():
    packet = IP(src=A, dst=B)
    for _ in range(1000):
        packet = IP(src=A, dst=B, proto=4, chksum=0) / Raw(bytes(packet))
    item = datagram(packet)
    assert (item.protocol, len(item.tunnels)) == (4, 8)


@pytest.mark.parametrize(
    ("linktype", "link"),
    [
        (1, Ether(**MACS)),
        (1, Ether(**MACS) / Dot1Q(vlan=5)),
        (113, CookedLinux()),
        (276, CookedLinuxV2()),
        (101, None),
    ],
    ids=["ethernet", "802.1Q", "SLL", "SLL2", "raw"],
)
@pytest.mark.parametrize(
    "network", [IP(src=A, dst=B, proto=132), IPv6(src=A6, dst=B6, nh=132)], ids=["IPv4", "IPv6"]
)
def test_every_link_type_leads_to_the_same_datagram(linktype, link, network):
    packet = network / Raw(b"sctp")
    item = decode(linktype, bytes(link / packet if link else packet))
    assert ends(item) == (network.src, network.dst, 132, b"sctp")


def test_an_unknown_link_type_is_an_error():
    with pytest.raises(DecodeError, match="link type 147"):
        decode(147, b"")


def test_what_is_neither_ip_nor_arp_is_none():
    assert decode(1, bytes(Ether(type=0x88B5, **MACS) / Raw(b"x"))) is None


def test_arp_and_gratuitous_arp():
    ask = decode(
        1, ethernet(ARP(op=1, hwsrc=MACS["src"], psrc=A, hwdst="00:00:00:00:00:00", pdst="192.0.2.2"))
    )
    tell = decode(1, ethernet(ARP(op=2, hwsrc=MACS["src"], psrc=A, hwdst=MACS["dst"], pdst=A)))
    assert ask == Arp(1, MACS["src"], ip_address(A), "00:00:00:00:00:00", ip_address("192.0.2.2"))
    assert (ask.gratuitous, tell.gratuitous) == (False, True)


def test_equal_addresses_are_one_object():
    first, second = (datagram(IP(src=A, dst=B, proto=132)) for _ in range(2))
    assert first.source is second.source


def test_transports():
    tcp = TCP(sport=5, dport=6, seq=7, ack=8, flags="SA", window=9, options=[("MSS", 1460)])
    assert Tcp.decode(datagram(IP(src=A, dst=B) / tcp / Raw(b"x")).payload) == Tcp(5, 6, 7, 8, 0x12, 9, b"x")
    icmp = datagram(IP(src=A, dst=B) / ICMP(type=8, code=0, id=1, seq=2) / Raw(b"x")).payload
    assert Icmp.decode(icmp) == Icmp(8, 0, b"\0\1\0\2x")
    assert Udp.decode(struct.pack("!HHHH", 1, 2, 9, 0) + b"xyz") == Udp(1, 2, b"x")


WHOLE = [
    (1, ethernet(IP(src=C, dst=D) / GRE(key_present=1) / IPv6(src=A6, dst=B6) / UDP() / Raw(b"x"))),
    (1, ethernet(IPv6(src=A6, dst=B6) / IPv6ExtHdrFragment(m=1) / IP(src=A, dst=B) / TCP())),
    (276, bytes(CookedLinuxV2() / IP(src=A, dst=B) / ICMP())),
    (1, ethernet(ARP(psrc=A, pdst=B))),
]


def decode_all(linktype: int, frame: bytes) -> None:
    item = decode(linktype, frame)
    if isinstance(item, Datagram):
        for transport in (Udp, Tcp, Icmp):
            try:
                transport.decode(item.payload)
            except DecodeError:
                continue


@pytest.mark.parametrize(("linktype", "frame"), WHOLE)
def test_every_truncation_decodes_or_raises_decode_error(linktype, frame):
    for cut in range(len(frame)):
        try:
            decode_all(linktype, frame[:cut])
        except DecodeError:
            continue


@given(st.sampled_from(WHOLE), st.binary(max_size=60), st.integers(0, 100))
def test_junk_decodes_or_raises_decode_error(whole, junk, at):
    linktype, frame = whole
    for candidate in (junk, frame[:at] + junk + frame[at + len(junk) :]):
        try:
            decode_all(linktype, candidate)
        except DecodeError:
            continue


@pytest.mark.parametrize("decoder", [ip.ipv4, ip.ipv6])
def test_an_address_of_another_length_is_an_error(decoder):
    with pytest.raises(DecodeError):
        decoder(b"12345")


@pytest.mark.parametrize(
    ("source", "destination", "theirs"),
    [(A, B, IP(src=A, dst=B, ttl=64, proto=132, id=0)), (A6, B6, IPv6(src=A6, dst=B6, hlim=64, nh=132))],
)
def test_a_datagram_is_made_as_scapy_makes_it(source: str, destination: str, theirs: Packet) -> None:
    made = Datagram(ip_address(source), ip_address(destination), 132, 64, b"payload")
    assert ip.encode(made) == bytes(theirs / Raw(b"payload"))
    assert decode(101, ip.encode(made)) == made


def test_a_datagram_that_is_too_long_is_not_made() -> None:
    with pytest.raises(ValueError, match="70000"):
        ip.encode(Datagram(ip_address(A), ip_address(B), 132, 64, bytes(70000)))
