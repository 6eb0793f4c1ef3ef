"""The commands as a user types them: one sentence and a documented exit status for everything that is wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roamlab.cli.collection import TASKS

ROOT = Path(__file__).resolve().parents[2]


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roamlab.cli", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """What the command complained about: a line on standard error, and no traceback."""
    lines = result.stderr.strip().splitlines()
    assert "Traceback" not in result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("lab: ")
    return lines[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "fig9"], "did you mean 'fig09'"),
        (["run", "fig09", "--set", "gpa=2"], "did you mean 'gap'"),
        (["run", "fig09", "--set", "gap=two"], "is not a number"),
        (["run", "fig09", "--set", "gap"], "KEY=VALUE"),
        (["run", "fig09", "--kernel", "/nonexistent/linux"], "/nonexistent/linux"),
        (["run", "fig09", "--kernel", "/bin/true"], "/bin/true"),
        (["run", "fig09", "--runs", "/proc/runs"], "--runs"),
        (["show", "/nonexistent"], "not a run directory"),
        (["shell", "HomeAndVisted"], "did you mean 'HomeAndVisited'"),
        (["rnu", "fig09"], "did you mean 'run'"),
        (["--help", "rnu"], "did you mean 'run'"),
        (["--dry", "run", "fig09"], "--dry cannot stand before a task"),
        (["--list-depth", "two"], "needs a whole number"),
        (["run"], "SCENARIO is missing; write ./lab run SCENARIO"),
        (["run", "--sed", "2", "fig09"], "did you mean '--seed'"),
        (["report", "--matrix", "matrix.html", "/nonexistent"], "not a run directory"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(words: list[str], sentence: str) -> None:
    result = lab(*words)
    assert sentence in one_sentence(result)
    assert result.returncode == 2
    assert result.stdout == ""


@pytest.mark.parametrize("words", [["run", "--help"], ["--help", "run"], ["run", "fig09", "-h"]])
def test_help_of_a_task_is_printed_wherever_it_is_asked_for(words: list[str]) -> None:
    result = lab(*words)
    assert result.returncode == 0
    assert result.stdout.startswith("Usage: ./lab run SCENARIO [--options]")
    assert "the seed of everything random in the run" in result.stdout


@pytest.mark.parametrize("words", [[], ["--help"], ["--list"]])
def test_every_task_is_listed(words: list[str]) -> None:
    result = lab(*words)
    assert result.returncode == 0
    assert set(TASKS.task_names) == set(re.findall(r"^  (\w+)", result.stdout, re.MULTILINE))


def test_invoke_itself_finds_the_same_tasks() -> None:
    listed = subprocess.run(
        [Path(sys.executable).with_name("inv"), "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.partition("\n\n")[2] == lab("--list").stdout.partition("\n\n")[2]


@pytest.mark.parametrize("words", ["list", "--list", "decode tests/captures/linux-asconf.pcapng"])
def test_output_that_finds_no_space_is_one_sentence(words: str) -> None:
    full = subprocess.run(
        f"{sys.executable} -m roamlab.cli {words} >/dev/full",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert one_sentence(full).startswith("lab: no space left on device")
    assert full.returncode == 3


@pytest.mark.parametrize(
    ("words", "first"), [("list", "scenario"), ("decode tests/captures/linux-asconf.pcapng", "packet")]
)
def test_a_reader_that_has_seen_enough_ends_a_task_in_silence(words: str, first: str) -> None:
    # What is left to write must not fit into the pipe.
    line = f"for _ in $(seq 40); do {sys.executable} -m roamlab.cli {words} || exit; done | head -1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith(first)
    assert ended.returncode == 128 + signal.SIGPIPE


def test_bad_input_leaves_json_output_empty() -> None:
    result = lab("run", "fig9", "--json")
    assert result.returncode == 2
    assert result.stdout == ""


def test_list_shows_every_scenario_in_plain_text() -> None:
    result = lab("list")
    assert result.returncode == 0
    for name in ("control", "fig06", "fig07", "fig09"):
        assert name in result.stdout
    assert "\x1b" not in result.stdout


def test_doctor_says_what_this_machine_can_do() -> None:
    result = lab("doctor")
    assert result.returncode == 0
    assert "own kernel" in result.stdout


def test_tests_hear_ctrl_c_where_the_one_who_started_them_does_not(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import signal\n\n"
        "def test_it():\n    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = lab("test", "--only", str(tmp_path / "test_it.py"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
