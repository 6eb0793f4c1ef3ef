"""Mark a hand-in: each point of a lab held against the runs, which are read as data that a guest wrote."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from roamlab.errors import BadInput, LabError
from roamlab.labs import pages
from roamlab.labs.course import Point, Value, filled
from roamlab.labs.steps import Steps
from roamlab.protocols import trace
from roamlab.query import signs
from roamlab.query.filtering import Filter
from roamlab.record import guarded
from roamlab.record.result import Both, Result
from roamlab.record.run_directory import CAPTURE, RunDirectory

_EXACT_S = 0.01
_NEAR_S = 0.2
Answers = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of a point.

    seen   what was seen, in a sentence
    at_s   where in the run (s since its start), None where it is no moment
    page   the run directory that it was seen in; empty where it was seen in none
    """

    point: Point
    held: bool
    seen: str
    at_s: float | None = None
    page: str = ""

    @property
    def got(self) -> int:
        """Points for it."""
        return self.point.worth if self.held else 0


class Missing(Exception):
    """A point does not hold; says what was seen."""


@dataclass
class Evidence:
    """What a hand-in is marked by: runs by name, the plan that ``own`` played, the answers, and the student's values.

    ``page`` has the lines of the tables that were handed in, ``cells`` what each session really came to in each move.
    """

    values: Mapping[str, str]
    runs: dict[str, Result] = field(default_factory=dict)
    plan: Steps | None = None
    answers: Answers = field(default_factory=dict)
    page: pages.Lines = field(default_factory=dict)
    cells: dict[tuple[str, str], Result | None] = field(default_factory=dict)
    problem: str = ""
    """Why there is no run ``own``."""
    _read: dict[str, signs.Run] = field(default_factory=dict)

    def recorded(self, name: str) -> signs.Run:
        """A run's packets and events."""
        if name not in self._read:
            directory = RunDirectory.open(self.runs[name].directory)
            try:
                self._read[name] = signs.Run(
                    list(directory.events()), trace.read(guarded.read(directory.path, CAPTURE))
                )
            except (LabError, ValueError, StopIteration) as error:
                raise Missing(f"the run's files cannot be read: {error}") from None
        return self._read[name]


def mark(point: Point, evidence: Evidence) -> Mark:
    """Hold one point against the evidence."""
    if point.cell:
        return _mark_cell(point, evidence)
    run = point.value.run if point.value else point.run
    result = evidence.runs.get(run)
    if result is None:
        return Mark(point, held=False, seen=evidence.problem or f"there is no run {run}")
    page = result.run_dir
    try:
        seen, at_s = _held(point, evidence, result)
    except Missing as missing:
        return Mark(point, held=False, seen=str(missing), page=page)
    return Mark(point, held=True, seen=seen, at_s=at_s, page=page)


def _mark_cell(point: Point, evidence: Evidence) -> Mark:
    """Hold a line of the page of results against the run of that session in that move."""
    place = point.session, filled(point.cell, evidence.values)
    result = evidence.cells.get(place)
    page = result.run_dir if result else ""
    line = evidence.page.get(place)
    if line is None:
        seen = evidence.problem or f"the page has no line for {place[0]} in {place[1]}"
        return Mark(point, held=False, seen=seen, page=page)
    wrong = pages.unlike(line, result.judgement if result else None, point.within)
    return Mark(point, held=not wrong, seen=wrong or f"{place[0]} {line}", page=page)


def _held(point: Point, evidence: Evidence, result: Result) -> tuple[str, float | None]:
    """What was seen, and when. Raises Missing."""
    said: list[str] = []
    at_s = None
    if point.answer:
        said.append(_answered(point, evidence))
    judgement = result.judgement
    if point.verdict:
        if judgement.verdict != point.verdict:
            raise Missing(f"the session {judgement.verdict}: {'; '.join(judgement.reasons)}")
        said.append(f"the session {judgement.verdict}")
    for way, text in (("up", point.up_s), ("down", point.down_s)):
        if text:
            said.append(_short(judgement.outage_s, way, float(filled(text, evidence.values))))
    if point.lost is not None:
        lost = judgement.lost.up + judgement.lost.down
        if lost > point.lost or not judgement.delivered.up or not judgement.delivered.down:
            raise Missing(
                f"{lost} messages were lost, {judgement.delivered.up} and {judgement.delivered.down} arrived"
            )
        said.append(f"{lost} messages lost")
    for verb, most in point.most.items():
        steps = [step for step in (evidence.plan.steps if evidence.plan else ()) if step.verb == verb]
        if len(steps) > most:
            raise Missing(f"{len(steps)} times {verb} is more than {most}; the last is at {steps[-1].at:g} s")
        said.append(f"{len(steps)} times {verb}")
    if point.quiet:
        said.append(_quiet(point, evidence))
    if point.signs:
        at_s = _shown(point, evidence)
        said.append(f"seen from {at_s:.3f} s on")
    return "; ".join(said), at_s


def _short(outages: Both, way: str, most: float) -> str:
    found = outages.up if way == "up" else outages.down
    if found is None:
        raise Missing(f"{way}, messages stopped for good, or none were measured")
    if found > most:
        raise Missing(f"{way}, nothing arrived for {found:.3f} s")
    return f"{way}, the longest silence was {found:.3f} s"


def _quiet(point: Point, evidence: Evidence) -> str:
    words = filled(point.quiet, evidence.values)
    seen = next(evidence.recorded(point.run).fitting(Filter.parse(words)), None)
    if seen is not None:
        raise Missing(f"there is a packet with {words} at {seen[0] / 1e9:.3f} s")
    return f"no packet with {words}"


def _shown(point: Point, evidence: Evidence) -> float:
    run = evidence.recorded(point.run)
    wanted = [signs.Sign.parse(filled(text, evidence.values)) for text in point.signs]
    first = next(wanted[0].seen(run, {}), None)
    try:
        signs.check(wanted, run, evidence.recorded)
    except signs.Unshown as unshown:
        raise Missing(str(unshown)) from None
    except BadInput as error:
        raise Missing(str(error)) from None
    assert first is not None  # or it were not shown
    at_s = first[0] / 1e9
    if point.at or point.near:
        due = float(evidence.values[point.at or point.near])
        if abs(at_s - due) > _EXACT_S and not (point.near and 0 < at_s - due < _NEAR_S):
            raise Missing(f"it was at {at_s:.3f} s, not at {due:g} s")
    return at_s


def _answered(point: Point, evidence: Evidence) -> str:
    given = evidence.answers.get(point.answer)
    if given is None:
        raise Missing(f"answers.toml has no {point.answer}")
    right = _value(point.value, evidence) if point.value else frozenset({_plain(point.word)})
    if isinstance(right, frozenset):
        good = isinstance(given, str) and _plain(given) in right
    else:
        number = not isinstance(given, bool) and isinstance(given, int | float) and math.isfinite(given)
        good = number and abs(float(str(given)) - right) <= point.within + 1e-9
    if not good:
        raise Missing(f"{point.answer} = {str(given)[:40]} is not what the run shows")
    return f"{point.answer} = {given}"


def _plain(word: str) -> str:
    """A word as it is compared: hexadecimal numbers as decimal ones, which is how a packet's fields are kept."""
    text = word.strip().lower()
    return str(int(text, 16)) if re.fullmatch("0x[0-9a-f]{1,16}", text) else text


def _value(value: Value, evidence: Evidence) -> frozenset[str] | float:
    """A number, or the words that are right."""
    judgement = evidence.runs[value.run].judgement
    match value.what:
        case "verdict":
            return frozenset({judgement.verdict})
        case "outage_up" | "outage_down":
            found = judgement.outage_s.up if value.what == "outage_up" else judgement.outage_s.down
            return math.inf if found is None else found
        case "lost_up":
            return judgement.lost.up
        case "lost_down":
            return judgement.lost.down
        case "measure":
            return next((m.value for m in judgement.measures if m.key == value.field), math.inf)
    found_packets = list(
        evidence.recorded(value.run).fitting(Filter.parse(filled(value.filter, evidence.values)))
    )
    if value.what == "count":
        return len(found_packets)
    if not found_packets:
        return math.inf
    time_ns, said = found_packets[0]
    match value.what:
        case "value":
            return frozenset(said.of(value.field))
        case "values":
            return len(said.of(value.field))
    return time_ns / 1e9


def read_answers(content: bytes) -> Answers:
    """A student's answers. Raises BadInput with the line of what is no TOML."""
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"answers.toml cannot be read: {error}") from None


def total(marks: Sequence[Mark]) -> int:
    """Points in all."""
    return sum(mark.got for mark in marks)


def run_page(directory: str) -> Path:
    """The page of a run, where it has one."""
    return Path(directory) / "report.html"
