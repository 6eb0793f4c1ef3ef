"""A scenario in a file of the user's own, in every task that plays: below /tmp, from another directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.record.identity import hashes
from roamlab.where import ROOT

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
SCENARIO = """
from beside import END
from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


class Far(HomeAndVisited):
    def build(self, *, core_delay_ms: float = 30.0) -> None:
        super().build(core_delay_ms=core_delay_ms)


@scenario("mine", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def mine(lab: Lab, every: float = 0.1) -> None:
    \"\"\"A session to which nothing happens.\"\"\"
    session = lab.mobile.connect(lab.correspondent)
    lab.at(0.5).start(session.stream(every=every))
    lab.until(END)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder, with a scenario and what it imports."""
    (tmp_path / "beside.py").write_text("END = 4.0\n")
    (tmp_path / "mine.py").write_text(SCENARIO)
    return tmp_path


def lab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roamlab.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def play(folder: Path, reference: str, *words: str) -> Path:
    done = lab(folder, "run", reference, "--json", "--kernel", "uml", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["run_dir"])


def test_a_run_is_made_again_from_its_file_and_says_when_that_has_changed(folder: Path) -> None:
    run = play(folder, "mine.py", "--topology", "mine.py:Far", "--runs", "there", "--no-report")
    assert run.parent == folder / "there/mine"
    again = lab(folder, "replay", str(run), "--runs", "there")
    assert (again.returncode, "mine: identical to the last bit" in again.stdout) == (0, True), again.stderr
    (folder / "beside.py").write_text("END = 5.0\n")
    changed = lab(folder, "replay", str(run), "--runs", "there")
    assert changed.returncode == 1
    assert "the scenario's file, or what it imports beside it, has changed since that run" in changed.stdout


def test_a_sweep_plays_cells_of_a_changed_file_again_and_no_others(folder: Path) -> None:
    words = ("sweep", "mine.py", "--set", "every=0.1,0.2", "--kernel", "uml", "--out", "swept")
    first = lab(folder, *words)
    assert first.returncode == 0, first.stderr
    assert len(list((folder / "swept/cells").glob("*.json"))) == 2
    lab(folder, *words)
    assert len(list((folder / "swept/cells").glob("*.json"))) == 2
    (folder / "mine.py").write_text(SCENARIO.replace("at(0.5)", "at(0.6)"))
    again = lab(folder, *words)
    assert again.returncode == 0, again.stderr
    assert len(list((folder / "swept/cells").glob("*.json"))) == 4


def test_a_proof_finds_its_runs_identical(folder: Path) -> None:
    proof = lab(folder, "prove", "mine.py:mine", "--times", "2", "--kernel", "uml")
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert "2 of 2 runs identical" in proof.stdout


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A file of the same scenario that lies directly in a directory that a guest has of its own."""
    with tempfile.NamedTemporaryFile("w", dir="/var/tmp", suffix=".py") as file:
        file.write(SCENARIO.replace("from beside import END", "END = 4.0"))
        file.flush()
        yield Path(file.name)


def test_where_the_file_lies_changes_no_bit(folder: Path, elsewhere: Path) -> None:
    (folder / "mine.py").write_text(elsewhere.read_text())
    here, there = play(folder, "mine.py"), play(folder, str(elsewhere))
    assert hashes(here) == hashes(there)
    assert not list(folder.rglob("*.pyc"))
    page = (here / "report.html").read_text()
    assert "visited2" in page  # the network, which is built from the file's topology


def test_a_wrong_scenario_ends_with_one_sentence_before_anything_is_made(folder: Path) -> None:
    (folder / "mine.py").write_text(SCENARIO.replace("lab.until(END)", "lab.utnil(END)"))
    done = lab(folder, "run", "mine.py", "--kernel", "uml")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "lab: mine.py:18: the lab has no segment or method 'utnil' (did you mean 'until'?)"
    )
    assert done.stderr.count("\n") == 1
    assert not (folder / "runs").exists()
