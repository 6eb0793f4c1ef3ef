"""Mobile IP on the wire, M1 to M13: what RFC 5944 asks for, in captures of real runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from experiments.denials import HOPELESS, MENDABLE
from experiments.registrations import advertisements, registrations
from kernels.choose import lab_kernels
from nodes.mobileip_settings import Security
from protocols.mobileip.advertisement import ALL_HOSTS, AgentAdvertisement, AgentFlags, AgentSolicitation
from protocols.mobileip.authentication import verify
from protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_FOREIGN, MOBILE_HOME, Authentication
from protocols.mobileip.identification import NTP_UNIX_OFFSET, high, low
from protocols.mobileip.registration import PORT, RegistrationRequest, RequestFlags
from protocols.pcapng import Direction as Way
from tests.uml import mobile_ip_runs as runs

Play = Callable[..., Any]

pytestmark = [
    pytest.mark.skipif(which("linux.uml") is None, reason="needs linux.uml: apt-get install user-mode-linux"),
    pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel"),
    pytest.mark.timeout(300),
]
LATE_S = 0.001
"""How much later than due a process may act in virtual time."""


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    return runs.Player(tmp_path_factory.mktemp("runs"))


# -- M1, M2: agent advertisements --------------------------------------------------------------------------


def test_m1_agents_advertise_themselves_on_their_links_with_ttl_1(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    for node, segment in (("ha", "home"), ("fa", "visited"), ("fa2", "visited2")):
        seen = run.advertised(node)
        assert len(seen) > 10
        for packet, _ in seen:
            assert (packet.nic, packet.destination, packet.datagram.hop_limit) == (segment, ALL_HOSTS, 1)


def test_m1_flags_and_care_of_addresses_say_what_an_agent_is(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    home, foreign = run.advertised("ha")[0][1].mobility, run.advertised("fa")[0][1].mobility
    assert home.flags == AgentFlags.H | AgentFlags.G | AgentFlags.T
    assert home.care_of_addresses == ()
    assert foreign.flags == AgentFlags.F | AgentFlags.G | AgentFlags.T
    assert foreign.care_of_addresses == (runs.FOREIGN_AGENT,)
    assert run.advertised("fa")[0][1].prefix_lengths == (25,)


def test_m2_at_most_one_advertisement_a_second_solicited_or_not(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    for node in ("ha", "fa", "fa2"):
        times = [packet.time_ns for packet, _ in run.advertised(node)]
        assert min(b - a for a, b in pairwise(times)) >= 10**9


def test_m2_a_solicitation_is_answered_at_once_where_the_rate_allows(play: Play) -> None:
    """The home agent has advertised nothing yet when the mobile node starts, and so answers without delay."""
    run = play("mip-move", transport="udp", onward="true")
    solicited = next(
        p.time_ns for p in run.trace.icmp if p.node == "ha" and p.icmp.type == AgentSolicitation.TYPE
    )
    assert run.at(run.advertised("ha")[0][0].time_ns) - run.at(solicited) < LATE_S


def test_m2_the_sequence_begins_at_0_again_after_a_restart_and_makes_the_node_register_anew(
    play: Play,
) -> None:
    run = play("fa-failure")
    numbers = [message.mobility.sequence for _, message in run.advertised("fa")]
    restart = numbers.index(0, 1)
    assert numbers[:restart] == list(range(restart))
    assert numbers[restart:] == list(range(len(numbers) - restart))
    assert [e["agent"] for e in run.of("mip.agent.rebooted", "mn")] == [str(runs.FOREIGN_AGENT)]
    assert len(run.of("mip.registered", "fa")) == 2


# -- M3: movement detection --------------------------------------------------------------------------------


def test_m3_a_move_is_noticed_by_the_next_advertisement_on_the_new_link(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    moved = run.stimulus()
    first = next(p for p, _ in run.advertised("mn", Way.IN) if run.at(p.time_ns) > moved)
    request, _ = run.requests("mn", Way.OUT)[0]
    assert first.source == runs.FOREIGN_AGENT
    assert 0 <= run.at(request.time_ns) - run.at(first.time_ns) < LATE_S
    assert run.judgement.waits_s["detection"] <= 1.0 + LATE_S


def test_m3_silence_for_the_advertised_lifetime_means_that_the_agent_is_lost(play: Play) -> None:
    run = play("fa-failure", back="6")
    last = max(
        p.time_ns for p, _ in run.advertised("mn", Way.IN) if run.at(p.time_ns) < run.stimulus(1) + 0.1
    )
    lost = next(e["t"] / 1e9 for e in run.of("mip.agent.lost", "mn") if e["why"] == "lifetime expired")
    assert lost - run.at(last) == pytest.approx(3.0, abs=LATE_S)


# -- M4 to M7: registration --------------------------------------------------------------------------------


def test_m4_registrations_go_to_port_434_and_replies_echo_home_address_and_identification(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    (packet, request), (answer, reply) = run.requests("mn", Way.OUT)[0], run.replies("mn", Way.IN)[0]
    assert packet.udp.dport == PORT
    assert (packet.source, packet.destination) == (runs.HOME, runs.FOREIGN_AGENT)
    assert (answer.udp.sport, answer.udp.dport) == (PORT, packet.udp.sport)
    assert (packet.udp.payload[0], answer.udp.payload[0]) == (1, 3)
    assert (reply.home_address, reply.identification) == (request.home_address, request.identification)


@pytest.mark.parametrize("settings", [{}, {"algorithm": "sha256"}], ids=["md5", "sha256"])
def test_m5_all_three_authenticators_are_there_and_valid(play: Play, settings: dict[str, str]) -> None:
    run = play("fig01", **settings)
    keys = {k: Security(**v).association() for k, v in run.of("mip.security")[0]["associations"].items()}
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


def test_m6_five_hours_are_asked_and_three_granted(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    assert run.requests("mn", Way.OUT)[0][1].lifetime == 5 * 3600
    assert run.replies("mn", Way.IN)[0][1].lifetime == 3 * 3600


def test_m6_a_lifetime_of_all_ones_is_infinite(play: Play) -> None:
    run = play("fig01", lifetime="65535", granted="65535")
    assert run.replies("mn", Way.IN)[0][1].lifetime == 0xFFFF
    assert run.of("mip.table", "ha")[-1]["rows"][0]["expires_ns"] is None


def test_m7_a_registration_is_renewed_before_it_expires(play: Play) -> None:
    run = play("lifetime-expiry")
    (first, one), (second, other) = run.requests("mn", Way.OUT)
    assert run.at(second.time_ns) - run.at(first.time_ns) == pytest.approx(0.75 * one.lifetime, abs=LATE_S)
    assert other.identification != one.identification
    assert run.at(second.time_ns) < run.stimulus(1)


def test_m7_unanswered_requests_are_repeated_from_one_second_with_back_off_and_new_identifications(
    play: Play,
) -> None:
    run = play("mip-unanswered")
    sent = run.requests("mn", Way.OUT)[:4]
    waits = [round(run.at(b.time_ns) - run.at(a.time_ns), 2) for (a, _), (b, _) in pairwise(sent)]
    assert waits == [1.0, 2.0, 4.0]
    assert len({message.identification for _, message in sent}) == len(sent)


# -- M8, M9: what agents do with requests ------------------------------------------------------------------


def test_m8_the_foreign_agent_relays_what_the_mobile_node_signed_unchanged(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    came, went = run.requests("fa", Way.IN)[0][1], run.requests("fa", Way.OUT)[0][1]
    assert signed(came) == signed(went)
    answered, told = run.replies("fa", Way.IN)[0][1], run.replies("fa", Way.OUT)[0][1]
    assert signed(answered) == signed(told)


def test_m8_the_visitor_is_removed_when_its_lifetime_ends(play: Play) -> None:
    run = play("lifetime-expiry")
    granted = run.of("mip.registered", "fa")[-1]["t"] / 1e9
    expired = run.of("mip.expired", "fa")[0]["t"] / 1e9
    assert expired - granted == pytest.approx(8.0, abs=LATE_S)
    assert run.of("mip.table", "fa")[-1]["rows"] == []


@pytest.mark.parametrize("how", [("silence", 78), ("crash", 82)], ids=["timeout", "port-unreachable"])
def test_m8_an_unanswering_home_agent_is_reported(play: Play, how: tuple[str, int]) -> None:
    assert how[1] in {message.code for _, message in play("mip-unanswered", how=how[0]).replies("mn", Way.IN)}


@pytest.mark.parametrize("code", HOPELESS)
def test_m8_m9_denials_reach_their_cause_and_change_no_binding(play: Play, code: int) -> None:
    run = play("mip-denied", code=str(int(code)))
    # The foreign agent can't authenticate a denial that says it failed authentication: it says so itself (68).
    seen = run.replies("mn", Way.IN) if code != 132 else run.replies("ha", Way.OUT)
    assert {message.code for _, message in seen} == {code}
    if code != 68:  # there the home agent had accepted
        assert [e["rows"] for e in run.of("mip.table", "ha")] == [[]]
        assert run.tunnelled("ha", Way.OUT) == []
    assert [e["rows"] for e in run.of("mip.table", "fa")] == [[]]


@pytest.mark.parametrize("code", MENDABLE)
def test_m9_the_mobile_node_asks_for_what_a_denial_leaves_it(play: Play, code: int) -> None:
    codes = [message.code for _, message in play("mip-mended", code=str(int(code))).replies("mn", Way.IN)]
    assert codes == [code, 0]


# -- M10: deregistration -----------------------------------------------------------------------------------


def test_m10_at_home_all_bindings_are_removed_by_a_lifetime_of_0(play: Play) -> None:
    run = play("return-home")
    packet, request = run.requests("mn", Way.OUT)[-1]
    assert (request.lifetime, request.care_of_address) == (0, runs.HOME)
    assert (packet.source, packet.destination) == (runs.HOME, runs.HOME_AGENT)
    assert (run.replies("mn", Way.IN)[-1][1].code, run.replies("mn", Way.IN)[-1][1].lifetime) == (0, 0)
    assert run.of("mip.table", "ha")[-1]["rows"] == []


def test_m10_from_afar_one_care_of_address_is_removed(play: Play) -> None:
    run = play("mip-withdraw")
    _, request = run.requests("mn", Way.OUT)[-1]
    assert (request.lifetime, request.care_of_address) == (0, runs.FOREIGN_AGENT)
    assert run.of("mip.table", "ha")[-1]["rows"] == []
    assert run.of("mip.table", "fa")[-1]["rows"] == []


# -- M11: tunnels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "protocol"), [({}, 4), ({"encapsulation": "gre"}, 47)], ids=["ipip", "gre"]
)
def test_m11_the_home_agent_tunnels_to_the_care_of_address_and_leaves_the_inner_packet_alone(
    play: Play, settings: dict[str, str], protocol: int
) -> None:
    run = play("fig01", **settings)
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


def test_m11_the_mobile_node_answers_directly_over_the_foreign_agent(play: Play) -> None:
    run = play("fig01")
    assert {p.source for p in run.tunnelled("ha", Way.OUT)} == {runs.CORRESPONDENT}
    assert run.judgement.measures["path_stretch_up"] == pytest.approx(1.0, abs=0.01)
    assert run.judgement.measures["path_stretch_down"] == pytest.approx(88 / 46, abs=0.01)


def test_m11_a_reverse_tunnel_takes_both_directions_over_the_home_agent(play: Play) -> None:
    run = play("fig01", reverse="true", encapsulation="gre")
    assert RequestFlags.T | RequestFlags.G in run.requests("mn", Way.OUT)[0][1].flags
    assert run.requests("mn", Way.OUT)[0][0].datagram.hop_limit == 255  # RFC 3024, 3.1
    back = run.tunnelled("ha", Way.IN)
    assert {(p.source, p.destination) for p in back} == {(runs.HOME, runs.CORRESPONDENT)}
    assert {(p.outer[0].source, p.outer[0].destination) for p in back} == {
        (runs.FOREIGN_AGENT, runs.HOME_AGENT)
    }
    assert run.judgement.measures["path_stretch_up"] == pytest.approx(88 / 46, abs=0.01)


def test_m11_a_co_located_care_of_address_ends_the_tunnel_at_the_mobile_node(play: Play) -> None:
    run = play("mip-move", transport="sctp", care_of="co-located")
    _, request = run.requests("mn", Way.OUT)[0]
    assert RequestFlags.D in request.flags
    assert request.care_of_address == runs.CO_LOCATED
    assert {p.outer[0].destination for p in run.tunnelled("mn", Way.IN)} == {runs.CO_LOCATED}


def test_m11_tunnelling_stops_when_the_lifetime_ends(play: Play) -> None:
    run = play("lifetime-expiry")
    granted = run.replies("ha", Way.OUT)[-1][0].time_ns
    last = max(p.time_ns for p in run.tunnelled("ha", Way.OUT))
    assert 7.9 < run.at(last) - run.at(granted) < 8.0 + LATE_S
    assert any(  # the correspondent still sends, so there would be something to tunnel
        p.time_ns > last + 10**9 for p in run.trace.udp if (p.node, p.direction) == ("cn", Way.OUT)
    )


def test_m11_tunnelling_stops_when_the_node_is_home(play: Play) -> None:
    run = play("return-home")
    done = run.replies("mn", Way.IN)[-1][0].time_ns
    assert not [p for p in run.tunnelled("ha", Way.OUT) if p.time_ns > done]


# -- M12: ARP ----------------------------------------------------------------------------------------------


def test_m12_at_departure_the_home_agent_takes_the_home_address_over_on_the_home_link(play: Play) -> None:
    run = play("mip-move", transport="udp", onward="true")
    registered = run.of("mip.registered", "ha")[0]["t"] / 1e9
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


def test_m12_the_home_agent_answers_arp_for_the_absent_node(play: Play) -> None:
    """The returning node's own gratuitous request is the one that asks, before it has deregistered."""
    run = play("return-home")
    back = run.of("mip.deregistered", "ha")[0]["t"] / 1e9
    answers = [
        p
        for p in run.trace.arp
        if (p.node, p.nic, p.direction, p.arp.operation) == ("ha", "home", Way.OUT, 2)
        and p.arp.sender == runs.HOME
        and run.stimulus(1) < run.at(p.time_ns) < back
    ]
    assert answers


def test_m12_away_the_mobile_node_neither_asks_nor_answers_arp_for_its_home_address(play: Play) -> None:
    for run in (
        play("mip-move", transport="udp", onward="true"),
        play("mip-move", transport="sctp", care_of="co-located"),
    ):
        moved = run.stimulus()
        for packet in run.trace.arp:
            if (packet.node, packet.direction) == ("mn", Way.OUT) and run.at(packet.time_ns) > moved:
                assert runs.HOME not in (packet.arp.sender, packet.arp.target)


def test_m12_at_return_node_and_home_agent_announce_the_nodes_own_link_layer_address(play: Play) -> None:
    run = play("return-home")
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


# -- M13: replay protection --------------------------------------------------------------------------------


@pytest.mark.parametrize("replay", ["timestamps", "nonces"])
def test_m13_a_replayed_request_is_answered_with_133_and_changes_nothing(play: Play, replay: str) -> None:
    run = play("mip-replay", replay=replay)
    before, after = run.requests("mn", Way.OUT)[-2:]
    assert before[0].udp.payload == after[0].udp.payload
    assert run.replies("mn", Way.IN)[-1][1].code == 133
    assert len(run.of("mip.registered", "ha")) == 1
    assert len([e for e in run.of("mip.table", "ha") if e["rows"]]) == 1


def test_m13_timestamps_outside_seven_seconds_are_refused_and_the_reply_sets_the_clock(play: Play) -> None:
    run = play("mip-mended", code="133")
    (_, refused), (_, accepted) = run.requests("mn", Way.OUT)
    denial = run.replies("mn", Way.IN)[0][1]
    clock = run.start // 10**9 + NTP_UNIX_OFFSET
    assert high(refused.identification) - clock == pytest.approx(30 + run.stimulus(), abs=2)
    assert high(denial.identification) - clock == pytest.approx(run.stimulus(), abs=2)
    assert low(denial.identification) == low(refused.identification)
    assert high(accepted.identification) - clock == pytest.approx(run.stimulus(), abs=2)


def test_m13_with_nonces_each_request_returns_the_nonce_of_the_last_reply(play: Play) -> None:
    run = play("fig01", replay="nonces", algorithm="sha256")
    (_, first), (_, second) = run.requests("mn", Way.OUT)
    denied, accepted = (message for _, message in run.replies("mn", Way.IN))
    assert (denied.code, accepted.code) == (133, 0)
    assert high(second.identification) == high(denied.identification)
    assert high(accepted.identification) != high(denied.identification)
    assert low(accepted.identification) == low(second.identification) != low(first.identification)


# Sessions


@pytest.mark.parametrize("transport", ["tcp", "udp", "sctp"])
def test_a_session_of_any_transport_is_carried_through_the_move(play: Play, transport: str) -> None:
    judgement = play("mip-move", transport=transport).judgement
    for direction in ("up", "down"):
        outage = getattr(judgement.outage_s, direction)
        assert outage >= getattr(judgement.lower_bound_s, direction)
        assert outage < 2.0
        if transport != "udp":
            assert getattr(judgement.lost, direction) == 0
    assert judgement.waits_s["registration"] == pytest.approx(2 * 0.047, abs=LATE_S)


def test_the_home_agents_death_ends_mobile_ips_session_but_not_the_association_that_moved(play: Play) -> None:
    assert play("ha-failure").judgement.verdict == "broke"
    survived = play("ha-failure-asconf").judgement
    assert survived.verdict == "survived"
    assert (survived.lost.up, survived.lost.down) == (0, 0)


# tshark agrees


TSHARK_RUNS = (
    ("mip-move", {"transport": "udp", "onward": "true"}),
    ("fig01", {"reverse": "true", "encapsulation": "gre"}),
    ("fig01", {"replay": "nonces", "algorithm": "sha256"}),
    ("return-home", {}),
)


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark: apt-get install tshark")
@pytest.mark.parametrize(
    ("name", "settings"), TSHARK_RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_tshark_reads_the_registrations_as_we_do(play: Play, name: str, settings: dict[str, str]) -> None:
    run = play(name, **settings)
    fields = (
        "type",
        "flags",
        "code",
        "life",
        "homeaddr",
        "haaddr",
        "coa",
        "ident",
        "ext.type",
        "auth.spi",
        "auth.auth",
    )
    rows = tshark(run.capture, "mip", "frame.number", *(f"mip.{name}" for name in fields))
    ours = [[str(packet.index + 1), *described(message)] for packet, message in registrations(run.trace)]
    assert [normal(row) for row in rows] == ours


@pytest.mark.skipif(which("tshark") is None, reason="needs tshark: apt-get install tshark")
@pytest.mark.parametrize(
    ("name", "settings"), TSHARK_RUNS, ids=lambda v: v if isinstance(v, str) else "-".join(v)
)
def test_tshark_reads_the_advertisements_as_we_do(play: Play, name: str, settings: dict[str, str]) -> None:
    run = play(name, **settings)
    rows = tshark(
        run.capture,
        "icmp.type == 9",
        *("frame.number", "ip.src", "icmp.lifetime", "icmp.mip.seq", "icmp.mip.life", "icmp.mip.flags"),
        *("icmp.mip.coa", "icmp.mip.prefixlength"),
    )
    ours = [
        [str(packet.index + 1), str(packet.source), *advertised(m)] for packet, m in advertisements(run.trace)
    ]
    assert [[*row[:5], f"{int(row[5], 16):#06x}", *row[6:]] for row in rows] == ours


def signed(message: Any) -> bytes:
    """A message up to the authenticator that mobile node and home agent share."""
    kinds = [e.type for e in message.extensions]
    kept = message.extensions[: kinds.index(MOBILE_HOME) + 1]
    whole: bytes = message.encode()
    return whole[: message.FIXED.size] + b"".join(e.encode() for e in kept)


def tshark(capture: Path, condition: str, *fields: str) -> list[list[str]]:
    asked = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(capture), "-Y", condition, "-T", "fields", "-E", "occurrence=a", *asked]
    read = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"TZ": "UTC", "PATH": "/usr/bin"}
    )
    return [line.split("\t") for line in read.stdout.splitlines()]


def normal(row: list[str]) -> list[str]:
    """A row of tshark's with its spellings made ours: flags as a number, times to the microsecond, bytes without colons."""
    frame, kind, flags, code, life, home, agent, care_of, ident, types, spi, auth = row
    flags = str(int(flags, 16)) if kind == "1" else ""
    spi = ",".join(str(int(s, 0)) for s in spi.split(","))
    return [
        frame,
        kind,
        flags,
        code,
        life,
        home,
        agent,
        care_of,
        moment(ident),
        types,
        spi,
        auth.replace(":", ""),
    ]


def described(message: Any) -> list[str]:
    request = isinstance(message, RegistrationRequest)
    authentications = [e for e in message.extensions if isinstance(e, Authentication)]
    seconds, fraction = high(message.identification), low(message.identification)
    # An NTP timestamp with its first bit clear is of the era that began in 2036 (RFC 4330, 3).
    era = 0 if seconds & 0x80000000 else 1 << 32
    time = datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds + era)
    return [
        str(message.TYPE),
        str(int(message.flags)) if request else "",
        "" if request else str(message.code),
        str(message.lifetime),
        str(message.home_address),
        str(message.home_agent),
        str(message.care_of_address) if request else "",
        f"{time:%Y-%m-%d %H:%M:%S}.{fraction * 10**6 >> 32:06d}",
        ",".join(str(e.type) for e in authentications),
        ",".join(str(e.spi) for e in authentications),
        ",".join(e.authenticator.hex() for e in authentications),
    ]


def moment(text: str) -> str:
    """tshark's "Nov 23, 2026 05:00:00.123456789 UTC" to the microsecond."""
    day, _, clock = text.removesuffix(" UTC").rpartition(" ")
    date = datetime.strptime(" ".join(day.split()), "%b %d, %Y").replace(tzinfo=UTC)
    whole, _, fraction = clock.partition(".")
    return f"{date:%Y-%m-%d} {whole}.{fraction[:6]}"


def advertised(message: AgentAdvertisement) -> list[str]:
    mobility = message.mobility
    assert mobility
    return [
        str(message.lifetime),
        str(mobility.sequence),
        str(mobility.registration_lifetime),
        f"{int(mobility.flags):#06x}",
        ",".join(map(str, mobility.care_of_addresses)),
        ",".join(map(str, message.prefix_lengths)),
    ]
