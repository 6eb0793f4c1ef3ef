"""Packets forged from what was overheard."""

from ipaddress import IPv4Address

import pytest

from roamlab.protocols.forging import Overheard, Signing
from roamlab.protocols.rewriting import NoKey
from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp.chunks import (
    Asconf,
    Auth,
    CookieAck,
    CookieEcho,
    Data,
    Heartbeat,
    HeartbeatAck,
    Init,
    InitAck,
    Sack,
)
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import (
    AddIp,
    ChunkList,
    HeartbeatInfo,
    HmacAlgorithms,
    Random,
    StateCookie,
    SupportedExtensions,
)

MOBILE, CORRESPONDENT, ATTACKER = map(IPv4Address, ("192.0.2.10", "203.0.113.10", "198.51.100.65"))
SECURITY = (SupportedExtensions((0xC1, 0x80, 15)), ChunkList((0xC1, 0x80)), HmacAlgorithms((1,)))
INIT = Packet(4000, 5001, 0, (Init(0xA, 1000, 1, 1, 70, (Random(b"m" * 32), *SECURITY)),)).encode()
INIT_ACK_CHUNK = InitAck(0xB, 1000, 1, 1, 90, (Random(b"c" * 32), StateCookie(b"cookie"), *SECURITY))
INIT_ACK = Packet(5001, 4000, 0xA, (INIT_ACK_CHUNK,)).encode()
ECHO = Packet(4000, 5001, 0xB, (CookieEcho(b"cookie"),)).encode()
ADD = AddIp(1, ATTACKER)


@pytest.fixture
def overheard() -> Overheard:
    known = Overheard()
    known.see(MOBILE, CORRESPONDENT, INIT)
    known.see(CORRESPONDENT, MOBILE, INIT_ACK)
    known.see(MOBILE, CORRESPONDENT, ECHO)
    return known


def key() -> bytes:
    ours, theirs = (
        auth.key_vector(chunk.parameters)
        for data in (INIT, INIT_ACK)
        for chunk in packet.decode(data).chunks
        if isinstance(chunk, Init | InitAck)
    )
    return auth.association_key(ours, theirs)


def test_set_up_tells_ports_tag_serial_and_cookie(overheard: Overheard) -> None:
    assert (overheard.sport, overheard.dport, overheard.tag, overheard.serial) == (4000, 5001, 0xB, 70)
    assert overheard.cookie_echo == ECHO


def test_a_second_association_changes_nothing(overheard: Overheard) -> None:
    other = Packet(4001, 5001, 0, (Init(0xC, 1000, 1, 1, 9),)).encode()
    overheard.see(ATTACKER, CORRESPONDENT, other)
    assert (overheard.mobile, overheard.sport, overheard.serial) == (MOBILE, 4000, 70)


def test_the_serial_follows_the_last_asconf_even_over_its_end(overheard: Overheard) -> None:
    last = Packet(4000, 5001, 0xB, (Asconf(0xFFFFFFFF, ()),)).encode()
    overheard.see(MOBILE, CORRESPONDENT, last)
    assert overheard.serial == 0


def test_forged_asconf_is_looked_up_by_the_mobile_nodes_address(overheard: Overheard) -> None:
    (forged,) = packet.decode(overheard.asconf([ADD], Signing.NONE), verify=True).chunks
    assert isinstance(forged, Asconf)
    assert (forged.serial, forged.lookup, forged.requests) == (70, MOBILE, (ADD,))
    assert overheard.serial == 71


@pytest.mark.parametrize(("signing", "valid"), [(Signing.JUNK, False), (Signing.KEY, True)])
def test_only_the_key_makes_an_hmac_valid(overheard: Overheard, signing: Signing, valid: bool) -> None:
    data = overheard.asconf([ADD], signing)
    assert isinstance(packet.decode(data, verify=True).chunks[0], Auth)
    assert auth.verify(data, key()) is valid


def test_no_key_without_the_set_up() -> None:
    told = Overheard(MOBILE, CORRESPONDENT, 4000, 5001, tag=5, serial=6)
    with pytest.raises(NoKey):
        told.asconf([ADD], Signing.KEY)


def test_nothing_can_be_forged_of_an_unknown_association() -> None:
    with pytest.raises(ValueError, match="overheard"):
        Overheard().asconf([ADD], Signing.NONE)


def test_answers_data_and_heartbeat_like_an_end(overheard: Overheard) -> None:
    beat = (HeartbeatInfo(b"path"),)
    chunks = (Heartbeat(beat), Data(91, 0, 0, 0, b"x"))
    reply = overheard.answer(Packet(5001, 4000, 0xA, chunks).encode())
    assert reply is not None
    answered = packet.decode(reply, verify=True)
    assert answered.tag == 0xB
    assert [type(chunk) for chunk in answered.chunks] == [Sack, HeartbeatAck]


@pytest.mark.parametrize("data", [b"", b"\0" * 11, Packet(1, 2, 3, (CookieAck(),)).encode()])
def test_what_needs_no_answer_gets_none(overheard: Overheard, data: bytes) -> None:
    assert overheard.answer(data) is None
