"""The commands as a user types them: one sentence and a documented exit status for everything that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("inv")), *words],
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
        (["show", "/nonexistent"], "no run directory"),
        (["shell", "HomeAndVisted"], "did you mean 'HomeAndVisited'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(words: list[str], sentence: str) -> None:
    result = lab(*words)
    assert sentence in one_sentence(result)
    assert result.returncode == 2
    assert result.stdout == ""


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
