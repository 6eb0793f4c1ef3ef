"""Moves that any transport can play: what the capture must show of each, and what the kernel's transports make of it."""

from __future__ import annotations

import pytest

from roamlab.judge.conditions import unseen_conditions
from roamlab.judge.evidence import Evidence, gather
from roamlab.protocols.sctp.chunks import Asconf
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp
from roamlab.record.conditions import BlackHole, Condition, Edge, Translation
from roamlab.record.events import SessionStart
from roamlab.record.stimuli import Rebind
from tests.uml.mobile_ip_runs import Played, Player, needs_lab_kernel

pytestmark = needs_lab_kernel
VISITED = "198.51.100.10"


def evidence(run: Played, *, instead: Condition | None = None) -> Evidence:
    """A run's evidence, with another condition in the place of its own."""
    events = [e for e in run.events if instead is None or not isinstance(e, Condition)]
    if instead is not None:
        instead.t = run.of(SessionStart)[0].t
        events = [*events, instead]
    return gather(run.trace, events, "mn", "cn")


def refused(run: Played, condition: Condition) -> bool:
    """Whether a survivor's run would be invalid if it claimed this condition."""
    return bool(unseen_conditions(evidence(run, instead=condition), broken=False))


def test_an_association_asks_from_the_new_address_when_the_old_one_goes_with_it(mobile_ip: Player) -> None:
    run = mobile_ip("move-two-nics", overlap="0")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    first = next(p for p, chunk in run.trace.asconfs if p.node == "mn" and isinstance(chunk, Asconf))
    (chunk,) = (c for c in first.chunks if isinstance(c, Asconf))
    assert str(first.source) == VISITED
    assert [type(request) for request in chunk.requests] == [AddIp, DeleteIp]
    assert run.judgement.outage_s.up is not None
    assert run.judgement.outage_s.up < 0.25


def test_mptcp_joins_from_behind_another_nat(mobile_ip: Player) -> None:
    run = mobile_ip("move-nat", transport="mptcp")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    assert {nat.outside for nat in run.of(Translation)} == {"203.0.113.129", "203.0.113.161"}
    assert refused(run, Translation(subnet="198.51.100.0/25", outside="203.0.113.162", node="fa"))


def test_an_association_does_not_pass_a_nat_that_did_not_see_its_init(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-nat", old="open").judgement
    assert (judgement.verdict, judgement.expected) == ("broke", "broke"), judgement.reasons


def test_a_nat_that_forgets_a_connection_gives_it_another_port_and_the_peer_resets_it(
    mobile_ip: Player,
) -> None:
    run = mobile_ip("nat-rebinding", transport="tcp")
    assert run.judgement.verdict == "broke"
    assert "ended with RST" in run.judgement.reasons[0]
    assert len(run.of(Rebind)) == 1
    assert {"told_cn_s", "told_mn_s"} & run.judgement.figures.keys()


def test_a_black_hole_takes_large_packets_alone(mobile_ip: Player) -> None:
    run = mobile_ip("move-black-hole", transport="udp")
    assert run.judgement.verdict == "broke"
    large = mobile_ip("move-black-hole", transport="mptcp")
    assert large.judgement.verdict == "broke", large.judgement.reasons
    assert not unseen_conditions(evidence(large), broken=False)
    hole = BlackHole(mtu=100, mobile="mn", address=VISITED, node="fa")
    assert refused(mobile_ip("move-two-nics", overlap="0"), hole)


def test_a_link_that_differs_by_direction_is_seen_to(mobile_ip: Player) -> None:
    run = mobile_ip("move-to-worse", visited_up_delay_ms="60")
    assert run.judgement.verdict == "survived", run.judgement.reasons
    (edge,) = run.of(Edge)
    assert (edge.up_s, edge.down_s) == (0.06, 0.005)
    wrong = Edge(mobile="mn", nic="wlan0", segment="visited", up_s=0.061, down_s=0.005, node="fa")
    assert refused(run, wrong)
    lossy = Edge(mobile="mn", nic="wlan0", segment="visited", up_s=0.06, down_s=0.005, loss=5, node="fa")
    assert refused(run, lossy)


def test_a_path_that_dies_untold_is_left_for_the_next_one(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-silent", transport="mptcp").judgement
    assert judgement.verdict == "survived", judgement.reasons


def test_both_ends_at_once_lose_each_other(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-both-ends", transport="tcp").judgement
    assert (judgement.verdict, judgement.expected) == ("broke", "broke"), judgement.reasons


def test_each_request_is_answered_at_once(mobile_ip: Player) -> None:
    run = mobile_ip("move-one-nic", traffic="requests", gap="0.5")
    judgement = run.judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert judgement.sent.up == judgement.sent.down > 100
    of = evidence(run)
    for (session, way, number), sent in of.sent.items():
        if way == "down":
            assert 0 <= sent - of.delivered[session, "up", number][0] < 1_000_000


def test_an_idle_session_goes_on_without_a_wait(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-one-nic", traffic="idle", gap="0.5").judgement
    assert judgement.verdict == "survived", judgement.reasons
    assert (judgement.outage_s.up, judgement.outage_s.down) == (0.0, 0.0)


def test_a_user_timeout_tells_both_ends_after_five_seconds(mobile_ip: Player) -> None:
    judgement = mobile_ip("move-one-nic", transport="tcp-user-timeout").judgement
    assert judgement.verdict == "broke"
    assert judgement.figures["told_mn_s"] == pytest.approx(5, abs=0.5)
    assert judgement.figures["told_cn_s"] == pytest.approx(5.3, abs=0.5)
