"""A capture lifted into what the testbed asks."""

from ipaddress import ip_address
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from roamlab.protocols import pcapng, trace
from roamlab.protocols.pcapng import CaptureFile, Direction, Interface, Packet
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import packet as sctp
from roamlab.protocols.sctp.describe import describe
from roamlab.protocols.trace import IpDatagram, Trace, Undecoded

REAL = Path(__file__).parent.parent / "captures" / "linux-asconf.pcapng"
A, B, C, D = "192.0.2.1", "198.51.100.2", "203.0.113.3", "203.0.113.4"
DATA = sctp.Packet(5000, 6000, 0xDEADBEEF, (k.Data(1, 0, 0, 0, b"hello", flags=3),)).encode()
TO_B = {"src": A, "dst": B}


def lift(*frames: object, names: tuple[str, ...] = ("mn.wlan0",)) -> Trace:
    link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    datas = [frame if isinstance(frame, bytes) else bytes(link / frame) for frame in frames]
    packets = [
        Packet(1000 + index, names[index % len(names)], 1, Direction.OUT, data, len(data))
        for index, data in enumerate(datas)
    ]
    return trace.lift(
        CaptureFile(tuple(Interface(name, 1) for name in names), tuple(packets), truncated=False)
    )


def test_an_sctp_packet_says_where_when_and_what():
    (packet,) = lift(IP(proto=132, **TO_B) / Raw(DATA)).sctp
    assert (packet.index, packet.time_ns, packet.node, packet.nic) == (0, 1000, "mn", "wlan0")
    assert (packet.direction, packet.source, packet.destination) == (
        Direction.OUT,
        ip_address(A),
        ip_address(B),
    )
    assert (packet.sport, packet.dport, packet.tag, packet.outer) == (5000, 6000, 0xDEADBEEF, ())
    assert (packet.raw, packet.error) == (DATA, None)
    assert packet.chunks == (k.Data(1, 0, 0, 0, b"hello", flags=3),)


def test_a_tunnelled_packet_keeps_the_tunnel():
    (packet,) = lift(IP(src=C, dst=D) / IP(proto=132, **TO_B) / Raw(DATA)).sctp
    assert [(str(o.source), str(o.destination)) for o in packet.outer] == [(C, D)]
    assert packet.source == ip_address(A)


def test_sightings_of_the_same_bytes_share_one_message():
    network = IP(proto=132, **TO_B) / Raw(DATA)
    first, second = lift(network, IP(src=C, dst=D) / network, names=("mn.wlan0", "ha.eth0")).sctp
    assert first.message is second.message
    assert (first.node, second.node) == ("mn", "ha")


def test_a_packet_cut_off_gives_its_whole_chunks_and_says_so():
    two = sctp.Packet(1, 2, 3, (k.CookieAck(), k.Data(1, 0, 0, 0, b"hello"))).encode()
    (packet,) = lift(IP(proto=132, **TO_B) / Raw(two[:-8])).sctp
    assert packet.chunks == (k.CookieAck(),)
    assert packet.error == "chunk 0x00: length 21, 16 bytes there"


def test_only_a_first_fragment_is_sctp():
    seen = lift(
        IP(proto=132, flags="MF", **TO_B) / Raw(DATA[:24]), IP(proto=132, frag=3, **TO_B) / Raw(DATA[24:])
    )
    assert [type(item) for item in seen.sightings] == [trace.SctpPacket, IpDatagram]


def test_other_datagrams_are_typed():
    seen = lift(
        IP(**TO_B) / UDP(sport=434, dport=434) / Raw(b"\1"),
        IP(**TO_B) / UDP(sport=53, dport=53),
        IP(**TO_B) / TCP(sport=1, dport=2, flags="S"),
        IP(**TO_B) / ICMP(type=9, code=16),
        ARP(psrc=A, pdst=A),
        IP(proto=89, **TO_B) / Raw(b"ospf"),
    )
    assert [item.index for item in seen.udp] == [0, 1]
    assert [item.udp.payload for item in seen.mobile_ip] == [b"\1"]
    assert [item.tcp.flags for item in seen.tcp] == [2]
    assert [(item.icmp.type, item.icmp.code) for item in seen.icmp] == [(9, 16)]
    assert [item.arp.gratuitous for item in seen.arp] == [True]
    assert [item.datagram.protocol for item in seen.of(IpDatagram)] == [89]


def test_frames_that_do_not_decode_are_kept_with_the_reason():
    seen = lift(
        IP(proto=132, **TO_B) / Raw(b"short"), b"\0" * 12 + b"\x88\xb5", b"", IP(proto=17, **TO_B) / Raw(b"x")
    )
    assert [item.reason for item in seen.of(Undecoded)] == [
        "SCTP common header cut off after 5 bytes",
        "neither IP nor ARP",
        "frame of 0 bytes is shorter than its link header",
        "UDP header cut off",
    ]


def test_an_interface_without_a_dot_is_a_node():
    seen = lift(IP(proto=132, **TO_B) / Raw(DATA), names=("eth0",)).sctp[0]
    assert (seen.node, seen.nic) == ("eth0", "")


def test_a_capture_that_was_cut_off_says_so(tmp_path: Path):
    path = tmp_path / "cut.pcapng"
    path.write_bytes(REAL.read_bytes()[:-5])
    whole, cut = trace.load(REAL), trace.load(path)
    assert (whole.truncated, cut.truncated) == (False, True)
    assert [item.time_ns for item in cut.sightings] == [item.time_ns for item in whole.sightings[:-1]]


def test_a_real_association_reads_as_it_was():
    seen = trace.load(REAL)
    asconfs = [describe(chunk) for item in seen.sctp for chunk in item.chunks if isinstance(chunk, k.Asconf)]
    assert asconfs == [
        "ASCONF serial=19013982 lookup=192.0.2.1 ADD 192.0.2.7 id=0",
        "ASCONF serial=19013983 lookup=192.0.2.7 SET PRIMARY 192.0.2.7 id=0",
        "ASCONF serial=19013984 lookup=192.0.2.7 DELETE 192.0.2.1 id=0",
    ]
    assert not any(item.error for item in seen.sctp)
    assert seen.interfaces == ("mn.wlan0",)


def test_a_real_packet_encodes_to_the_bytes_that_were_captured():
    for item in trace.load(REAL).sctp:
        assert sctp.decode(item.raw, verify=True).encode() == item.raw


def test_reading_a_path_is_reading_the_capture():
    assert len(trace.load(REAL).sightings) == len(pcapng.read(REAL).packets) == 33


def test_only_some_nodes_are_loaded_and_packets_keep_their_places(tmp_path: Path) -> None:
    frame = bytes(Ether() / IP(proto=132, **TO_B) / Raw(DATA))
    path = tmp_path / "two.pcapng"
    with path.open("wb") as file:
        writer = pcapng.Writer(file)
        nics = [writer.interface(name) for name in ("mn.wlan0", "cn.eth0")]
        for time_ns in range(4):
            writer.packet(nics[time_ns % 2], time_ns, frame, direction=Direction.OUT)
    whole, part = trace.load(path), trace.load(path, {"cn"})
    assert [(item.index, item.time_ns) for item in whole.sightings if item.node == "cn"] == [(1, 1), (3, 3)]
    assert [(item.index, item.time_ns) for item in part.sightings] == [(1, 1), (3, 3)]
    assert part.interfaces == whole.interfaces
