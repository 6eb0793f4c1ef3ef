"""What was answered to packets that no stack sent."""

from ipaddress import IPv4Address

from roamlab.judge.evidence import Evidence
from roamlab.judge.made_packets import answers, arrived, wrong_replies
from roamlab.protocols.ip import SCTP, Datagram
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp import causes
from roamlab.protocols.sctp.chunks import Abort, AsconfAck, Auth, Chunk, CookieAck, Data, Sack
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import ErrorCauseIndication
from roamlab.protocols.trace import Message, SctpPacket, Trace
from roamlab.record.attack_events import RawSent
from roamlab.record.stimuli import RawPacket

CN, HERE = IPv4Address("203.0.113.10"), IPv4Address("198.51.100.65")
SECOND = 1_000_000_000
SIGNED = Auth(0, 1, bytes(20))


def seen(at: int, node: str, way: Way, *chunks: Chunk, dport: int = 4001) -> SctpPacket:
    source, destination = (CN, HERE) if dport != 5001 else (HERE, CN)
    raw = Packet(5001, dport, 7, chunks).encode()
    return SctpPacket(0, at, node, "eth0", way, Datagram(source, destination, SCTP, 64, raw), Message(raw))


def stimulus(*expected: str) -> RawPacket:
    return RawPacket("ASCONF 7", 1, "cn", 4001, expected, t=10, node="pc16", at_s=3.0)


def evidence(event: RawPacket, *packets: SctpPacket) -> Evidence:
    data = Packet(5001, 5001, 7, (CookieAck(),)).encode().hex()
    sent = RawSent(1, 4001, str(HERE), data, t=11, node="pc16")
    return Evidence(Trace(packets, (), truncated=False), [event, sent])


def test_a_packet_s_chunks_stand_in_their_order_with_serial_numbers_and_causes() -> None:
    refusal = ErrorCauseIndication(1, (causes.UnresolvableAddress(b""),))
    packets = (
        seen(20, "cn", Way.OUT, SIGNED, AsconfAck(7), AsconfAck(8, (refusal,))),
        seen(21, "cn", Way.OUT, Abort((causes.ProtocolViolation(),))),
    )
    assert answers(evidence(stimulus(), *packets), stimulus()) == [
        "AUTH, ASCONF-ACK 7, ASCONF-ACK 8 0x0005",
        "ABORT 0x000d",
    ]


def test_what_is_no_answer_is_not_counted() -> None:
    packets = (
        seen(9, "cn", Way.OUT, AsconfAck(1)),
        seen(20, "cn", Way.OUT, Sack(1, 1), Data(1, 0, 0, 0, b"x")),
        seen(20, "pc16", Way.IN, AsconfAck(2)),
        seen(20, "cn", Way.OUT, AsconfAck(3), dport=4002),
        seen(SECOND, "cn", Way.OUT, AsconfAck(4)),
    )
    assert answers(evidence(stimulus(), *packets), stimulus()) == []


def test_an_answer_other_than_expected_names_both() -> None:
    answer = seen(20, "cn", Way.OUT, SIGNED, AsconfAck(7))
    assert wrong_replies(evidence(stimulus("AUTH, ASCONF-ACK 7"), answer)) == []
    assert wrong_replies(evidence(stimulus(), answer)) == [
        "ASCONF 7 at 3.0 s: expected nothing, got AUTH, ASCONF-ACK 7"
    ]
    assert wrong_replies(evidence(stimulus("ABORT 0x00a3"))) == [
        "ASCONF 7 at 3.0 s: expected ABORT 0x00a3, got nothing"
    ]


def test_a_packet_counts_only_when_it_left_and_arrived() -> None:
    left = seen(12, "pc16", Way.OUT, CookieAck(), dport=5001)
    came = seen(13, "cn", Way.IN, CookieAck(), dport=5001)
    assert arrived(evidence(stimulus(), left, came), stimulus())
    assert not arrived(evidence(stimulus(), left), stimulus())
    assert not arrived(evidence(stimulus()), stimulus())
