"""An association of one's own, without a kernel."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roamlab.protocols.sctp import auth, packet
from roamlab.protocols.sctp.chunks import (
    Abort,
    Asconf,
    AsconfAck,
    Auth,
    Chunk,
    CookieAck,
    CookieEcho,
    Data,
    Heartbeat,
    HeartbeatAck,
    Init,
    InitAck,
    Sack,
    Shutdown,
    ShutdownAck,
)
from roamlab.protocols.sctp.endpoint import EndpointState, ReceivedTsns, SctpEndpoint
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import (
    AddIp,
    ChunkList,
    HeartbeatInfo,
    HmacAlgorithms,
    IPv4Parameter,
    Parameter,
    Random,
    SetPrimary,
    StateCookie,
    SupportedExtensions,
)

HERE, ELSEWHERE = IPv4Address("198.51.100.65"), IPv4Address("192.0.2.10")
SECURITY = (
    Random(b"c" * 32),
    SupportedExtensions((0xC1, 0x80, 15)),
    ChunkList((0xC1,)),
    HmacAlgorithms((1,)),
)
COOKIE = StateCookie(b"cookie")
ADD = AddIp(1, ELSEWHERE)


def new(*, secured: bool = True, echoes: bool = True) -> SctpEndpoint:
    return SctpEndpoint(4000, 5001, 0xA, 70, b"m" * 32, (HERE, ELSEWHERE), secured=secured, echoes=echoes)


def from_peer(*chunks: Chunk, tag: int = 0xA) -> bytes:
    return Packet(5001, 4000, tag, chunks).encode()


def init_ack(*parameters: Parameter) -> bytes:
    return from_peer(InitAck(0xB, 1000, 1, 1, 90, parameters))


def said(data: bytes | None) -> tuple[Chunk, ...]:
    assert data is not None
    return packet.decode(data, verify=True).chunks


@pytest.fixture
def up() -> SctpEndpoint:
    end = new()
    end.init()
    end.receive(init_ack(COOKIE, *SECURITY))
    end.receive(from_peer(CookieAck()))
    return end


def test_the_set_up_goes_through_its_states() -> None:
    end = new()
    assert end.state is EndpointState.CLOSED
    (init,) = said(end.init())
    assert isinstance(init, Init)
    assert (init.addresses, init.tsn, end.state) == ((HERE, ELSEWHERE), 70, EndpointState.COOKIE_WAIT)
    reply = end.receive(init_ack(COOKIE, *SECURITY))
    assert reply is not None
    assert packet.decode(reply, verify=True) == Packet(4000, 5001, 0xB, (CookieEcho(b"cookie"),))
    assert end.state is EndpointState.COOKIE_ECHOED
    assert end.receive(from_peer(CookieAck())) is None
    assert end.state is EndpointState.ESTABLISHED


def test_ipv6_addresses_are_listed_too() -> None:
    there = IPv6Address("2001:db8::1")
    (init,) = said(replace(new(), addresses=(there,)).init())
    assert isinstance(init, Init)
    assert init.addresses == (there,)


def test_who_does_not_echo_keeps_the_cookie_and_can_damage_it() -> None:
    end = new(secured=False, echoes=False)
    (init,) = said(end.init())
    assert isinstance(init, Init)
    assert not any(isinstance(p, Random | ChunkList) for p in init.parameters)
    with pytest.raises(ValueError, match="no cookie"):
        end.cookie_echo()
    assert end.receive(init_ack(COOKIE)) is None
    assert said(end.cookie_echo()) == (CookieEcho(b"cookie"),)
    (damaged,) = said(end.cookie_echo(damaged=True))
    assert isinstance(damaged, CookieEcho)
    assert sum((a ^ b).bit_count() for a, b in zip(damaged.cookie, b"cookie", strict=True)) == 1


def test_an_init_ack_without_a_cookie_sets_nothing_up() -> None:
    end = new()
    end.init()
    assert end.receive(init_ack(*SECURITY)) is None
    with pytest.raises(ValueError, match="no association"):
        end.asconf([ADD])


def test_chunks_that_the_peer_wants_authenticated_are_signed_and_others_not(up: SctpEndpoint) -> None:
    end = new()
    vectors = [
        auth.key_vector(chunk.parameters)
        for data in (end.init(), init_ack(COOKIE, *SECURITY))
        for chunk in said(data)
        if isinstance(chunk, Init | InitAck)
    ]
    data = up.packet(up.asconf([ADD]), up.asconf([]))
    kinds = [type(chunk) for chunk in said(data)]
    assert kinds == [Auth, Asconf, Asconf]
    assert auth.verify(data, auth.association_key(*vectors))
    assert said(up.packet(CookieAck())) == (CookieAck(),)


def test_nothing_is_signed_for_a_peer_without_auth() -> None:
    end = new()
    end.init()
    end.receive(init_ack(COOKIE))
    assert [type(chunk) for chunk in said(end.packet(end.asconf([ADD])))] == [Asconf]


def test_serial_numbers_begin_with_the_initial_tsn_and_wrap(up: SctpEndpoint) -> None:
    assert [up.asconf([]).serial for _ in range(2)] == [70, 71]
    up.serial = 0xFFFFFFFF
    assert [up.asconf([]).serial for _ in range(2)] == [0xFFFFFFFF, 0]


def test_data_has_its_own_numbers(up: SctpEndpoint) -> None:
    assert [(c.tsn, c.ssn, c.beginning and c.ending) for c in (up.data(b"a"), up.data(b"b"))] == [
        (70, 0, True),
        (71, 1, True),
    ]


def test_data_and_heartbeats_are_answered_in_one_packet(up: SctpEndpoint) -> None:
    beat = (HeartbeatInfo(b"path"),)
    chunks = said(up.receive(from_peer(Heartbeat(beat), Data(90, 0, 0, 0, b"x"), Data(92, 0, 1, 0, b"y"))))
    assert chunks[1:] == (HeartbeatAck(beat),)
    assert isinstance(chunks[0], Sack)
    assert (chunks[0].cumulative_tsn, chunks[0].gaps) == (90, ((2, 2),))


def test_a_bombers_sack_runs_ahead_of_what_has_come(up: SctpEndpoint) -> None:
    up.receive(from_peer(Data(90, 0, 0, 0, b"x")))
    (sack,) = said(up.pretend(4))
    assert isinstance(sack, Sack)
    assert sack.cumulative_tsn == 94


def test_shutdown_is_answered_and_abort_is_not(up: SctpEndpoint) -> None:
    assert up.receive(from_peer(Abort())) is None
    assert up.state is EndpointState.CLOSED
    assert said(up.receive(from_peer(Shutdown(69)))) == (ShutdownAck(),)


@pytest.mark.parametrize(("tag", "state"), [(0xB, EndpointState.CLOSED), (0xA, EndpointState.ESTABLISHED)])
def test_a_peer_that_has_forgotten_the_association_reflects_its_own_tag(
    up: SctpEndpoint, tag: int, state: EndpointState
) -> None:
    assert up.receive(from_peer(Abort(flags=1), tag=tag)) is None
    assert up.state is state


@pytest.mark.parametrize("data", [b"", b"\0" * 11, from_peer(Data(90, 0, 0, 0, b"x"), tag=0xF)])
def test_junk_and_packets_of_other_associations_are_ignored(up: SctpEndpoint, data: bytes) -> None:
    assert up.receive(data) is None


@given(st.integers(0, 0xFFFFFFFF), st.lists(st.integers(1, 40)))
def test_what_came_in_any_order_is_told_as_cumulative_and_gaps(start: int, offsets: list[int]) -> None:
    received = ReceivedTsns(start)
    for offset in offsets:
        received.take((start + offset) & 0xFFFFFFFF)
    sack = received.sack()
    cumulative = (sack.cumulative_tsn - start) & 0xFFFFFFFF
    told = set(range(1, cumulative + 1))
    for first, last in sack.gaps:
        assert first > 1
        told |= set(range(cumulative + first, cumulative + last + 1))
    assert told == set(offsets)


@pytest.mark.parametrize("first", [False, True])
def test_a_wish_in_the_init_stands_behind_the_addresses_or_before_them(first: bool) -> None:
    end = replace(new(), preference=SetPrimary(0, ELSEWHERE), prefers_first=first)
    (init,) = said(end.init())
    assert isinstance(init, Init)
    kinds = [type(p) for p in init.parameters if isinstance(p, SetPrimary | IPv4Parameter)]
    wish, listed = [SetPrimary], [IPv4Parameter, IPv4Parameter]
    assert kinds == (wish + listed if first else listed + wish)


def test_an_asconf_is_acknowledged_only_when_it_is_to_be_and_as_it_is_to_be(up: SctpEndpoint) -> None:
    assert up.receive(from_peer(Asconf(90, (IPv4Parameter(HERE), ADD, SetPrimary(2, ELSEWHERE))))) is None
    assert up.acknowledgement(0) == AsconfAck(90)
    refused = up.acknowledgement(0, understood=False)
    assert refused.serial == 90
    assert [(p.correlation_id, p.causes[0].type) for p in refused.parameters] == [(1, 8), (2, 8)]  # type: ignore[attr-defined]


def test_what_was_never_asked_cannot_be_named_as_not_understood(up: SctpEndpoint) -> None:
    with pytest.raises(ValueError, match="91 has come"):
        up.acknowledgement(1, understood=False)
