"""What goes into the kernel's packets on their way out, in memory."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from roamlab.agents.rewriter import from_source, with_payload
from roamlab.protocols import ip
from roamlab.protocols.ip import Datagram
from roamlab.protocols.rewriting import OWN_IDS, Gate, NoKey, Rewriter, one_message
from roamlab.protocols.sctp import auth, causes, chunks, packet
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck, Auth, Data, HeartbeatAck, Init, InitAck
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import (
    AddIp,
    ChunkList,
    DeleteIp,
    ErrorCauseIndication,
    HmacAlgorithms,
    IPv4Parameter,
    Random,
    SetPrimary,
    Success,
)

A, X = IPv4Address("192.0.2.10"), IPv4Address("198.51.100.10")
OURS, THEIRS = 0x11111111, 0x22222222
ROAM = Asconf(7, (IPv4Parameter(A), AddIp(0, X), DeleteIp(1, A)))


def security(filler: bytes) -> tuple[Random, ChunkList, HmacAlgorithms]:
    return Random(filler * 32), ChunkList((0xC1, 0x80)), HmacAlgorithms((3, 1))


INIT = Packet(5000, 5001, 0, (Init(OURS, 65535, 10, 10, 7, (IPv4Parameter(A), *security(b"a"))),))
INIT_ACK = Packet(5001, 5000, OURS, (InitAck(THEIRS, 65535, 10, 10, 9, security(b"b")),))
KEY = auth.association_key(
    auth.key_vector(INIT.chunks[0].parameters), auth.key_vector(INIT_ACK.chunks[0].parameters)
)


def signed(*carried: chunks.Chunk) -> bytes:
    return auth.sign(Packet(5000, 5001, THEIRS, (Auth(0, 3, bytes(32)), *carried)).encode(), KEY)


def set_up(rewriter: Rewriter) -> Rewriter:
    rewriter.keys.learn(INIT.encode())
    rewriter.keys.learn(INIT_ACK.encode())
    return rewriter


def asconf(data: bytes) -> Asconf:
    return next(c for c in packet.decode(data, verify=True).chunks if isinstance(c, Asconf))


def test_fig_9_goes_out_as_one_message_in_the_design_s_order() -> None:
    changed = set_up(Rewriter(together=True)).outgoing(signed(ROAM))
    assert changed is not None
    requests = asconf(changed.packet).requests
    assert [(type(r), r.address) for r in requests] == [(AddIp, X), (SetPrimary, X), (DeleteIp, A)]
    assert asconf(changed.packet).lookup == A


def test_a_rewritten_packet_has_a_right_hmac_and_checksum() -> None:
    changed = set_up(Rewriter(together=True)).outgoing(signed(ROAM))
    assert changed is not None
    assert auth.verify(changed.packet, KEY)
    assert packet.decode(changed.packet, verify=True).chunks[1:] == (changed.now,)


def test_the_kernel_s_delete_is_answered_by_the_set_primary() -> None:
    """A peer that refuses the DELETE alone must not keep the kernel's data back."""
    add, primary, delete = one_message(ROAM.parameters)[1:]
    assert (add.correlation_id, primary.correlation_id, delete.correlation_id) == (0, 1, OWN_IDS)


def test_an_add_without_delete_gets_a_set_primary_that_the_kernel_does_not_know() -> None:
    assert one_message((IPv4Parameter(A), AddIp(0, X))) == (
        IPv4Parameter(A),
        AddIp(0, X),
        SetPrimary(OWN_IDS, X),
    )


@pytest.mark.parametrize("request_", [SetPrimary(0, X), DeleteIp(0, A)])
def test_messages_without_an_add_go_as_they_are(request_: SetPrimary | DeleteIp) -> None:
    plain = Asconf(7, (IPv4Parameter(A), request_))
    assert set_up(Rewriter(together=True)).outgoing(signed(plain)) is None


def test_a_retransmission_goes_out_like_the_first() -> None:
    rewriter = set_up(Rewriter(together=True))
    rewriter.order([DeleteIp(OWN_IDS, A)])
    first, again = rewriter.outgoing(signed(ROAM)), rewriter.outgoing(signed(ROAM))
    assert first is not None
    assert first == again


def test_an_order_takes_the_place_of_the_next_new_asconf_only() -> None:
    rewriter = set_up(Rewriter())
    rewriter.order([SetPrimary(5, X), AddIp(6, X)])
    ordered = rewriter.outgoing(signed(ROAM))
    assert ordered is not None
    assert asconf(ordered.packet).requests == (SetPrimary(5, X), AddIp(6, X))
    assert asconf(ordered.packet).lookup == A
    assert rewriter.outgoing(signed(replace(ROAM, serial=8))) is None


def test_what_can_not_be_signed_is_not_rewritten() -> None:
    with pytest.raises(NoKey, match="22222222"):
        Rewriter(together=True).outgoing(signed(ROAM))


def test_without_auth_no_key_is_needed() -> None:
    changed = Rewriter(together=True).outgoing(Packet(5000, 5001, THEIRS, (ROAM,)).encode())
    assert changed is not None
    assert len(asconf(changed.packet).requests) == 3


def test_init_and_init_ack_say_which_address_is_preferred() -> None:
    """FIG. 10; RFC 5061, 5.4: behind the address parameters."""
    for plain in (INIT, INIT_ACK):
        changed = Rewriter(prefer=X).outgoing(plain.encode())
        assert changed is not None
        (chunk,) = packet.decode(changed.packet, verify=True).chunks
        assert chunk.parameters == (*plain.chunks[0].parameters, SetPrimary(OWN_IDS, X))


def test_keys_are_learnt_from_both_directions_and_junk_is_passed_over() -> None:
    rewriter = Rewriter()
    for data in (b"", bytes(12), INIT_ACK.encode(), INIT.encode(), b"x" * 40):
        rewriter.keys.learn(data)
    with pytest.raises(NoKey):
        rewriter.keys.key(THEIRS)
    rewriter.keys.learn(INIT_ACK.encode())
    assert rewriter.keys.key(THEIRS) == rewriter.keys.key(OURS) == KEY


def test_junk_goes_out_as_it_is() -> None:
    assert Rewriter(together=True).outgoing(b"\0" * 30) is None


REFUSED = AsconfAck(7, (ErrorCauseIndication(OWN_IDS, (causes.RefusedNoAuthorization(b""),)),))
DATA = Data(1, 0, 0, 0, b"x")


def closed() -> Gate:
    gate = Gate()
    assert gate.leaving(X, ROAM)
    return gate


def test_nothing_but_requests_leaves_from_an_address_that_is_not_verified() -> None:
    gate = closed()
    assert not gate.leaving(X, DATA)
    assert gate.leaving(X, replace(ROAM, serial=8))
    assert gate.leaving(A, DATA)


def test_the_heartbeat_ack_opens_the_gate() -> None:
    gate = closed()
    gate.answered(REFUSED, 0)
    assert not gate.leaving(X, DATA)
    assert gate.leaving(X, HeartbeatAck(()))
    assert gate.leaving(X, DATA)


def test_a_peer_that_granted_everything_has_one_address_and_needs_no_gate() -> None:
    gate = closed()
    gate.answered(AsconfAck(7, (Success(0),)), 0)
    assert gate.leaving(X, DATA)


def test_a_peer_whose_heartbeat_does_not_come_is_given_a_set_time() -> None:
    gate = closed()
    assert gate.deadline is None
    gate.answered(REFUSED, 1000)
    assert gate.deadline == 1000 + gate.patience


def test_an_add_from_another_address_closes_nothing() -> None:
    """FIG. 7: the old address is still there, and SACKs to it arrive."""
    gate = Gate()
    gate.leaving(A, ROAM)
    assert not gate.closed


def test_a_gate_that_was_shut_lets_asconf_leave_alone_until_the_peer_has_verified_the_new_address() -> None:
    gate = Gate()
    gate.shut_now()
    assert gate.closed
    assert gate.shut
    assert not gate.leaving(A, DATA)
    assert not gate.leaving(A, HeartbeatAck(()))
    assert gate.leaving(X, ROAM)
    assert not gate.shut
    assert not gate.leaving(X, DATA)
    gate.answered(REFUSED, 0)
    assert gate.leaving(X, HeartbeatAck(()))
    assert not gate.closed


@pytest.mark.parametrize(
    ("old", "new", "at"), [(A, X, 12), (IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"), 8)]
)
def test_a_datagram_from_another_address_is_the_same_but_for_that(
    old: IPv4Address | IPv6Address, new: IPv4Address | IPv6Address, at: int
) -> None:
    datagram = ip.encode(Datagram(old, new, 132, 64, b"whatever is carried"))
    moved = from_source(datagram, new)
    assert moved == ip.encode(Datagram(new, new, 132, 64, b"whatever is carried"))
    assert moved[at : at + len(new.packed)] == new.packed


def test_the_ip_header_follows_its_payload() -> None:
    header = bytes.fromhex("450200281234400040840000") + A.packed + X.packed
    datagram = with_payload(header, bytes(100))
    assert int.from_bytes(datagram[2:4], "big") == 120
    total = sum(int.from_bytes(datagram[i : i + 2], "big") for i in range(0, 20, 2))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
    six = bytes.fromhex("6000000000048440") + IPv6Address("2001:db8::1").packed * 2
    assert with_payload(six, bytes(100))[4:6] == (100).to_bytes(2, "big")
