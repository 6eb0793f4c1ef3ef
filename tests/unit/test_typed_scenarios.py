"""What mypy finds in a scenario: mistakes that would otherwise show in a guest."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from roamlab.where import ROOT

_SCENARIO = """
from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited, TwoSegments


@scenario("mistaken", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def mistaken(lab: Lab) -> None:
    session = lab.mobile.connect("cn")  # a string for a node
    lab.at(1.0).start(session.stream())
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.vizited)  # no such segment
    lab.at(6.0).move(lab.mobile.nic("wlan0"), to=42)  # no segment at all
    lab.at(7.0).mvoe(lab.mobile.nic("wlan0"), to=lab.visited)  # no such verb
    print(lab.site.addres_on(lab.visited))  # no such member
    lab.until(20.0)


@scenario("elsewhere", topology=TwoSegments, expect=Verdict.SURVIVED)
def elsewhere(lab: Lab[TwoSegments]) -> None:
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited2)  # no such segment in this topology
    lab.at(6.0).move(lab.mobile.nic("wlan0"), to=lab.topology.visited)  # right


@scenario("unfit", topology=TwoSegments, expect=Verdict.SURVIVED)  # not the topology that the scenario is typed for
def unfit(lab: Lab) -> None:
    lab.until(20.0)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of the scenario, by its lines: the checkout's options and cache."""
    pytest.importorskip("mypy", reason="needs mypy (requirements-dev.txt)")
    path = tmp_path_factory.mktemp("typed") / "mistaken.py"
    path.write_text(_SCENARIO)
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-pretty", "--hide-error-codes", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = _SCENARIO.splitlines()
    # By its name alone: what mypy has in its cache of the same text stood in another temporary directory.
    numbers = re.findall(r"^(?:.*/)?mistaken\.py:(\d+): error: ", said.stdout, re.MULTILINE)
    assert said.stdout.count(": error: ") == len(numbers), said.stdout
    return [lines[int(number) - 1] for number in numbers]


def test_mypy_finds_every_planted_mistake_and_nothing_else(found: list[str]) -> None:
    planted = [line for line in _SCENARIO.splitlines() if "# " in line and not line.endswith("# right")]
    assert sorted(set(found)) == sorted(planted)
