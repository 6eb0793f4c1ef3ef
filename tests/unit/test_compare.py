"""Two runs side by side: what is the same, what is first to differ, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roamlab.protocols.pcapng import Direction, Writer
from roamlab.record.event import Event, encoder
from roamlab.record.events import AsconfAcknowledged, DataSent, Listening, PathState, RunStart
from roamlab.record.run_directory import CAPTURE, EVENTS, MANIFEST, PLAN, VERDICT, RunDirectory
from roamlab.repeat.compare import ChainLine, compare

START = RunStart(1, t=0, node="lab")
REFUSED = AsconfAcknowledged(("DELETE IP 192.0.2.10",), t=500, node="mn")
ACCEPTED = AsconfAcknowledged(t=500, node="mn")
ACK = {
    "t": 5.6,
    "step": "ASCONF-ACK sent",
    "node": "cn",
    "text": "ASCONF-ACK serial=17 all carried out",
    "detail": {"what": "answer", "arrives": False},
}
DATA = {
    "t": 5.8,
    "step": "first DATA up",
    "node": "cn",
    "text": "message 200",
    "detail": {"what": "data", "direction": "up", "path": "new"},
}

VERDICTS: dict[str, Any] = {
    "scenario": "fig09",
    "figure": "FIG. 9",
    "verdict": "survived",
    "expected": "survived",
    "reasons": [],
}

RECORDED = {
    "scenario": "fig09",
    "parameters": {},
    "seed": 1,
    "kernel": {"kind": "uml", "version": "7.3.4", "variant": "", "virtual_time": True},
    "sha256": {},
    "status": 0,
    "wall_s": 1.0,
}


class Runs:
    """Makes run directories by hand."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made = 0

    def make(
        self,
        events: list[Event] | None = None,
        chain: list[dict[str, Any]] | None = None,
        frames: tuple[bytes, ...] = (b"frame",),
        seed: int = 1,
        **verdict: Any,
    ) -> RunDirectory:
        self._made += 1
        path = self._root / str(self._made)
        path.mkdir()
        run = RunDirectory(path)
        run.write(PLAN, {"scenario": "fig09", "parameters": {"gap": 0.0}, "seed": seed})
        run.write(MANIFEST, {**RECORDED, "identity": {"kernel": "7.3.4"}})
        run.write(VERDICT, {**VERDICTS, "chain": chain or [], **verdict})
        (path / EVENTS).write_bytes(b"".join(encoder().encode(event) + b"\n" for event in events or [START]))
        with (path / CAPTURE).open("wb") as file:
            writer = Writer(file)
            nic = writer.interface("mn.wlan0")
            for number, frame in enumerate(frames):
                writer.packet(nic, number, frame, direction=Direction.OUT)
        return run


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_equal_runs_are_identical(runs: Runs) -> None:
    compared = compare(runs.make(), runs.make())
    assert compared.identical
    assert (compared.first, compared.packet, compared.measurements, compared.chain) == (None, None, (), ())


def test_the_first_event_that_differs_is_shown_with_both_sides(runs: Runs) -> None:
    compared = compare(runs.make([START, REFUSED]), runs.make([START, ACCEPTED]))
    assert compared.differing == (EVENTS,)
    assert compared.first is not None
    assert compared.first.where == "event 1"
    assert compared.first.a == '0.000000500 s mn asconf.acknowledged refused=["DELETE IP 192.0.2.10"]'
    assert compared.first.b == "0.000000500 s mn asconf.acknowledged"


def test_a_run_that_stops_sooner_differs_where_it_stops(runs: Runs) -> None:
    compared = compare(runs.make([START, REFUSED]), runs.make([START]))
    assert compared.first is not None
    assert compared.first.b == "(nothing more)"


def test_what_happened_at_another_time_is_no_other_happening(runs: Runs) -> None:
    later = AsconfAcknowledged(REFUSED.refused, t=900, node="mn")
    compared = compare(runs.make([START, REFUSED]), runs.make([START, later]))
    assert compared.first is not None
    assert compared.happened is None


def test_what_happened_is_compared_node_by_node_and_without_messages_and_samples(runs: Runs) -> None:
    message = DataSent(1, "up", 1, t=1, node="mn")
    other_node = Listening("0.0.0.0", 5001, t=2, node="cn")
    sample = PathState(1, "203.0.113.10", 4380, 1000, 92, t=1, node="mn")
    a = runs.make([START, message, sample, other_node, REFUSED])
    b = runs.make([START, ACCEPTED, other_node])
    compared = compare(a, b)
    assert compared.happened is not None
    assert compared.happened.where == "what mn reports"
    assert compared.happened.b == "0.000000500 s mn asconf.acknowledged"


def test_without_a_differing_event_the_first_differing_packet_is_shown(runs: Runs) -> None:
    compared = compare(runs.make(frames=(b"one", b"two")), runs.make(frames=(b"one", b"2")))
    assert compared.differing == (CAPTURE,)
    assert compared.packet is not None
    assert compared.packet.where == "packet 1"
    assert compared.packet.a.startswith("0.000000001 s mn.wlan0 out")


def test_measurements_that_differ_are_listed_by_name(runs: Runs) -> None:
    a, b = runs.make(outage_s={"up": 0.7, "down": 1.1}), runs.make(outage_s={"up": 0.7, "down": 0.6})
    assert [(d.where, d.a, d.b) for d in compare(a, b).measurements] == [("outage_s down", "1.1", "0.6")]


def test_sessions_are_compared_figure_by_figure_where_there_are_several(runs: Runs) -> None:
    def session(number: int, down_s: float) -> dict[str, Any]:
        what = {
            "mobile": "mn",
            "correspondent": "cn",
            "transport": "sctp",
            "verdict": "survived",
            "reasons": [],
        }
        return {"number": number, **what, "outage_s": {"up": 0.2, "down": down_s}}

    def differing(*numbers: int) -> list[tuple[str, str, str]]:
        one, other = (
            runs.make(sessions=[session(number, down_s) for number in numbers]) for down_s in (0.3, 0.4)
        )
        return [(found.where, found.a, found.b) for found in compare(one, other).measurements]

    assert differing(1) == []
    assert differing(1, 2) == [(f"session {number} outage_s down", "0.3", "0.4") for number in (1, 2)]


def test_tags_drawn_at_random_are_no_measurement(runs: Runs) -> None:
    a, b = (
        runs.make(reasons=[f"one association (tags {tag} and 00000001)"]) for tag in ("0000000a", "0000000b")
    )
    assert not compare(a, b).identical
    assert compare(a, b).measurements == ()


def test_chains_are_laid_over_each_other_step_by_step(runs: Runs) -> None:
    refusal = {**ACK, "text": "ASCONF-ACK serial=99 FAILED id=1"}
    compared = compare(runs.make(chain=[refusal, DATA]), runs.make(chain=[ACK, {**DATA, "t": 5.7}]))
    assert compared.chain == (
        ChainLine(5.6, None, "cn", "ASCONF-ACK sent", "ASCONF-ACK FAILED id=1"),
        ChainLine(None, 5.6, "cn", "ASCONF-ACK sent", "ASCONF-ACK all carried out"),
        ChainLine(5.8, 5.7, "cn", "first DATA up", "message 200"),
    )


def test_conditions_name_what_the_runs_do_not_have_in_common(runs: Runs) -> None:
    compared = compare(runs.make(seed=1), runs.make(seed=2))
    assert [(d.where, d.a, d.b) for d in compared.conditions] == [("seed", "1", "2")]


def test_a_missing_capture_is_a_difference(runs: Runs) -> None:
    a, b = runs.make(), runs.make()
    (b.path / CAPTURE).unlink()
    compared = compare(a, b)
    assert compared.differing == (CAPTURE,)
    assert compared.packet is not None
    assert "cannot be compared" in compared.packet.a
