"""Results for machines that judge builds: JUnit XML, KTAP, and a Markdown table for a job's page.

A run that came out as expected passes, one that the kernel cannot play is skipped, one that could not be judged is an error,
and everything else is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final
from xml.etree import ElementTree as Xml

from roamlab.record.result import Judgement, Result
from roamlab.reports.svg import printable
from roamlab.reports.words import MARKS, ratio, seconds

JUNIT_SIGN: Final = '<testsuite name="roamlab"'
SUMMARY_SIGN: Final = "<!-- roamlab -->"
_DIRECTIONS: Final = ("up", "down")


class Outcome(Enum):
    """What a build makes of a run."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"


def outcome(judgement: Judgement) -> Outcome:
    """What a build makes of a judgement."""
    if judgement.verdict == judgement.expected:
        return Outcome.PASSED
    return {"unsupported": Outcome.SKIPPED, "invalid": Outcome.ERROR}.get(judgement.verdict, Outcome.FAILED)


def name(result: Result) -> str:
    """A run's name: scenario, what was set, and the kernel's variant."""
    settings = "".join(f" {key}={value}" for key, value in result.parameters.items())
    variant = f" [{result.kernel['variant']}]" if result.kernel.get("variant") else ""
    return f"{result.judgement.scenario}{settings}{variant}"


def junit(results: Sequence[Result]) -> str:
    """JUnit XML with a suite for all results; measurements are properties of each case."""
    outcomes = [outcome(result.judgement) for result in results]
    suite = Xml.Element(
        "testsuite",
        name="roamlab",
        tests=str(len(results)),
        failures=str(outcomes.count(Outcome.FAILED)),
        errors=str(outcomes.count(Outcome.ERROR)),
        skipped=str(outcomes.count(Outcome.SKIPPED)),
        time=f"{sum(result.wall_s for result in results):.3f}",
    )
    for result, came_to in zip(results, outcomes, strict=True):
        kernel = f"{result.kernel.get('kind', 'unknown')}-{result.kernel.get('version', 'unknown')}"
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=printable(kernel),
            name=printable(name(result)),
            time=f"{result.wall_s:.3f}",
        )
        properties = Xml.SubElement(case, "properties")
        for key, value in measurements(result).items():
            Xml.SubElement(properties, "property", name=key, value=printable(value))
        if came_to is not Outcome.PASSED:
            element = {Outcome.SKIPPED: "skipped", Outcome.ERROR: "error"}.get(came_to, "failure")
            Xml.SubElement(case, element, message=printable(_why(result.judgement)))
    Xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suite, encoding="unicode") + "\n"


def ktap(results: Sequence[Result]) -> str:
    """KTAP, version 1 (the kernel's Documentation/dev-tools/ktap.rst): a line a result, diagnostics before it."""
    lines = ["KTAP version 1", f"1..{len(results)}"]
    for number, result in enumerate(results, start=1):
        came_to = outcome(result.judgement)
        lines += [f"# {key}: {_line(value)}" for key, value in measurements(result).items()]
        word = "ok" if came_to in (Outcome.PASSED, Outcome.SKIPPED) else "not ok"
        why = _line(_why(result.judgement))
        directive = {Outcome.SKIPPED: f" # SKIP {why}", Outcome.ERROR: f" # ERROR {why}"}.get(came_to, "")
        # KTAP reads a number sign in a description as the start of a directive.
        lines.append(f"{word} {number} {_line(name(result)).replace('#', '')}{directive}")
    return "\n".join(lines) + "\n"


def summary(results: Sequence[Result]) -> str:
    """A Markdown table for the page of a CI job."""
    good = sum(result.judgement.verdict == result.judgement.expected for result in results)
    lines = [
        SUMMARY_SIGN,
        "",
        f"**{good} of {len(results)} as expected**",
        "",
        "| scenario | verdict | expected | outage up | outage down | times the bound | lost | duplicated |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        judgement = result.judgement
        outage, bound = judgement.outage_s, judgement.lower_bound_s
        cells = [
            name(result),
            f"{MARKS.get(judgement.verdict, '?')} {judgement.verdict}",
            judgement.expected if judgement.verdict == judgement.expected else f"**{judgement.expected}**",
            seconds(outage.up),
            seconds(outage.down),
            f"{ratio(outage.up, bound.up)} / {ratio(outage.down, bound.down)}",
            f"{judgement.lost.up} / {judgement.lost.down}",
            f"{judgement.duplicated.up} / {judgement.duplicated.down}",
        ]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    measured = [result for result in results if result.judgement.measures]
    lines += ["", *map(_measured, measured)] if measured else []
    others = [r for r in results if r.judgement.verdict != r.judgement.expected]
    lines += ["", *(f"- {_cell(name(r))}: {_cell(_why(r.judgement))}" for r in others)] if others else []
    return "\n".join(lines) + "\n"


def _measured(result: Result) -> str:
    """What one result measured besides, as a line of a list."""
    told = (f"{measure.title} {measure.text}" for measure in result.judgement.measures)
    return f"- {_cell(name(result))}: {_cell(', '.join(told))}"


def measurements(result: Result) -> dict[str, str]:
    """A result's figures by name, as text; what does not apply is left out."""
    judgement = result.judgement
    found = {"verdict": judgement.verdict, "expected": judgement.expected, "seed": str(result.seed)}
    for what in ("outage_s", "lower_bound_s", "sent", "delivered", "lost", "duplicated"):
        for direction in _DIRECTIONS:
            value = getattr(getattr(judgement, what), direction)
            if value is not None:
                found[f"{what}.{direction}"] = str(value)
    return {**found, **{measure.key: f"{measure.value:g}" for measure in judgement.measures}}


def _why(judgement: Judgement) -> str:
    return f"{judgement.verdict}, expected {judgement.expected}: {'; '.join(judgement.reasons)}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    escaped = _line(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return escaped.replace("`", "\\`")
