"""What is measured, over real runs: no run beats its bound, and bound and waits add up to the outage (docs/measures.md)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import roamlab
from roamlab.judge.parts import UNEXPLAINED
from roamlab.record.result import Judgement
from roamlab.registry import scenarios
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

pytestmark = needs_lab_kernel

_LARGEST_NS = 1_000_000
_PLANS = 16
_SHORT = {"pingpong": {"moves": "6"}, "asconf-t4": {"length": "60"}}
"""Scenarios that go on for long, and what makes them short."""


def check(judgement: Judgement) -> None:
    """Each outage with a bound adds up, hardly anything in it is unexplained, and none is shorter than its bound."""
    for outage in judgement.outages:
        length = outage.length_ns
        if length is None or outage.bound_ns is None:
            assert outage.parts == []
            continue
        assert sum(part.length_ns for part in outage.parts) == length
        assert (
            sum(part.length_ns for part in outage.parts if part.needed) <= outage.bound_ns + 1
            or not outage.bound_ns
        )
        assert length >= outage.bound_ns - 1000, outage
        unexplained = sum(part.length_ns for part in outage.parts if part.name == UNEXPLAINED)
        assert unexplained < _LARGEST_NS, outage
    assert not [reason for reason in judgement.reasons if "the bound is wrong" in reason]


@pytest.mark.parametrize("name", list(scenarios()))
def test_bound_and_waits_add_up_to_each_outage(mobile_ip: Player, name: str) -> None:
    check(mobile_ip(name, **_SHORT.get(name, {})).judgement)


def plans() -> list[dict[str, str]]:
    """Plans drawn at random, the same in each session: moves over links of any delay, jitter, loss and rate."""
    random = Random(5061)
    found = []
    for _ in range(_PLANS):
        edge = random.choice((1, 5, 20, 60))
        plan = {
            "name": random.choice(("fig09", "fig09", "mip-move", "pingpong")),
            "edge_delay_ms": str(edge),
            "edge_jitter_ms": str(random.choice((0, 0, round(edge * random.random(), 1)))),
            "edge_loss": str(random.choice((0, 0, 1, 3))),
            "core_delay_ms": str(random.choice((2, 10, 40, 120))),
        }
        if plan["name"] == "fig09":
            plan |= {
                "way": random.choice(("socket", "rewriting")),
                "gap": str(random.choice((0, 0.05, 0.5, 3))),
            }
        if plan["name"] == "pingpong":
            plan["moves"] = "6"
        if plan["name"] == "mip-move":
            plan["transport"] = random.choice(("tcp", "udp", "sctp"))
        found.append(plan)
    return found


@pytest.mark.parametrize("plan", plans(), ids=lambda plan: " ".join(f"{k}={v}" for k, v in plan.items()))
def test_no_run_beats_its_bound(tmp_path: Path, plan: dict[str, str]) -> None:
    """Whatever becomes of the session: on lossy links some are never established, and some break."""
    settings = dict(plan)
    check(roamlab.run(settings.pop("name"), kernel="uml", runs=tmp_path, **settings).judgement)


def test_the_kernel_s_timer_and_the_neighbour_are_waits_and_not_in_the_bound(mobile_ip: Player) -> None:
    judgement = mobile_ip("fig09-kernel").judgement
    assert judgement.waits_s["before the request"] == pytest.approx(0.503, abs=0.01)
    assert judgement.waits_s["neighbour resolution"] == pytest.approx(0.010, abs=0.001)
    assert judgement.lower_bound_s.up == pytest.approx(0.138 - 0.026, abs=0.001)


def test_a_session_that_dies_has_an_outage_without_an_end(mobile_ip: Player) -> None:
    judgement = mobile_ip("fig09-fixed").judgement
    assert [outage.until_ns for outage in judgement.outages] == [None, None]
    assert (judgement.outage_s.up, judgement.outage_s.down) == (None, None)
