"""Many runs for a CI job: lines as one would type them, each played by a process of its own, results in one folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import BadInput
from roamlab.record.result import Judgement, Result
from roamlab.registry import Verdict
from roamlab.where import COMMAND, ROOT

TASKS: Final = ("run", "try")
"""The tasks that a line may name: those that play one run and judge it."""
_OURS: Final = ("--json", "--junit", "--summary", "--runs", "--ktap", "--catalogue", "--tty")
"""Options that a line may not have, since the job sets them or they leave no result."""
_START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from roamlab.cli.__main__ import run; run()"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: its number, counted from 1, the text, and the words that a shell would make of it."""

    number: int
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """A line and its result. ``complaint`` is what the process said where it left no result of its own, or is empty."""

    line: Line
    result: Result
    complaint: str = ""


def read(text: str) -> list[Line]:
    """The lines of a list, without empty ones and comments. Raises BadInput, with the line's number, for any other."""
    found = []
    for number, one in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(one, comments=True)
        except ValueError as error:
            raise BadInput(f"line {number}: {str(error).lower()}") from None
        if words[:1] in (["./lab"], ["lab"], ["roamlab"]):
            words = words[1:]
        if not words:
            continue
        if words[0] not in TASKS:
            raise BadInput(f"line {number} begins with {words[0]!r}; it has to be {' or '.join(TASKS)}")
        own = next((word for word in words if word.partition("=")[0] in _OURS), None)
        if own:
            raise BadInput(f"line {number} has {own}, which does not go together with `{COMMAND} ci`")
        found.append(Line(number, one.strip(), tuple(words)))
    if not found:
        raise BadInput(f"the list has no line to play; write one like: {TASKS[0]} fig09")
    return found


def play(lines: list[Line], runs: Path, on_start: Callable[[Line], None]) -> Iterator[Played]:
    """Play each line, with its run directory below ``runs``; what it says on standard error goes to ours when it has ended."""
    for line in lines:
        on_start(line)
        words = [sys.executable, "-P", "-c", _START, str(ROOT), *line.words, "--json", "--runs", str(runs)]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
        sys.stderr.write(done.stderr)
        sys.stderr.flush()
        yield _played(line, done.stdout, done.stderr, done.returncode)


def _played(line: Line, said: str, complained: str, status: int) -> Played:
    """What a line came to: the object that it printed, or else an invalid result with its last words."""
    try:
        return Played(line, Result.of(msgspec.json.decode(said)))
    except msgspec.MsgspecError:
        words = [one.removeprefix("lab: ") for one in complained.splitlines() if one.strip()]
        why = words[-1] if words else f"it ended with exit status {status} and said nothing"
        judgement = Judgement(
            scenario=line.text,
            figure="none",
            verdict=Verdict.INVALID.value,
            expected=Verdict.SURVIVED.value,
            reasons=[why],
        )
        result = Result(
            judgement=judgement, parameters={}, kernel={}, seed=0, run_dir="", wall_s=0.0, status=status or 3
        )
        return Played(line, result, why)
