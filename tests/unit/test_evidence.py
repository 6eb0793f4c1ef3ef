"""Which association a message came in, by the tags of its set-up."""

from __future__ import annotations

from ipaddress import IPv4Address

from roamlab.judge.evidence import Evidence, gather
from roamlab.protocols import payload
from roamlab.protocols.ip import Datagram
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Chunk, CookieEcho, Data, InitAck
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.trace import Message, SctpPacket, Trace
from roamlab.record.events import RunStart, SessionStart

MN, CN = IPv4Address("192.0.2.10"), IPv4Address("203.0.113.10")
CLIENT, FIRST, SECOND = 0xC, 0x51, 0x52
START = RunStart(0, t=0, node="lab")
SESSION = SessionStart(1, "mn", "cn", 1, "sctp", ("up",), t=0, node="lab")


def seen(time: int, node: str, way: Way, tag: int, chunk: Chunk) -> SctpPacket:
    raw = Packet(5000, 5001, tag, (chunk,)).encode()
    there = (node == "mn") == (way is Way.OUT)
    source, destination = (MN, CN) if there else (CN, MN)
    return SctpPacket(
        time, time, node, "eth0", way, Datagram(source, destination, 132, 64, raw), Message(raw)
    )


def offer(time: int, node: str, way: Way, tag: int) -> SctpPacket:
    return seen(time, node, way, CLIENT, InitAck(tag, 65535, 10, 10, 1, ()))


def message(time: int, tag: int, sequence: int) -> SctpPacket:
    said = payload.Message(payload.Kind.DATA, payload.Direction.UP, 1, sequence, time).encode()
    return seen(time, "cn", Way.IN, tag, Data(sequence, 0, 0, 0, said))


def evidence(*packets: SctpPacket) -> Evidence:
    return gather(Trace(packets, (), truncated=False), [START, SESSION], "mn", "cn")


def test_an_init_that_came_again_begins_no_second_association() -> None:
    found = evidence(
        offer(1, "cn", Way.OUT, FIRST),  # lost on its way
        offer(2, "cn", Way.OUT, SECOND),
        offer(3, "mn", Way.IN, SECOND),
        seen(4, "cn", Way.IN, SECOND, CookieEcho(b"cookie")),
        message(5, SECOND, 1),
        message(6, SECOND, 2),
    )
    assert [a.name for a in found.associations] == [f"association (tags {CLIENT:08x} and {SECOND:08x})"]
    assert {arrival.association for arrival in found.arrived.values()} == {0}


def test_a_set_up_with_another_tag_begins_another() -> None:
    anew = seen(3, "cn", Way.OUT, CLIENT + 1, InitAck(SECOND, 65535, 10, 10, 1, ()))
    found = evidence(offer(1, "cn", Way.OUT, FIRST), message(2, FIRST, 1), anew, message(4, SECOND, 2))
    assert [arrival.association for arrival in found.arrived.values()] == [0, 1]
