"""MPTCP's options, its reader across subflows, and when its path manager gives an address up."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from roamlab.protocols import mptcp
from roamlab.protocols.framing import frame
from roamlab.protocols.ip import TCP, Datagram
from roamlab.protocols.mptcp import Capable, FastClose, Join, Mapping, RemoveAddress
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.subflows import Act, EndpointChange, SubflowPolicy
from roamlab.protocols.trace import TcpPacket
from roamlab.protocols.transport import Tcp
from roamlab.transports.mptcp_reader import MptcpReader

OLD, NEW, PEER = (IPv4Address(text) for text in ("192.0.2.10", "198.51.100.10", "203.0.113.10"))
CALLER, LISTENER = b"caller's", b"listener"
SYN, ACK = 0x02, 0x10


def segment(sequence: int, flags: int, option: bytes = b"", data: bytes = b"", port: int = 1) -> bytes:
    padded = option + b"\1" * (-len(option) % 4)
    offset = (20 + len(padded)) // 4 << 4
    return struct.pack("!HHIIBBHHH", port, 5001, sequence, 0, offset, flags, 0, 0, 0) + padded + data


def option(body: bytes) -> bytes:
    return bytes([30, len(body) + 2]) + body


def dss(data: int, subflow: int, length: int) -> bytes:
    return option(bytes([0x20, 0x0D]) + bytes(4) + struct.pack("!QIH", data, subflow, length))


def test_each_option_is_read() -> None:
    third = segment(1, ACK, option(b"\x01\x81" + CALLER + LISTENER + b"\0\x1c"))
    assert list(mptcp.decode(third)) == [Capable(CALLER, LISTENER, 28)]
    assert list(
        mptcp.decode(segment(1, SYN, option(b"\x10\x01" + bytes.fromhex("b218da92") + bytes(4))))
    ) == [Join(0xB218DA92)]
    assert list(mptcp.decode(segment(1, ACK, dss(1 << 40, 29, 204)))) == [
        Mapping(1 << 40, 29, 204, True, False)
    ]
    assert (
        list(mptcp.decode(segment(1, ACK, option(b"\x20\x01" + bytes(4))))) == []
    )  # an acknowledgement alone
    assert list(mptcp.decode(segment(1, ACK, option(b"\x40\x00\x02")))) == [RemoveAddress((0, 2))]
    assert list(mptcp.decode(segment(1, ACK, option(b"\x70\x00" + LISTENER)))) == [FastClose()]
    assert list(mptcp.decode(segment(1, ACK, option(b"\x20\x0d\0\0\0\0\0"))[:27])) == []


def test_the_token_is_that_of_a_capture() -> None:
    # Keys and the MP_JOIN that followed, from a run of move-one-nic on 7.3.4.
    assert mptcp.token(bytes.fromhex("dbb45aa079634de5")) == 2987973266


class _Sink:
    def __init__(self) -> None:
        self.names: dict[object, str] = {}
        self.messages: list[tuple[IPv4Address, int]] = []

    def carrier(self, key: object, name: str) -> None:
        self.names[key] = name

    def also(self, key: object, other: object) -> None:
        raise AssertionError

    def known(self, key: object) -> bool:
        return key in self.names

    def message(self, packet: TcpPacket, data: bytes, key: object) -> None:
        self.messages.append((packet.source, key))

    def ended(self, packet: TcpPacket, key: object, how: str) -> None:
        raise AssertionError(how)


def test_a_message_that_begins_on_one_subflow_and_ends_on_another_is_found() -> None:
    """Its second half comes first, over the subflow that joined by the listener's token."""
    reader, sink = MptcpReader(), _Sink()

    def saw(source: IPv4Address, raw: bytes, back: bool = False) -> None:
        ends = (PEER, source) if back else (source, PEER)
        tcp = Tcp.decode(raw)
        if back:
            tcp = Tcp(tcp.dport, tcp.sport, *(getattr(tcp, f) for f in Tcp.__slots__[2:]))
        datagram = Datagram(*ends, TCP, 64, raw)
        way = Way.OUT if back else Way.IN
        reader.read(TcpPacket(0, 0, "cn", "eth0", way, datagram, tcp), sink)

    whole = frame(Message(Kind.DATA, Direction.UP, 1, 0, 0).encode(200))
    first = mptcp.first_data(CALLER)
    saw(OLD, segment(100, SYN, option(b"\x01\x81\0\0"[:2])))
    saw(OLD, segment(900, SYN | ACK, option(b"\x01\x81" + LISTENER)), back=True)
    saw(OLD, segment(101, ACK, option(b"\x01\x81" + CALLER + LISTENER)))
    join = option(b"\x10\x01" + mptcp.token(LISTENER).to_bytes(4) + bytes(4))
    saw(NEW, segment(4_294_967_290, SYN, join, port=2))
    tail = segment(4_294_967_291, ACK, dss(first + 50, 1, len(whole) - 50), whole[50:], port=2)
    saw(NEW, tail)
    assert sink.messages == []
    saw(OLD, segment(101, ACK, dss(first, 1, 50), whole[:50]))
    saw(NEW, tail)  # a repetition brings nothing
    assert sink.messages == [(OLD, mptcp.token(LISTENER))]


def done(policy: SubflowPolicy) -> list[EndpointChange]:
    return list(iter(policy.next_command, None))


def test_an_address_goes_when_another_s_subflow_is_fully_established_and_not_before() -> None:
    policy = SubflowPolicy()
    policy.address_up("A")
    policy.established("A")
    assert done(policy) == [EndpointChange(Act.ADD, "A")]
    policy.address_down("A")
    policy.address_up("X")
    policy.joined("X")
    assert done(policy) == [EndpointChange(Act.ADD, "X")]
    assert policy.waits_for() == {"X"}
    policy.established("X")
    assert done(policy) == [EndpointChange(Act.REMOVE, "A")]
    policy.address_up("A")  # and back again
    policy.address_down("X")
    assert done(policy) == [EndpointChange(Act.ADD, "A")]


def test_an_address_that_is_back_before_the_other_was_ready_keeps_its_endpoint() -> None:
    policy = SubflowPolicy()
    policy.address_up("A")
    policy.established("A")
    policy.address_down("A")
    policy.address_up("X")
    policy.address_down("X")
    policy.address_up("A")
    assert done(policy) == [
        EndpointChange(Act.ADD, "A"),
        EndpointChange(Act.ADD, "X"),
        EndpointChange(Act.REMOVE, "X"),
    ]


def test_the_eager_one_goes_by_the_kernel_s_event() -> None:
    policy = SubflowPolicy(eager=True)
    policy.address_up("A")
    policy.joined("A")
    policy.address_down("A")
    policy.address_up("X")
    policy.joined("X")
    assert done(policy)[-1] == EndpointChange(Act.REMOVE, "A")
