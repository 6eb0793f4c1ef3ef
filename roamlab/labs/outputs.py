"""How grades are told: to a program, to Gradescope, and as a table over a folder of hand-ins."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import TypedDict

from roamlab.labs.grade import Grade
from roamlab.labs.marks import Mark


class PointRow(TypedDict):
    """A point in ``--json``; ``hint`` is empty where it was got."""

    name: str
    worth: int
    got: int
    seen: str
    at_s: float | None
    page: str
    hint: str


class GradeRow(TypedDict):
    """A grade in ``--json``."""

    lab: str
    student: str
    values: dict[str, str]
    got: int
    worth: int
    problem: str
    score: float | None
    runs: dict[str, str]
    points: list[PointRow]


def as_dict(grade: Grade) -> GradeRow:
    """A grade as ``--json`` prints it."""
    return {
        "lab": grade.lab,
        "student": grade.student,
        "values": grade.values,
        "got": grade.got,
        "worth": grade.worth,
        "problem": grade.problem,
        "score": grade.score,
        "runs": grade.runs,
        "points": [_point(mark) for mark in grade.marks],
    }


def _point(mark: Mark) -> PointRow:
    return {
        "name": mark.point.name,
        "worth": mark.point.worth,
        "got": mark.got,
        "seen": mark.seen,
        "at_s": mark.at_s,
        "page": mark.page,
        "hint": "" if mark.held else mark.point.hint,
    }


def gradescope(grade: Grade) -> str:
    """Gradescope's results.json: a test for each point, and a leaderboard where the lab is a competition."""
    tests = [
        {
            "name": mark.point.name,
            "score": mark.got,
            "max_score": mark.point.worth,
            "status": "passed" if mark.held else "failed",
            "output": mark.seen if mark.held else f"{mark.seen}\n{mark.point.hint}",
        }
        for mark in grade.marks
    ]
    result: dict[str, object] = {"score": grade.got, "output": grade.problem, "tests": tests}
    if grade.score is not None:
        result["leaderboard"] = [{"name": "score", "value": grade.score, "order": "asc"}]
    return json.dumps(result, indent=1)


def classroom(grade: Grade) -> str:
    """What GitHub Classroom's autograding reporter takes, in base64, from a runner's ``_RESULTS``: a test for each point.

    The reporter adds up ``score``; the table that it prints counts tests, whatever they are worth.
    """
    tests = [
        {
            "name": mark.point.name,
            "status": "pass" if mark.held else "fail",
            "score": mark.got,
            "message": mark.seen if mark.held else f"{mark.seen}\n{mark.point.hint}",
        }
        for mark in grade.marks
    ]
    status = "pass" if grade.got == grade.worth else "fail"
    return json.dumps({"version": 1, "status": status, "max_score": grade.worth, "tests": tests}, indent=1)


def inginious(grade: Grade) -> str:
    """What an INGInious container leaves in ``/.__output/__feedback.json``: result, grade in percent, reStructuredText."""
    lines = [f"{grade.got} of {grade.worth} points. {_literal(grade.problem)}".strip(), ""]
    for mark in grade.marks:
        told = mark.seen if mark.held else f"{mark.seen} | {mark.point.hint}"
        lines += [
            f"- {mark.got}/{mark.point.worth} {_literal(mark.point.name)}",
            "",
            f"  {_literal(told)}",
            "",
        ]
    result = "success" if grade.got == grade.worth else "failed"
    percent = round(100 * grade.got / grade.worth, 2) if grade.worth else 0.0
    return json.dumps({"result": result, "grade": percent, "text": "\n".join(lines)}, indent=1)


def _literal(text: str) -> str:
    """Text in which reStructuredText finds no markup: on one line, with a backslash before what could begin some."""
    return re.sub(r"([\\*`_|<>\[\]:])", r"\\\1", " ".join(text.split()))


def table(grades: Sequence[Grade]) -> str:
    """A CSV with a line for each hand-in: student, points, score, what could not be marked, and each point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [mark.point.name for mark in grades[0].marks] if grades else []
    writer.writerow(["student", "points", "of", "score", "problem", *names])
    for grade in grades:
        score = "" if grade.score is None else grade.score
        cells = [grade.student, grade.got, grade.worth, score, grade.problem, *(m.got for m in grade.marks)]
        writer.writerow([_harmless(cell) for cell in cells])
    return out.getvalue()


def _harmless(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def leaders(grades: Sequence[Grade]) -> list[Grade]:
    """Those with a score, the best first; equal ones by name."""
    ranked = [grade for grade in grades if grade.score is not None]
    return sorted(ranked, key=lambda grade: (grade.score, grade.student))
