"""Signs of the pages in docs/: what shows them, and above all what does not."""

from ipaddress import IPv4Address
from itertools import count

import pytest

from roamlab.errors import BadInput
from roamlab.protocols.ip import SCTP, Datagram
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck, Chunk, Data, Init
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import AddIp, IPv4Parameter
from roamlab.protocols.trace import Message, SctpPacket, Trace
from roamlab.query.signs import Run, Sign, Unshown, check
from roamlab.record.events import AddressUp, RunStart
from roamlab.record.stimuli import Move

MN, CN = IPv4Address("192.0.2.10"), IPv4Address("203.0.113.10")
SECOND = 1_000_000_000
EPOCH = 1_000 * SECOND
INDEX = count()


def packet(at_s: float, chunk: Chunk, *, answer: bool = False) -> SctpPacket:
    """What arrives at cn, or what cn answers."""
    raw = Packet(5001, 5001, 7, (chunk,)).encode()
    source, destination = (CN, MN) if answer else (MN, CN)
    way = Way.OUT if answer else Way.IN
    at = EPOCH + round(at_s * SECOND)
    datagram = Datagram(source, destination, SCTP, 64, raw)
    return SctpPacket(next(INDEX), at, "cn", "eth0", way, datagram, Message(raw))


def asconf(serial: int) -> Asconf:
    return Asconf(serial, (IPv4Parameter(MN), AddIp(0, MN)))


RUN = Run(
    [
        RunStart(EPOCH, t=0, node="lab"),
        Move(to="visited", nic="wlan0", t=4 * SECOND, node="mn"),
        AddressUp("wlan0", "198.51.100.10", t=4 * SECOND, node="mn"),
    ],
    Trace(
        (
            packet(1, Init(1, 1, 1, 1, 70)),
            packet(2, asconf(70)),
            packet(2, AsconfAck(70), answer=True),
            packet(3, asconf(70)),
            packet(5, asconf(71)),
            packet(5.01, AsconfAck(71), answer=True),
            packet(6, Data(1, 0, 0, 0, b"x")),
        ),
        (),
        truncated=False,
    ),
)
ELSEWHERE = Run(RUN.events, Trace((packet(1, Data(1, 0, 0, 0, b"x"), answer=True),), (), truncated=False))


def look(*signs: str) -> None:
    check([Sign.parse(sign) for sign in signs], RUN, {"other": ELSEWHERE, "same": RUN}.__getitem__)


@pytest.mark.parametrize(
    "signs",
    [
        ["packet: asconf serial=70 way=in", "packet: asconf-ack serial=70 way=out"],
        ["packet: init tsn=N", "packet: asconf serial=N", "packet: asconf serial=N+1"],
        ["packet: asconf serial=70", "packet: asconf serial=70; 1 s later"],
        ["packet: asconf serial=N", "packet: asconf !serial=N"],
        ["packet: asconf serial=0x46", "event: stimulus move", "packet: asconf serial=71"],
        ["packet: asconf-ack serial=70", "none: asconf-ack serial=71", "packet: asconf serial=71"],
        ["event: stimulus move", "none: asconf-ack serial=70"],
        ["packet: asconf serial=71", "none: data way=out; but in `other`"],
    ],
)
def test_what_is_there_is_seen(signs: list[str]) -> None:
    look(*signs)


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        (["packet: heartbeat"], "is not in the run"),
        (["packet: asconf serial=71", "packet: asconf serial=70"], "is not in the run after 5.0 s"),
        (["packet: init tsn=N", "packet: asconf serial=N+2"], "is not in the run"),
        (["packet: asconf serial=70", "packet: asconf serial=71; 2 s later"], "is not in the run"),
        (["event: stimulus attach"], "is not in the run"),
        (["packet: asconf serial=70", "none: asconf-ack serial=70"], "there is one at 2.0 s"),
        (["packet: asconf serial=71", "none: heartbeat"], "shows nothing"),
        (["packet: asconf serial=71", "none: heartbeat; but in `other`"], "shows nothing"),
        (["packet: asconf serial=71", "none: data way=out; but in `same`"], "shows nothing"),
        (
            ["none: asconf-ack serial=71", "packet: asconf serial=71"],
            "no packet that could have called for it",
        ),
        (["event: address.up", "none: asconf-ack serial=70"], "no packet that could have called for it"),
        (["packet: asconf serial=71", "none: init", "packet: asconf-ack serial=71"], "only 0.01 s"),
        (["packet: data", "none: init"], "only 0.0 s"),
    ],
)
def test_what_is_not_there_is_not_seen(signs: list[str], words: str) -> None:
    with pytest.raises(Unshown, match=words):
        look(*signs)


@pytest.mark.parametrize(
    "text",
    ["asconf", "packets: asconf", "packet: asconf; later", "none: asconf; 2 s later", "event: x; but in `y`"],
)
def test_what_is_no_sign_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a sign|may be"):
        Sign.parse(text)


def test_a_misspelt_word_is_refused() -> None:
    with pytest.raises(BadInput, match="asconv"):
        look("packet: asconv")
