"""Mobile IP on the wire: tunnels (M11), ARP (M12), and what becomes of sessions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roamlab.judge.evidence import gather
from roamlab.judge.verdict import judge
from roamlab.protocols import payload, pcapng, trace
from roamlab.protocols.mobileip.registration import RequestFlags
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import UdpPacket
from roamlab.record import run_directory
from roamlab.record.event import encoder
from roamlab.record.events import SessionOpened
from roamlab.record.mobile_ip_events import MipDeregistered, MipRegistered
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Fail, Halt
from tests.uml import mobile_ip_runs as runs
from tests.uml.mobile_ip_runs import LATE_S, Player, needs_lab_kernel

pytestmark = needs_lab_kernel


# -- M11: tunnels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "protocol"), [({}, 4), ({"encapsulation": "gre"}, 47)], ids=["ipip", "gre"]
)
def test_m11_the_home_agent_tunnels_to_the_care_of_address_and_leaves_the_inner_packet_alone(
    mobile_ip: Player, settings: dict[str, str], protocol: int
) -> None:
    run = mobile_ip("fig01", **settings)
    tunnelled = run.tunnelled("ha", Way.OUT)
    assert len(tunnelled) > 150
    original = {p.udp.payload: p for p in run.trace.udp if (p.node, p.direction) == ("cn", Way.OUT)}
    for packet in tunnelled:
        (outer,) = packet.outer
        assert (outer.source, outer.destination) == (runs.HOME_AGENT, runs.FOREIGN_AGENT)
        assert outer.protocol == protocol
        sent = original[packet.udp.payload]
        assert (packet.source, packet.destination) == (runs.CORRESPONDENT, runs.HOME)
        assert (packet.udp.sport, packet.udp.dport) == (sent.udp.sport, sent.udp.dport)


def test_m11_the_mobile_node_answers_directly_over_the_foreign_agent(mobile_ip: Player) -> None:
    run = mobile_ip("fig01")
    assert {p.source for p in run.tunnelled("ha", Way.OUT)} == {runs.CORRESPONDENT}
    assert run.judgement.figures["path_stretch_up"] == pytest.approx(1.0, abs=0.01)
    assert run.judgement.figures["path_stretch_down"] == pytest.approx(88 / 46, abs=0.01)


def test_m11_a_reverse_tunnel_takes_both_directions_over_the_home_agent(mobile_ip: Player) -> None:
    run = mobile_ip("fig01", reverse="true", encapsulation="gre")
    assert RequestFlags.T | RequestFlags.G in run.requests("mn", Way.OUT)[0][1].flags
    assert run.requests("mn", Way.OUT)[0][0].datagram.hop_limit == 255  # RFC 3024, 3.2
    back = run.tunnelled("ha", Way.IN)
    assert {(p.source, p.destination) for p in back} == {(runs.HOME, runs.CORRESPONDENT)}
    assert {(p.outer[0].source, p.outer[0].destination) for p in back} == {
        (runs.FOREIGN_AGENT, runs.HOME_AGENT)
    }
    assert run.judgement.figures["path_stretch_up"] == pytest.approx(88 / 46, abs=0.01)


def test_m11_a_co_located_care_of_address_ends_the_tunnel_at_the_mobile_node(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="sctp", care_of="co-located")
    _, request = run.requests("mn", Way.OUT)[0]
    assert RequestFlags.D in request.flags
    assert request.care_of_address == runs.CO_LOCATED
    assert {p.outer[0].destination for p in run.tunnelled("mn", Way.IN)} == {runs.CO_LOCATED}


def test_m11_tunnelling_stops_when_the_lifetime_ends(mobile_ip: Player) -> None:
    run = mobile_ip("lifetime-expiry")
    granted = run.replies("ha", Way.OUT)[-1][0].time_ns
    last = max(p.time_ns for p in run.tunnelled("ha", Way.OUT))
    assert 7.9 < run.at(last) - run.at(granted) < 8.0 + LATE_S
    assert any(  # the correspondent still sends, so there would be something to tunnel
        p.time_ns > last + 10**9 for p in run.trace.udp if (p.node, p.direction) == ("cn", Way.OUT)
    )


def test_m11_tunnelling_stops_when_the_node_is_home(mobile_ip: Player) -> None:
    run = mobile_ip("return-home")
    done = run.replies("mn", Way.IN)[-1][0].time_ns
    assert not [p for p in run.tunnelled("ha", Way.OUT) if p.time_ns > done]


# -- M12: ARP ----------------------------------------------------------------------------------------------


def test_m12_at_departure_the_home_agent_takes_the_home_address_over_on_the_home_link(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    registered = run.of(MipRegistered, "ha")[0].t / 1e9
    own = next(
        p.arp.sender_hardware for p in run.trace.arp if p.node == "ha" and p.arp.sender == runs.HOME_AGENT
    )
    taken = [
        p
        for p in run.trace.arp
        if (p.node, p.nic, p.direction) == ("ha", "home", Way.OUT) and p.arp.sender == runs.HOME
    ]
    assert [p.arp.operation for p in taken] == [1, 2]
    for packet in taken:
        assert packet.arp.gratuitous
        assert packet.arp.sender_hardware == own
        assert run.at(packet.time_ns) - registered < LATE_S


def test_m12_the_home_agent_answers_arp_for_the_absent_node(mobile_ip: Player) -> None:
    """The returning node's own gratuitous request is the one that asks, before it has deregistered."""
    run = mobile_ip("return-home")
    back = run.of(MipDeregistered, "ha")[0].t / 1e9
    answers = [
        p
        for p in run.trace.arp
        if (p.node, p.nic, p.direction, p.arp.operation) == ("ha", "home", Way.OUT, 2)
        and p.arp.sender == runs.HOME
        and run.stimulus(1) < run.at(p.time_ns) < back
    ]
    assert answers


def test_m12_away_the_mobile_node_neither_asks_nor_answers_arp_for_its_home_address(
    mobile_ip: Player,
) -> None:
    for run in (
        mobile_ip("mip-move", transport="udp", onward="true"),
        mobile_ip("mip-move", transport="sctp", care_of="co-located"),
    ):
        moved = run.stimulus()
        for packet in run.trace.arp:
            if (packet.node, packet.direction) == ("mn", Way.OUT) and run.at(packet.time_ns) > moved:
                assert runs.HOME not in (packet.arp.sender, packet.arp.target)


def test_m12_at_return_node_and_home_agent_announce_the_nodes_own_link_layer_address(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("return-home")
    back = run.stimulus(1)
    own = next(p.arp.sender_hardware for p in run.trace.arp if p.node == "mn" and p.arp.sender == runs.HOME)
    announced = [
        (p.node, p.arp.sender_hardware)
        for p in run.trace.arp
        if p.direction is Way.OUT
        and run.at(p.time_ns) > back
        and p.arp.gratuitous
        and p.arp.sender == runs.HOME
    ]
    assert ("mn", own) in announced
    assert announced[-2:] == [("ha", own)] * 2


# -- sessions ------


@pytest.mark.parametrize("transport", ["tcp", "udp", "sctp"])
def test_a_session_of_any_transport_is_carried_through_the_move(mobile_ip: Player, transport: str) -> None:
    judgement = mobile_ip("mip-move", transport=transport).judgement
    for direction in ("up", "down"):
        outage = getattr(judgement.outage_s, direction)
        assert outage >= getattr(judgement.lower_bound_s, direction)
        assert outage < 2.0
        if transport != "udp":
            assert getattr(judgement.lost, direction) == 0
    assert judgement.figures["registration_1_s"] == pytest.approx(2 * 0.047, abs=LATE_S)


def test_a_flow_whose_first_datagrams_are_lost_is_greeted_again(mobile_ip: Player) -> None:
    run = mobile_ip("fig01", edge_loss="30", edge_jitter_ms="1")
    greetings = [
        packet
        for packet in run.trace.sightings
        if isinstance(packet, UdpPacket)
        and (packet.node, packet.direction) == ("cn", Way.OUT)
        and (message := payload.decode(packet.udp.payload))
        and message.kind is payload.Kind.HELLO
    ]
    assert len(greetings) > 1
    assert len(run.of(SessionOpened)) == 1


def test_the_home_agents_death_ends_mobile_ips_session_but_not_the_association_that_moved(
    mobile_ip: Player,
) -> None:
    assert mobile_ip("ha-failure").judgement.verdict == "broke"
    survived = mobile_ip("ha-failure-asconf").judgement
    assert survived.verdict == "survived"
    assert (survived.lost.up, survived.lost.down) == (0, 0)


# -- verdicts rest on the capture --------------------------------------------------------------------------------------


def without(run: Any, where: Path, keep: Callable[[trace.Sighting], bool]) -> RunDirectory:
    """A copy of a run whose capture lacks what ``keep`` refuses."""
    shutil.copytree(run.directory.path, where)
    copied = RunDirectory.open(where)
    kept = {p.index for p in run.trace.sightings if keep(p)}
    captured = pcapng.read(run.capture)
    with (where / run_directory.CAPTURE).open("wb", buffering=0) as file:
        writer = pcapng.Writer(file)
        numbers = {item.name: writer.interface(item.name) for item in captured.interfaces}
        for index, packet in enumerate(captured.packets):
            if index in kept:
                number = numbers[packet.interface_name]
                writer.packet(number, packet.time_ns, packet.data, direction=packet.direction)
    return copied


def test_a_move_without_an_advertisement_of_the_new_agent_is_invalid(
    mobile_ip: Player, tmp_path: Path
) -> None:
    run = mobile_ip("mip-move", transport="udp")
    copied = without(
        run,
        tmp_path / "run",
        lambda p: not (isinstance(p, trace.IcmpPacket) and p.source == runs.FOREIGN_AGENT),
    )
    judgement = judge(copied)
    assert judgement.verdict == "invalid"
    assert "the move at 5.0 s is not in the capture" in judgement.reasons


def test_a_replay_that_nobody_sent_is_invalid(mobile_ip: Player, tmp_path: Path) -> None:
    run = mobile_ip("mip-replay", replay="timestamps")
    replayed = run.requests("mn", Way.OUT)[-1][0].index
    judgement = judge(without(run, tmp_path / "run", lambda p: p.index != replayed))
    assert judgement.verdict == "invalid"


@pytest.mark.parametrize("name", ["ha-failure", "lifetime-expiry", "mip-unanswered"])
def test_an_agent_or_client_that_goes_on_was_not_stopped(
    mobile_ip: Player, tmp_path: Path, name: str
) -> None:
    """The stimulus is claimed to have come earlier than it did: what was still seen then refutes it."""
    shutil.copytree(mobile_ip(name).directory.path, tmp_path / "run")
    copied = RunDirectory.open(tmp_path / "run")
    events = list(copied.events())
    stimulus = next(e for e in events if isinstance(e, Fail | Halt))
    stimulus.t = round(1.5 * 10**9) if isinstance(stimulus, Fail) else (5 * 10**9)
    lines = b"".join(encoder().encode(event) + b"\n" for event in events)
    (copied.path / run_directory.EVENTS).write_bytes(lines)
    assert judge(copied).verdict == "invalid"


def test_messages_in_tcp_are_accounted_for_from_the_capture_alone(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="tcp")
    evidence = gather(run.trace, run.events, "mn", "cn")
    assert set(evidence.arrived) == set(evidence.delivered) == set(evidence.departed)
    for key, arrival in evidence.arrived.items():
        assert evidence.departed[key].time_ns < arrival.time_ns <= evidence.delivered[key][0]
