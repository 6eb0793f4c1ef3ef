"""Attacks in a guest: what arrived, what the verdict says that the attacker got, and what became of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from roamlab.record.result import Judgement
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

Play = Callable[..., Judgement]

pytestmark = needs_lab_kernel


@pytest.fixture
def play(mobile_ip: Player) -> Play:
    """Play a scenario once a session; it must come to the verdict that it announces."""
    return lambda name, **settings: mobile_ip(name, **settings).judgement


@pytest.mark.parametrize(
    "settings",
    [
        {"position": "off-path"},
        {"position": "off-path", "spoof": "true"},
        {"position": "on-path"},
        {"position": "on-path", "signing": "junk"},
        {"position": "on-path", "signing": "junk", "spoof": "true"},
        {"position": "off-path", "family": "6"},
    ],
)
def test_with_auth_a_forged_asconf_gets_nothing_not_even_an_answer(
    play: Play, settings: dict[str, str]
) -> None:
    judgement = play("attack-asconf", **settings)
    assert not any(link.step.startswith("ASCONF-ACK") for link in judgement.chain)
    assert "the attacker got: nothing" in judgement.reasons
    assert judgement.figures["attacker_packets"] == 2
    assert judgement.figures["attacker_other_answers"] == 0
    assert judgement.lost.up == judgement.lost.down == 0


@pytest.mark.parametrize(
    ("name", "family"),
    [("attack-asconf-noauth", "4"), ("attack-asconf-key", "4"), ("attack-asconf-key", "6")],
)
def test_without_auth_or_with_the_key_an_attacker_on_the_path_gets_the_data(
    play: Play, name: str, family: str
) -> None:
    judgement = play(name, family=family)
    assert judgement.figures["attacker_requests"] == 3
    assert judgement.figures["attacker_data"] > 100
    assert "the attacker got: nothing" not in judgement.reasons


def test_only_heartbeats_reach_a_victim_that_is_added_and_preferred(play: Play) -> None:
    judgement = play("attack-bombing")
    assert judgement.figures["attacker_data"] == 0
    assert judgement.figures["attacker_heartbeats"] > 0


def test_each_cookie_sent_again_has_heartbeats_sent_to_six_addresses(play: Play) -> None:
    """RFC 5062, 6: more packets reach the victim than the attacker sends."""
    figures = play("attack-bombing-cookie").figures
    assert figures["attacker_heartbeats"] > 2 * figures["attacker_packets"]
    assert figures["attacker_data"] == 0


def test_many_heartbeats_in_a_packet_are_answered_in_one_and_unknown_chunks_not_there(play: Play) -> None:
    """RFC 5062, 8: the answers are bundled, and an ERROR goes to no address that is not verified."""
    assert play("attack-bombing-chunks").figures["attacker_other_answers"] == 1
    assert play("attack-bombing-chunks", what="unknown chunks").figures["attacker_other_answers"] == 0


def test_an_init_in_a_victim_s_name_is_answered_with_more_bytes_than_it_has(play: Play) -> None:
    """RFC 5062, 9: one packet, for the cookie is in it."""
    figures = play("attack-reflect").figures
    assert figures["attacker_answers"] == figures["attacker_packets"] == 1
    assert figures["attacker_answers_bytes"] > 3 * figures["attacker_bytes"]


@pytest.mark.parametrize("family", ["4", "6"])
def test_data_reaches_a_victim_that_is_the_only_address_left(play: Play, family: str) -> None:
    judgement = play("attack-bombing-last", family=family)
    assert judgement.figures["attacker_data"] > 0


def test_forged_sacks_keep_a_stream_to_a_victim_going(play: Play) -> None:
    """Far more reaches the victim than the attacker sends; without the SACKs next to nothing does."""
    fed, unfed = play("attack-bombing-sacks").figures, play("attack-bombing-sacks", sacks="false").figures
    assert fed["attacker_data_bytes"] > 100 * fed["attacker_bytes"]
    assert 0 < unfed["attacker_data"] < 20


@pytest.mark.parametrize(
    ("name", "family"), [("attack-camping", "4"), ("attack-stealing", "4"), ("attack-stealing", "6")]
)
def test_an_association_that_claims_the_mobile_nodes_address_has_its_packets(
    play: Play, name: str, family: str
) -> None:
    judgement = play(name, family=family)
    assert judgement.expected == "broke"
    assert judgement.figures["attacker_denials"] > 100
    assert judgement.figures["attacker_data"] == 0


def test_camping_at_a_one_to_many_socket_has_the_mobile_node_end_its_own_session(play: Play) -> None:
    """The ADD is answered with a resource shortage (0xA1), to which Linux answers with ABORT."""
    judgement = play("attack-camping", how="attach", listening="one-to-many")
    assert any("(0x00a1)" in link.text for link in judgement.chain)
    assert any("ended with ABORT" in reason for reason in judgement.reasons)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("attack-camping", {"how": "attach"}),
        ("attack-stealing", {"listening": "one-to-many"}),
        ("attack-stealing", {"how": "init"}),
        ("attack-restart", {}),
        ("attack-reuse", {}),
        ("attack-hijack", {}),
        ("attack-redirect", {"port": "source"}),
        ("attack-redirect", {"port": "destination"}),
        ("attack-cookie", {"source": "mobile"}),
        ("attack-cookie", {"source": "own"}),
    ],
)
def test_what_the_correspondent_withstands(play: Play, name: str, settings: dict[str, str]) -> None:
    judgement = play(name, **settings)
    assert "the attacker got: nothing" in judgement.reasons
    assert judgement.lost.up == judgement.lost.down == 0


def test_without_auth_a_cookie_s_tie_tags_are_as_good_as_the_association_s_tags(play: Play) -> None:
    """RFC 5062, 3: Linux puts the very tags into the cookie (finding 21)."""
    judgement = play("attack-hijack", auth="false")
    assert judgement.figures["attacker_requests"] == 3
    assert judgement.figures["attacker_denials"] > 1000


def test_with_the_mobile_nodes_own_address_the_association_restarts(play: Play) -> None:
    """RFC 5062, 4: the correspondent's data goes on, under the tag that the attacker chose."""
    judgement = play("attack-restart-spoofed")
    assert judgement.figures["attacker_associations"] == 1
    assert judgement.figures["attacker_data"] > 100


def test_an_old_cookie_brings_an_ended_association_back(play: Play) -> None:
    judgement = play("attack-cookie-later")
    assert judgement.figures["attacker_associations"] == 1


@pytest.mark.parametrize("deregister", ["true", "false"])
@pytest.mark.parametrize(("how", "code"), [("wrong-key", 131), ("unauthenticated", None), ("replayed", 133)])
def test_the_home_agent_denies_an_attackers_registration_and_keeps_its_binding(
    play: Play, how: str, code: int | None, deregister: str
) -> None:
    judgement = play("attack-registration", how=how, deregister=deregister)
    assert "the attacker got: nothing" in judgement.reasons
    assert judgement.figures["attacker_packets"] == 1
    assert judgement.figures.get("attacker_reply_code") == code  # unauthenticated ones get no answer at all


@pytest.mark.parametrize("inner", ["stranger", "mobile"])
@pytest.mark.parametrize("reverse", ["true", "false"])
def test_only_what_a_reverse_tunnel_was_agreed_for_comes_through_it(
    play: Play, inner: str, reverse: str
) -> None:
    judgement = play("attack-tunnel", inner=inner, reverse=reverse)
    assert judgement.figures["attacker_packets"] == 1
    assert judgement.figures["attacker_injections"] == (inner == "mobile" and reverse == "true")


def test_nonces_tell_a_replay_too(play: Play) -> None:
    judgement = play("attack-registration", how="replayed", replay="nonces")
    assert judgement.figures["attacker_reply_code"] == 133
