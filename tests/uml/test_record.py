"""What passes from a run to its readers: shown on runs that were just played, so that neither side can change alone."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

import pytest

from roamlab.judge.evidence import gather
from roamlab.record.events import RadioLevel
from roamlab.record.words import words
from roamlab.reports import ci, export, page, story
from roamlab.reports.ladder import Notice, ladder
from roamlab.reports.terminal import show_result
from roamlab.reports.timeline import timeline
from roamlab.runs import orchestrator
from tests.uml import mobile_ip_runs as runs
from tests.uml.mobile_ip_runs import Played, Player

pytestmark = runs.needs_lab_kernel


def _page(run: Played) -> str:
    return page.write(run.directory).read_text()


def test_fig_8_s_page_has_a_signal_curve_of_each_nic(mobile_ip: Player) -> None:
    run = mobile_ip("fig08")
    read = story.read(run.directory)
    curves = [curve for curve in timeline(read, ladder(read).journeys).curves if "signal" in curve.quantity]
    assert [curve.of for curve in curves] == ["mn.wlan0", "mn.wlan1"]
    assert all(len(curve.points) == len(run.of(RadioLevel)) > 100 for curve in curves)
    assert "signal, dBm" in _page(run)


def test_no_event_on_a_page_looks_like_a_programs_data(mobile_ip: Player) -> None:
    run = mobile_ip("fig08")
    notices = [row.text for row in ladder(story.read(run.directory)).rows if isinstance(row, Notice)]
    assert any("wlan1 has a good signal: wlan0 -" in text for text in notices)
    assert not [text for text in notices if re.search(r"[{}=]", text)]


def test_chain_and_ladder_say_the_same_of_an_event(mobile_ip: Player) -> None:
    run = mobile_ip("fig08")
    notices = {row.text for row in ladder(story.read(run.directory)).rows if isinstance(row, Notice)}
    chain = {step.text for step in run.judgement.chain if step.packet is None}
    assert chain <= notices
    assert chain <= {words(event) for event in run.events}


def test_a_page_shows_the_versions_that_the_run_was_played_with(mobile_ip: Player) -> None:
    run = mobile_ip("fig08")
    text = _page(run)
    identity = run.directory.read("manifest.json")["identity"]
    assert "<h3>Versions</h3>" in text
    for name in ("python", "pysctp", "mininet"):
        assert f"<dt>{name}</dt>" in text
        assert identity[name] in text
    assert "code sha256" not in text


def test_measures_reach_every_reader(mobile_ip: Player, capsys: pytest.CaptureFixture[str]) -> None:
    run = mobile_ip("mip-move", transport="udp")
    measures = {measure.key: measure for measure in run.judgement.measures}
    stretch = measures["path_stretch_down"]
    assert stretch.better == "less"
    text = _page(run)
    assert f"<td>{stretch.title}</td>" in text
    result = orchestrator.load(run.directory)
    show_result(result)
    assert re.search(rf"{stretch.title} +{stretch.value:g}", capsys.readouterr().out)
    properties = Xml.fromstring(ci.junit([result]).partition("\n")[2]).iter("property")
    found = {str(element.get("name")): element.get("value") for element in properties}
    assert found["path_stretch_down"] == f"{stretch.value:g}"
    assert f"# path_stretch_down: {stretch.value:g}" in ci.ktap([result])
    assert f"{stretch.title} {stretch.value:g}" in ci.summary([result])
    assert f"path_stretch_down,{stretch.value:g},,less" in export.measures(run.directory)
    assert "tunnel_overhead_bytes" in found


def test_what_was_sent_and_delivered_is_the_same_to_every_reader(mobile_ip: Player) -> None:
    run = mobile_ip("mip-move", transport="udp")
    judged = gather(run.trace, run.events, "mn", "cn").messages
    shown = story.read(run.directory).messages
    assert judged.sent.keys() == shown.sent.keys()
    assert judged.delivered.keys() == shown.delivered.keys()
    lost = run.judgement.lost
    assert len(shown.lost) == lost.up + lost.down > 0
    rows = export.measurements(run.directory).splitlines()[1:]
    assert sum(",," in f"{row}," and row.split(",")[4] == "" for row in rows) == len(shown.lost)


def test_a_figure_s_steps_and_outages_are_facts_of_the_verdict(mobile_ip: Player) -> None:
    judged = mobile_ip("fig09-kernel").judgement
    assert [step.outcome for step in judged.steps].count("refused") == 1
    for step in judged.steps:
        assert step.place is not None
    longest = {outage.direction: outage for outage in judged.outages}
    for direction in ("up", "down"):
        length = longest[direction].length_ns
        assert length is not None
        assert length / 1e9 == pytest.approx(getattr(judged.outage_s, direction))
