"""What an attacker got, from a capture and events: nothing is taken for granted."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from roamlab.judge.evidence import Evidence, gather
from roamlab.judge.gains import attack_measures, denied, gained, gains, wrong_gains
from roamlab.judge.made_packets import arrived
from roamlab.protocols.ip import Datagram
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.sctp.chunks import Asconf, AsconfAck, Auth, Chunk, Data, Heartbeat, Init
from roamlab.protocols.sctp.packet import Packet
from roamlab.protocols.sctp.parameters import AddIp, ErrorCauseIndication, HeartbeatInfo
from roamlab.protocols.trace import Message as SctpMessage
from roamlab.protocols.trace import SctpPacket, Trace
from roamlab.record.attack_events import AttackSent, AttackSession, AttackStakes
from roamlab.record.event import Event
from roamlab.record.events import DataReceived, DataSent, RunStart
from roamlab.record.mobile_ip_events import MipTable
from roamlab.record.result import Measure
from roamlab.record.stimuli import Attack

X, A, CN = "198.51.100.65", "192.0.2.10", "203.0.113.10"
STIMULUS = Attack("a packet", act=1, target="cn", t=10, node="pc16")
ADDS = (AddIp(1, IPv4Address(X)), AddIp(2, IPv4Address(A)))


def stakes(*concedes: str) -> AttackStakes:
    return AttackStakes((X,), "pc16", "cn", concedes, "off-path", t=0, node="lab")


def sent(*chunks: Chunk, forged: bool = True) -> AttackSent:
    data = Packet(4000, 5001, 7, chunks).encode().hex()
    return AttackSent(1, X, data, forged=forged, udp=False, t=10, node="attacker")


def seen(node: str, way: Way, source: str, destination: str, *chunks: Chunk, at: int = 20) -> SctpPacket:
    raw = Packet(4000, 5001, 7, chunks).encode()
    datagram = Datagram(IPv4Address(source), IPv4Address(destination), 132, 64, raw)
    return SctpPacket(0, at, node, "eth0", way, datagram, SctpMessage(raw))


def evidence(*events: Event, packets: tuple[SctpPacket, ...] = ()) -> Evidence:
    return Evidence(Trace(packets, (), truncated=False), list(events))


def values(measures: list[Measure]) -> dict[str, float]:
    return {measure.key: measure.value for measure in measures}


def test_without_an_attacker_there_is_nothing_to_say() -> None:
    quiet = evidence()
    assert (gains(quiet), gained(quiet), wrong_gains(quiet), attack_measures(quiet)) == ({}, [], [], [])


def test_an_attack_counts_only_when_it_left_and_arrived() -> None:
    asconf = Asconf(1, ADDS)
    left = seen("pc16", Way.OUT, X, CN, asconf)
    came = seen("cn", Way.IN, X, CN, asconf)
    assert arrived(evidence(sent(asconf), packets=(left, came)), STIMULUS)
    assert not arrived(evidence(sent(asconf), packets=(left,)), STIMULUS)
    assert not arrived(evidence(sent(asconf), packets=(came,)), STIMULUS)
    assert not arrived(evidence(packets=(left, came)), STIMULUS)


def test_what_passed_before_the_attack_is_no_witness() -> None:
    asconf = Asconf(1, ADDS)
    early = (seen("pc16", Way.OUT, X, CN, asconf, at=9), seen("cn", Way.IN, X, CN, asconf, at=9))
    assert not arrived(evidence(sent(asconf), packets=early), STIMULUS)


def test_an_hmac_that_the_receiver_overwrote_is_no_difference() -> None:
    asconf = Asconf(1, ADDS)
    packets = (
        seen("pc16", Way.OUT, X, CN, Auth(0, 1, bytes(20)), asconf),
        seen("cn", Way.IN, X, CN, Auth(0, 1, b"x" * 20), asconf),
    )
    assert arrived(evidence(sent(Auth(0, 1, b"y" * 20), asconf), packets=packets), STIMULUS)


def test_data_counts_where_it_arrives_and_heartbeats_apart() -> None:
    data, beat = Data(1, 0, 0, 0, b"x"), Heartbeat((HeartbeatInfo(b"path"),))
    packets = (
        seen("pc16", Way.IN, CN, X, data),
        seen("pc16", Way.IN, CN, X, beat),
        seen("pc16", Way.IN, CN, A, data),
        seen("cn", Way.OUT, CN, X, data),
    )
    found = evidence(stakes("data"), packets=packets)
    assert gains(found)["data"] == 1
    assert values(attack_measures(found))["attacker_heartbeats"] == 1
    assert values(attack_measures(found))["attacker_data_bytes"] == len(packets[0].raw) == 32
    assert gained(found) == ["the attacker got: 1 DATA packets (32 bytes)"]


def test_the_session_s_data_under_the_attacker_s_tag_is_his_wherever_it_goes() -> None:
    """RFC 5062, 4: on the path the attacker reads what goes to the mobile node's address."""
    init = Init(7, 1 << 16, 1, 1, 1)
    message, own = (Message(Kind.DATA, Direction.DOWN, n, 1, 0).encode() for n in (1, 2000))
    packets = (
        seen("cn", Way.OUT, CN, A, Data(1, 0, 0, 0, message)),
        seen("cn", Way.OUT, CN, A, Data(2, 0, 1, 0, own)),
        seen("cn", Way.IN, A, CN, Data(3, 0, 0, 0, message)),
    )
    others = AttackSession(2000, t=1, node="lab")
    assert gains(evidence(stakes(), others, sent(init), packets=packets))["data"] == 1
    assert gains(evidence(stakes(), others, sent(replace(init, tag=8)), packets=packets))["data"] == 0


@pytest.mark.parametrize(("refusals", "granted"), [(0, 2), (1, 1), (2, 0)])
def test_refused_requests_are_not_granted(refusals: int, granted: int) -> None:
    answer = AsconfAck(1, tuple(ErrorCauseIndication(n, ()) for n in range(refusals)))
    packets = (seen("cn", Way.IN, X, CN, Asconf(1, ADDS)), seen("cn", Way.OUT, CN, X, answer))
    assert gains(evidence(stakes(), sent(Asconf(1, ADDS)), packets=packets))["requests"] == granted


def test_an_answer_to_the_mobile_node_s_own_request_is_none_to_a_forged_one_that_was_discarded() -> None:
    forged, own = Asconf(1, ADDS), Asconf(1, ADDS[1:])
    arrivals = (seen("cn", Way.IN, X, CN, forged), seen("cn", Way.IN, A, CN, own))
    answered = (*arrivals, seen("cn", Way.OUT, CN, A, AsconfAck(1)))
    assert gains(evidence(stakes(), sent(forged), packets=answered))["requests"] == 0


def test_requests_of_the_attackers_own_association_are_no_gain() -> None:
    packets = (seen("cn", Way.OUT, CN, X, AsconfAck(1)),)
    assert gains(evidence(stakes(), sent(Asconf(1, ADDS), forged=False), packets=packets))["requests"] == 0


def test_what_the_attack_cost_is_counted() -> None:
    asconf = Asconf(1, ADDS)
    found = values(attack_measures(evidence(stakes(), sent(asconf), sent(asconf))))
    assert found["attacker_packets"] == 2
    assert found["attacker_bytes"] == 2 * len(Packet(4000, 5001, 7, (asconf,)).encode())


def test_a_stream_of_the_attackers_own_is_none_of_the_session_s() -> None:
    events = [
        RunStart(0, t=0, node="lab"),
        AttackSession(2, t=1, node="lab"),
        DataSent(1, "down", 1, t=5, node="cn"),
        DataReceived(1, "down", 1, t=5, node="mn"),
        DataSent(2, "down", 1, t=5, node="cn"),
    ]
    found = gather(Trace((), (), truncated=False), events, "mn", "cn")
    assert [key[0] for key in found.sent] == [key[0] for key in found.delivered] == [1]
    assert found.others == {2}


def test_messages_that_never_came_are_kept_from_their_receiver() -> None:
    found = evidence(
        stakes(),
        STIMULUS,
        *(DataSent(1, "up", number, t=t, node="mn") for number, t in ((1, 5), (2, 15), (3, 16))),
        DataReceived(1, "up", 2, t=17, node="cn"),
    )
    assert gains(found)["denials"] == 1


def test_more_and_less_than_is_conceded_is_wrong() -> None:
    packets = (seen("pc16", Way.IN, CN, X, Data(1, 0, 0, 0, b"x")),)
    assert wrong_gains(evidence(stakes("data"), packets=packets)) == []
    assert wrong_gains(evidence(stakes(), packets=packets)) == [
        "the attacker got 1 DATA packets (none expected)"
    ]
    assert wrong_gains(evidence(stakes("data"))) == ["the attacker got 0 DATA packets (some expected)"]


def test_a_session_is_given_up_only_where_that_is_conceded() -> None:
    assert denied(evidence(stakes("denials")))
    assert not denied(evidence(stakes("data")))
    assert not denied(evidence())


def test_a_binding_changes_only_at_the_target_and_after_the_attack() -> None:
    tables = [MipTable((), t=t, node=node) for node, t in (("cn", 5), ("cn", 15), ("fa", 15))]
    assert gains(evidence(stakes(), STIMULUS, *tables))["bindings"] == 1
