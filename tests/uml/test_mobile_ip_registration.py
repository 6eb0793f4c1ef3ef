"""Mobile IP on the wire: finding agents, registering, being denied, deregistering (M1 to M10), replay (M13)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from roamlab.agents.mobileip_settings import association
from roamlab.lab.denials import HOPELESS, MENDABLE
from roamlab.protocols.mobileip.advertisement import ALL_HOSTS, AgentFlags, AgentSolicitation
from roamlab.protocols.mobileip.authentication import verify
from roamlab.protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_FOREIGN, MOBILE_HOME
from roamlab.protocols.mobileip.identification import NTP_UNIX_OFFSET, high, low
from roamlab.protocols.mobileip.registration import PORT, RequestFlags
from roamlab.protocols.pcapng import Direction as Way
from roamlab.record.events import LinkUp
from roamlab.record.mobile_ip_events import (
    MipAgentLost,
    MipAgentRebooted,
    MipExpired,
    MipRegistered,
    MipRequest,
    MipSecurity,
    MipTable,
)
from tests.uml import mobile_ip_runs as runs
from tests.uml.mobile_ip_runs import LATE_S, Player, needs_lab_kernel

pytestmark = needs_lab_kernel


# -- M1, M2: agent advertisements --------------------------------------------------------------------------


def test_m1_agents_advertise_themselves_on_their_links_with_ttl_1(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    for node, segment in (("ha", "home"), ("fa", "visited"), ("fa2", "visited2")):
        seen = run.advertised(node)
        assert len(seen) > 10
        for packet, _ in seen:
            assert (packet.nic, packet.destination, packet.datagram.hop_limit) == (segment, ALL_HOSTS, 1)


def test_m1_flags_and_care_of_addresses_say_what_an_agent_is(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    home, foreign = run.advertised("ha")[0][1].mobility, run.advertised("fa")[0][1].mobility
    assert home.flags == AgentFlags.H | AgentFlags.G | AgentFlags.T
    assert home.care_of_addresses == ()
    assert foreign.flags == AgentFlags.F | AgentFlags.G | AgentFlags.T
    assert foreign.care_of_addresses == (runs.FOREIGN_AGENT,)
    assert run.advertised("fa")[0][1].prefix_lengths == (25,)


def test_m2_at_most_one_advertisement_a_second_solicited_or_not(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    for node in ("ha", "fa", "fa2"):
        times = [packet.time_ns for packet, _ in run.advertised(node)]
        assert min(b - a for a, b in pairwise(times)) >= 10**9


def test_m2_a_solicitation_is_answered_at_once_where_the_rate_allows(mobile_ip: Player) -> None:
    """The home agent has advertised nothing yet when the mobile node starts, and so answers without delay."""
    run = mobile_ip("mip-move", transport="udp", onward="true")
    solicited = next(
        p.time_ns for p in run.trace.icmp if p.node == "ha" and p.icmp.type == AgentSolicitation.TYPE
    )
    assert run.at(run.advertised("ha")[0][0].time_ns) - run.at(solicited) < LATE_S


def test_m2_the_sequence_begins_at_0_again_after_a_restart_and_makes_the_node_register_anew(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("fa-failure")
    numbers = [message.mobility.sequence for _, message in run.advertised("fa")]
    restart = numbers.index(0, 1)
    assert numbers[:restart] == list(range(restart))
    assert numbers[restart:] == list(range(len(numbers) - restart))
    assert [e.agent for e in run.of(MipAgentRebooted, "mn")] == [str(runs.FOREIGN_AGENT)]
    assert len(run.of(MipRegistered, "fa")) == 2


def test_m2_the_sequence_number_after_0xffff_is_256_and_makes_nobody_register_anew(mobile_ip: Player) -> None:
    run = mobile_ip("fa-rollover")
    heard = [message.mobility.sequence for _, message in run.advertised("mn", Way.IN)]
    assert [*range(0xFFFC, 0x10000), *range(256, 260)] == heard[heard.index(0xFFFC) :][:8]
    assert run.of(MipAgentRebooted, "mn") == []
    assert len(run.of(MipRegistered, "fa")) == len(run.of(MipRequest, "mn")) == 1


def test_m2_the_first_solicitation_on_a_new_link_reaches_its_agent(mobile_ip: Player) -> None:
    """A host's first packet finds the way open: the NIC's carrier comes behind that of the segment's end."""
    run = mobile_ip("mip-move", transport="udp", onward="true")
    for move, agent in enumerate(("fa", "fa2")):
        moved = run.stimulus(move)
        sent, arrived = (
            next(
                run.at(p.time_ns)
                for p in run.trace.icmp
                if (p.icmp.type, p.node, p.direction) == (AgentSolicitation.TYPE, node, way)
                and run.at(p.time_ns) > moved
            )
            for node, way in (("mn", Way.OUT), (agent, Way.IN))
        )
        up = next(e.t / 1e9 for e in run.of(LinkUp, "mn") if e.t / 1e9 > moved)
        assert 0 < sent - up < LATE_S
        assert arrived - sent == pytest.approx(0.005, abs=LATE_S)


# -- M3: movement detection --------------------------------------------------------------------------------


def test_m3_a_move_is_noticed_by_the_next_advertisement_on_the_new_link(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    moved = run.stimulus()
    first = next(p for p, _ in run.advertised("mn", Way.IN) if run.at(p.time_ns) > moved)
    request, _ = run.requests("mn", Way.OUT)[0]
    assert first.source == runs.FOREIGN_AGENT
    assert 0 <= run.at(request.time_ns) - run.at(first.time_ns) < LATE_S
    assert run.judgement.waits_s["detection"] <= 1.0 + LATE_S


def test_m3_silence_for_the_advertised_lifetime_means_that_the_agent_is_lost(mobile_ip: Player) -> None:
    run = mobile_ip("fa-failure", back="6")
    last = max(
        p.time_ns for p, _ in run.advertised("mn", Way.IN) if run.at(p.time_ns) < run.stimulus(1) + 0.1
    )
    lost = next(e.t / 1e9 for e in run.of(MipAgentLost, "mn") if e.why == "lifetime expired")
    assert lost - run.at(last) == pytest.approx(3.0, abs=LATE_S)


# -- M4 to M7: registration --------------------------------------------------------------------------------


def test_m4_registrations_go_to_port_434_and_replies_echo_home_address_and_identification(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    (packet, request), (answer, reply) = run.requests("mn", Way.OUT)[0], run.replies("mn", Way.IN)[0]
    assert packet.udp.dport == PORT
    assert (packet.source, packet.destination) == (runs.HOME, runs.FOREIGN_AGENT)
    assert (answer.udp.sport, answer.udp.dport) == (PORT, packet.udp.sport)
    assert (packet.udp.payload[0], answer.udp.payload[0]) == (1, 3)
    assert (reply.home_address, reply.identification) == (request.home_address, request.identification)


@pytest.mark.parametrize("settings", [{}, {"algorithm": "sha256"}], ids=["md5", "sha256"])
def test_m5_all_three_authenticators_are_there_and_valid(mobile_ip: Player, settings: dict[str, str]) -> None:
    run = mobile_ip("fig01", **settings)
    keys = {k: association(v) for k, v in run.of(MipSecurity)[0].associations.items()}
    home = keys[f"{runs.HOME} {runs.HOME_AGENT}"]
    visiting = keys[f"{runs.HOME} {runs.FOREIGN_AGENT}"]
    relaying = keys[f"{runs.FOREIGN_AGENT} {runs.HOME_AGENT}"]
    assert home.algorithm.digest_name == settings.get("algorithm", "md5")
    for link in (run.requests("mn", Way.OUT), run.replies("mn", Way.IN)):
        for _, message in link:
            assert verify(message, MOBILE_HOME, home)
            assert verify(message, MOBILE_FOREIGN, visiting)
    for wired in (run.requests("ha", Way.IN), run.replies("ha", Way.OUT)):
        for _, message in wired:
            assert verify(message, MOBILE_HOME, home)
            assert verify(message, FOREIGN_HOME, relaying)


def test_m6_five_hours_are_asked_and_three_granted(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    assert run.requests("mn", Way.OUT)[0][1].lifetime == 5 * 3600
    assert run.replies("mn", Way.IN)[0][1].lifetime == 3 * 3600


def test_m6_a_lifetime_of_all_ones_is_infinite(mobile_ip: Player) -> None:
    run = mobile_ip("fig01", lifetime="65535", granted="65535")
    assert run.replies("mn", Way.IN)[0][1].lifetime == 0xFFFF
    assert run.of(MipTable, "ha")[-1].rows[0].expires_ns is None


def test_m7_a_registration_is_renewed_before_it_expires(mobile_ip: Player) -> None:
    run = mobile_ip("lifetime-expiry")
    (first, one), (second, other) = run.requests("mn", Way.OUT)
    assert run.at(second.time_ns) - run.at(first.time_ns) == pytest.approx(0.75 * one.lifetime, abs=LATE_S)
    assert other.identification != one.identification
    assert run.at(second.time_ns) < run.stimulus(1)


def test_m7_unanswered_requests_are_repeated_from_one_second_with_back_off_and_new_identifications(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("mip-unanswered")
    sent = run.requests("mn", Way.OUT)[:4]
    waits = [round(run.at(b.time_ns) - run.at(a.time_ns), 2) for (a, _), (b, _) in pairwise(sent)]
    assert waits == [1.0, 2.0, 4.0]
    assert len({message.identification for _, message in sent}) == len(sent)


# -- M8, M9: what agents do with requests ------------------------------------------------------------------


def test_m8_the_foreign_agent_relays_what_the_mobile_node_signed_unchanged(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp", onward="true")
    came, went = run.requests("fa", Way.IN)[0][1], run.requests("fa", Way.OUT)[0][1]
    assert signed(came) == signed(went)
    answered, told = run.replies("fa", Way.IN)[0][1], run.replies("fa", Way.OUT)[0][1]
    assert signed(answered) == signed(told)


def test_m8_the_visitor_is_removed_when_its_lifetime_ends(mobile_ip: Player) -> None:
    run = mobile_ip("lifetime-expiry")
    granted = run.of(MipRegistered, "fa")[-1].t / 1e9
    expired = run.of(MipExpired, "fa")[0].t / 1e9
    assert expired - granted == pytest.approx(8.0, abs=LATE_S)
    assert run.of(MipTable, "fa")[-1].rows == ()


@pytest.mark.parametrize("how", [("silence", 78), ("crash", 82)], ids=["timeout", "port-unreachable"])
def test_m8_an_unanswering_home_agent_is_reported(mobile_ip: Player, how: tuple[str, int]) -> None:
    assert how[1] in {
        message.code for _, message in mobile_ip("mip-unanswered", how=how[0]).replies("mn", Way.IN)
    }


@pytest.mark.parametrize("code", HOPELESS)
def test_m8_m9_denials_reach_their_cause_and_change_no_binding(mobile_ip: Player, code: int) -> None:
    run = mobile_ip("mip-denied", code=str(int(code)))
    # The foreign agent can't authenticate a denial that says it failed authentication: it says so itself (68).
    seen = run.replies("mn", Way.IN) if code != 132 else run.replies("ha", Way.OUT)
    assert {message.code for _, message in seen} == {code}
    if code != 68:  # there the home agent had accepted
        assert [e.rows for e in run.of(MipTable, "ha")] == [()]
        assert run.tunnelled("ha", Way.OUT) == []
    assert [e.rows for e in run.of(MipTable, "fa")] == [()]


@pytest.mark.parametrize("code", MENDABLE)
def test_m9_the_mobile_node_asks_for_what_a_denial_leaves_it(mobile_ip: Player, code: int) -> None:
    codes = [
        message.code for _, message in mobile_ip("mip-mended", code=str(int(code))).replies("mn", Way.IN)
    ]
    assert codes == [code, 0]


# -- M10: deregistration -----------------------------------------------------------------------------------


def test_m10_at_home_all_bindings_are_removed_by_a_lifetime_of_0(mobile_ip: Player) -> None:
    run = mobile_ip("return-home")
    packet, request = run.requests("mn", Way.OUT)[-1]
    assert (request.lifetime, request.care_of_address) == (0, runs.HOME)
    assert (packet.source, packet.destination) == (runs.HOME, runs.HOME_AGENT)
    assert (run.replies("mn", Way.IN)[-1][1].code, run.replies("mn", Way.IN)[-1][1].lifetime) == (0, 0)
    assert run.of(MipTable, "ha")[-1].rows == ()


def test_m10_from_afar_one_care_of_address_is_removed(mobile_ip: Player) -> None:
    run = mobile_ip("mip-withdraw")
    _, request = run.requests("mn", Way.OUT)[-1]
    assert (request.lifetime, request.care_of_address) == (0, runs.FOREIGN_AGENT)
    assert run.of(MipTable, "ha")[-1].rows == ()
    assert run.of(MipTable, "fa")[-1].rows == ()


# -- M13: replay protection --------------------------------------------------------------------------------


@pytest.mark.parametrize("replay", ["timestamps", "nonces"])
def test_m13_a_replayed_request_is_answered_with_133_and_changes_nothing(
    mobile_ip: Player, replay: str
) -> None:
    run = mobile_ip("mip-replay", replay=replay)
    before, after = run.requests("mn", Way.OUT)[-2:]
    assert before[0].udp.payload == after[0].udp.payload
    assert run.replies("mn", Way.IN)[-1][1].code == 133
    assert len(run.of(MipRegistered, "ha")) == 1
    assert len([e for e in run.of(MipTable, "ha") if e.rows]) == 1


def test_m13_timestamps_outside_seven_seconds_are_refused_and_the_reply_sets_the_clock(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("mip-mended", code="133")
    (_, refused), (_, accepted) = run.requests("mn", Way.OUT)
    denial = run.replies("mn", Way.IN)[0][1]
    clock = run.start // 10**9 + NTP_UNIX_OFFSET
    assert high(refused.identification) - clock == pytest.approx(30 + run.stimulus(), abs=2)
    assert high(denial.identification) - clock == pytest.approx(run.stimulus(), abs=2)
    assert low(denial.identification) == low(refused.identification)
    assert high(accepted.identification) - clock == pytest.approx(run.stimulus(), abs=2)


def test_m13_with_nonces_each_request_returns_the_nonce_of_the_last_reply(mobile_ip: Player) -> None:
    run = mobile_ip("fig01", replay="nonces", algorithm="sha256")
    (_, first), (_, second) = run.requests("mn", Way.OUT)
    denied, accepted = (message for _, message in run.replies("mn", Way.IN))
    assert (denied.code, accepted.code) == (133, 0)
    assert high(second.identification) == high(denied.identification)
    assert high(accepted.identification) != high(denied.identification)
    assert low(accepted.identification) == low(second.identification) != low(first.identification)


def signed(message: Any) -> bytes:
    """A message up to the authenticator that mobile node and home agent share."""
    kinds = [e.type for e in message.extensions]
    kept = message.extensions[: kinds.index(MOBILE_HOME) + 1]
    whole: bytes = message.encode()
    return whole[: message.FIXED.size] + b"".join(e.encode() for e in kept)


def test_m1_the_r_bit_makes_a_co_located_node_register_through_the_foreign_agent(mobile_ip: Player) -> None:
    run = mobile_ip("return-home", care_of="co-located-through-agent")
    assert AgentFlags.R in run.advertised("fa")[0][1].mobility.flags
    packet, request = next(
        (p, m) for p, m in run.requests("mn", Way.OUT) if p.destination == runs.FOREIGN_AGENT
    )
    assert RequestFlags.D in request.flags
    assert (packet.source, request.care_of_address) == (runs.CO_LOCATED, runs.CO_LOCATED)
    listed = run.of(MipTable, "fa")[-1].rows
    assert [row.co_located for row in listed] == [True]
    assert {p.outer[0].destination for p in run.tunnelled("ha", Way.OUT)} == {runs.CO_LOCATED}
