"""Pictures, measurements, and results for CI."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from roamlab.protocols.radio import SILENCE
from roamlab.record.event import Event
from roamlab.record.events import Data, PathState, RadioLevel
from roamlab.record.result import Both, Count, Judgement, Result
from roamlab.record.stimuli import Move
from roamlab.reports import ci, export, story
from roamlab.reports.__main__ import main
from roamlab.reports.timeline import Curve, scale
from tests.browser import samples


def _result(verdict: str, expected: str = "survived", reason: str = "because") -> Result:
    judgement = Judgement(
        scenario="fig09",
        figure="FIG. 9",
        verdict=verdict,
        expected=expected,
        reasons=[reason],
        sent=Count(10, 10),
        delivered=Count(10, 9),
        lost=Count(0, 1),
        outage_s=Both(0.75, None),
        lower_bound_s=Both(0.5, 0.6),
    )
    return Result(
        judgement=judgement,
        parameters={"gap": 2.0},
        kernel={"kind": "uml", "version": "7.3.4", "variant": "", "virtual_time": True},
        seed=1,
        run_dir="runs/fig09/1",
        wall_s=1.5,
        status=0,
    )


RESULTS = [
    _result("survived"),
    _result("broke"),
    _result("unsupported", reason="no SCTP"),
    _result("invalid", reason="no <move> | seen"),
]


def test_junit_counts_failures_errors_and_skips() -> None:
    suite = Xml.fromstring(ci.junit(RESULTS))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert [case.get("name") for case in suite] == ["fig09 gap=2.0"] * 4


def test_junit_survives_what_xml_cannot_hold() -> None:
    suite = Xml.fromstring(ci.junit([_result("broke", reason="a\x00b\x1b[31m</testsuite>")]))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "</testsuite>" in str(failure.get("message"))


def test_ktap_has_a_plan_and_a_line_a_result() -> None:
    lines = ci.ktap(RESULTS).splitlines()
    assert lines[:2] == ["KTAP version 1", "1..4"]
    words = [line for line in lines if line.startswith(("ok", "not ok"))]
    assert words[0] == "ok 1 fig09 gap=2.0"
    assert words[1] == "not ok 2 fig09 gap=2.0"
    assert words[2].startswith("ok 3 fig09 gap=2.0 # SKIP unsupported")
    assert words[3].startswith("not ok 4")


def test_a_broken_session_that_was_expected_passes() -> None:
    assert ci.outcome(_result("broke", expected="broke").judgement) is ci.Outcome.PASSED


def test_the_summary_escapes_what_markdown_would_read() -> None:
    text = ci.summary(RESULTS)
    assert "**1 of 4 as expected**" in text.splitlines()
    assert "no &lt;move> \\| seen" in text
    assert "1.50 / " in text


def test_measurements_have_a_line_a_message(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    rows = list(csv.DictReader(io.StringIO(export.measurements(run))))
    events = list(run.events())
    assert len(rows) == len({(e.dir, e.seq) for e in events if isinstance(e, Data)})
    assert all(
        float(row["delivered_s"]) > float(row["sent_s"])
        for row in rows
        if row["sent_s"] and row["delivered_s"]
    )


def test_pictures_are_well_formed_and_as_large_as_they_say(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    written = export.pictures(run, tmp_path / "out")
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in ("ladder", "timeline", "figure") for kind in ("svg", "png")
    ]
    for path in written:
        if path.suffix == ".svg":
            assert Xml.fromstring(path.read_text()).get("viewBox")
        else:
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    "make", [samples.dead, samples.cut_off, samples.unheard, samples.hostile, samples.tunnelled]
)
def test_pictures_of_damaged_and_hostile_runs_are_well_formed(tmp_path: Path, make: object) -> None:
    assert callable(make)
    read = story.read(make(tmp_path))
    for draw in export.PICTURES.values():
        root = Xml.fromstring(draw(read))
        assert not [element for element in root.iter() if element.tag.endswith(("script", "img"))]


def _state(
    second: int, address: str, cwnd: int = 4380, rto_ms: int = 1000, srtt_ms: int = 92, session: int = 1
) -> PathState:
    """What the kernel keeps of the mobile node's path to an address."""
    return PathState(session, address, cwnd, rto_ms, srtt_ms, t=second * 10**9, node="mn")


def _drawn(tmp_path: Path, *events: Event) -> Xml.Element:
    """The timeline of a run with these events."""
    run = samples.real(tmp_path)
    samples.with_events(run, lambda event: not isinstance(event, PathState), *events)
    return Xml.fromstring(export.timeline_file(story.read(run)))


def _texts(drawn: Xml.Element) -> list[str]:
    return [str(element.text) for element in drawn.iter() if element.tag.endswith("}text")]


def _looks(drawn: Xml.Element) -> list[str]:
    """The look of every curve of the kernel's figures, in the order of drawing."""
    found = [element.get("class", "") for element in drawn.iter() if element.tag.endswith("}path")]
    return [look for look in found if look.startswith("curve c")]


def test_figures_of_the_kernel_are_drawn_with_their_scales_where_they_were_recorded(tmp_path: Path) -> None:
    texts = _texts(
        _drawn(
            tmp_path,
            _state(5, "203.0.113.10", cwnd=4380, rto_ms=1000),
            _state(6, "203.0.113.10", cwnd=8760, rto_ms=2000),
            RadioLevel({"wlan0": -61.5, "wlan1": SILENCE}, t=6 * 10**9, node="lab"),
        )
    )
    for words in ("cwnd, bytes", "8,760", "RTO, ms", "2,000", "signal, dBm", "-62.5", "mn.wlan0"):
        assert words in texts


def test_tracks_of_the_same_paths_share_one_legend_and_each_path_its_look(tmp_path: Path) -> None:
    drawn = _drawn(
        tmp_path,
        *(
            _state(second, address, cwnd=4380, rto_ms=1000, srtt_ms=92)
            for second in (5, 6)
            for address in ("203.0.113.10", "203.0.113.11")
        ),
    )
    assert [text for text in _texts(drawn) if text.startswith("mn to")] == [
        "mn to 203.0.113.10",
        "mn to 203.0.113.11",
    ]
    assert _looks(drawn) == ["curve c0 d0", "curve c1 d1"] * 3  # cwnd, RTO, SRTT


def test_the_legend_stands_above_the_curves_however_many_there_are(tmp_path: Path) -> None:
    addresses = [f"203.0.113.{host}" for host in range(1, 31)]
    drawn = _drawn(tmp_path, *(_state(second, a, cwnd=4380) for second in (5, 6) for a in addresses))
    legend = [e for e in drawn.iter() if str(e.text) in {f"mn to {a}" for a in addresses}]
    curves = [e for e in drawn.iter() if str(e.get("class")).startswith("curve c") and e.get("d")]
    tops = [float(str(e.get("d")).partition("H")[0].split()[1]) for e in curves]
    assert len(legend) == 30
    assert max(float(str(e.get("y"))) for e in legend) < min(tops)
    assert all(float(str(e.get("x"))) + 6 * len(str(e.text)) < 860 for e in legend)


def test_a_path_without_a_measurement_has_no_smoothed_rtt(tmp_path: Path) -> None:
    states = [_state(5 + n, "203.0.113.10", srtt_ms=ms) for n, ms in enumerate((92, 0, 184, 184))]
    drawn = _drawn(tmp_path, *states)
    curves = [e for e in drawn.iter() if e.get("class") == "curve c0 d0" and e.tag.endswith("}path")]
    assert [str(curve.get("d")).count("M") for curve in curves] == [1, 1, 2]


def test_the_same_path_in_two_sessions_has_two_curves(tmp_path: Path) -> None:
    first, second = (
        _state(5, "203.0.113.10", cwnd=4380),
        _state(6, "203.0.113.10", cwnd=4380, session=2),
    )
    texts = _texts(_drawn(tmp_path, first, second))
    assert "mn to 203.0.113.10, session 1" in texts
    assert "mn to 203.0.113.10, session 2" in texts


def test_a_stretch_of_a_curve_begins_with_what_held_before_it() -> None:
    curve = Curve("cwnd, bytes", "mn", ((0, 1.0), (10, 2.0), (20, 3.0)))
    assert curve.within(15, 30) == ((10, 2.0), (20, 3.0))
    assert curve.within(21, 30) == ()


@pytest.mark.parametrize(
    ("values", "ends"),
    [([], (0, 1)), ([0.0], (0, 1)), ([3.0, 7.0], (0, 7)), ([-61.5], (-62.5, -60.5)), ([-3.0, 4.0], (-4, 5))],
)
def test_a_scale_holds_its_values_and_is_never_of_no_height(
    values: list[float], ends: tuple[float, float]
) -> None:
    assert scale(values) == ends


def test_names_of_stimuli_that_are_close_stand_below_each_other_and_those_without_room_are_left_out(
    tmp_path: Path,
) -> None:
    moves = (Move(to="visited", nic="wlan0", t=5 * 10**9 + n * 10**7, node="mn") for n in range(1, 6))
    drawn = _drawn(tmp_path, *moves)
    names = [e for e in drawn.iter() if e.text == "move wlan0"]
    heights = [e.get("y") for e in names]
    assert len(heights) == len(set(heights)) == 3
    assert len([e for e in drawn.iter() if e.get("class") == "stimulus"]) == 6


def test_the_command_draws_what_it_is_asked_for(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    assert main(["figure", str(run.path), str(tmp_path / "fig09.svg")]) == 0
    assert "refused" in (tmp_path / "fig09.svg").read_text()
    assert main(["ladder", str(run.path), str(tmp_path / "ladder.png")]) == 0
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_says_how_it_is_used_and_what_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["poem"]) == 2
    assert main(["figure", str(tmp_path), str(tmp_path / "x.svg")]) == 2
    said = capsys.readouterr().err
    assert "usage:" in said
    assert "not a run directory" in said
