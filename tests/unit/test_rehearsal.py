"""Mistakes in a scenario are found before anything boots, each in one sentence with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.lab.rehearsal import rehearse
from roamlab.registry import find, scenarios

SCENARIO = """
from roamlab.lab.lab import Lab
from roamlab.lab.mobile_ip import Terms
from roamlab.protocols.mobility import Announce
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited, TwoSegments


def helper(lab: Lab) -> None:
    lab.at(4.0).attach(lab.mobile, "wlan1", to=lab.visited)


@scenario("mine", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def mine(lab: Lab, end: float = 20.0) -> None:
    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    helper(lab)
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited2, gap=2.0)
    lab.until(end)
"""
MOVE = '    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited2, gap=2.0)\n'


@pytest.mark.parametrize("name", [*scenarios()])
def test_every_scenario_of_ours_comes_through_its_rehearsal(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one = find(name)
    rehearse(one, one.complete({}))
    assert capsys.readouterr().out == ""


def test_a_scenario_without_mistakes_comes_through(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCENARIO)
    one = find(str(tmp_path / "mine.py"))
    rehearse(one, one.complete({}))


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("to=lab.visited2", "to=lab.visted", r"mine\.py:18: .*no segment or method 'visted'"),
        ("to=lab.visited2", "to=42", r"mine\.py:18: move\(\) takes Segment as to, not 42"),
        ("to=lab.visited2", 'to="visited"', r"mine\.py:18: move\(\) takes Segment as to, not 'visited'"),
        ('nic("wlan0")', 'nic("wlan7")', r"mine\.py:18: .*wlan7"),
        ("lab.at(5.0).move", "lab.at(5.0).mvoe", r"mine\.py:18: At has no 'mvoe' \(did you mean 'move'\?\)"),
        ("lab.at(5.0)", 'lab.at("5")', r"mine\.py:18: at\(\) takes float as time_s, not '5'"),
        (
            "connect(lab.correspondent)",
            'connect("cn")',
            r"mine\.py:15: connect\(\) takes Node as peer, not 'cn'",
        ),
        (
            "connect(lab.correspondent)",
            "connect(lab.correspondent, family=5)",
            r"mine\.py:15: connect\(\) takes",
        ),
        ('"wlan1"', '"wlan0"', r"mine\.py:10: mn has a NIC 'wlan0' already"),
        (MOVE, '    lab.node("mm")\n', r"mine\.py:18: .*no node 'mm'"),
        (MOVE, "    lab.site.addres_on(lab.home)\n", r"mine\.py:18: Site has no 'addres_on' \(did you mean"),
        (
            MOVE,
            "    lab.mobile.conect()\n",
            r"mine\.py:18: Node has no 'conect' \(did you mean 'connect'\?\)",
        ),
        (MOVE, "    print(undefined)\n", r"mine\.py:18: NameError: name 'undefined' is not defined"),
        (MOVE, '    Announce("kernle")\n', r"mine\.py:18: ValueError: 'kernle' is not a valid Announce"),
        ("    lab.until(end)\n", "", r"never calls lab\.until"),
        (
            "topology=HomeAndVisited",
            "topology=TwoSegments",
            r"mine\.py:18: .*no segment or method 'visited2'",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, right: str, wrong: str, words: str) -> None:
    assert right in SCENARIO
    (tmp_path / "mine.py").write_text(SCENARIO.replace(right, wrong))
    one = find(str(tmp_path / "mine.py"))
    with pytest.raises(BadInput, match=words) as raised:
        rehearse(one, one.complete({}))
    assert "\n" not in str(raised.value)


def test_what_asks_for_results_is_no_mistake(tmp_path: Path) -> None:
    asking = SCENARIO.replace("    lab.until(end)\n", '    lab.until(end)\n    lab.tables["ha"][0]\n')
    (tmp_path / "mine.py").write_text(asking)
    one = find(str(tmp_path / "mine.py"))
    rehearse(one, one.complete({}))


def test_a_topology_that_does_not_fit_a_scenario_is_found() -> None:
    one = find("mip-move", "TwoSegments")
    with pytest.raises(BadInput, match=r"mip_move\.py:\d+: .*no segment or method 'visited2'"):
        rehearse(one, one.complete({"onward": "true"}))
    fitting = find("fig09", "TwoSegments")
    rehearse(fitting, fitting.complete({}))
