"""The text of a comment on a merge or pull request: a table, and for each run that did not go as expected the reasons.

Programs' own words stand in fenced blocks, where a forge makes neither links nor mentions nor markup of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from roamlab.record.guarded import printable
from roamlab.record.result import Result
from roamlab.record.run_directory import REPORT
from roamlab.reports.ci import SUMMARY_SIGN
from roamlab.reports.words import MARKS, seconds
from roamlab.runs.pipeline import Played

_MOST: Final = 60_000
"""Characters of a comment; GitHub takes 65,536."""
_REASONS: Final = 12
_MOMENTS: Final = 6


def comment(played: Sequence[Played], folder: Path, pages_url: str = "") -> str:
    """The comment's Markdown. Links lead to ``pages_url``, the address of ``folder``; without it pages are named by path."""
    good = sum(one.result.status == 0 for one in played)
    lines = [
        SUMMARY_SIGN,
        "",
        f"### roamlab: {good} of {len(played)} as expected",
        "",
        "| | run | verdict | expected | outage up / down | |",
        "|---|---|---|---|---:|---|",
    ]
    for one in played:
        judgement = one.result.judgement
        cells = [
            "✓" if one.result.status == 0 else "✗",
            _code(one.line.text),
            f"{MARKS.get(judgement.verdict, '?')} {judgement.verdict}",
            judgement.expected,
            f"{seconds(judgement.outage_s.up)} / {seconds(judgement.outage_s.down)}",
            _link("page", one.result, folder, pages_url),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    size = sum(map(len, lines)) + len(lines)
    for one in played:
        told = ["", *_told(one, folder, pages_url)] if one.result.status else []
        size += sum(map(len, told)) + len(told)
        if size > _MOST:
            lines += ["", "More stands in the summary of the job."]
            break
        lines += told
    return "\n".join(lines) + "\n"


def _told(one: Played, folder: Path, pages_url: str) -> Iterator[str]:
    """Why a run did not go as expected, and the moments to look at."""
    reasons = [printable(reason) for reason in one.result.judgement.reasons]
    shown = [line[:400] for line in reasons[:_REASONS]]
    fence = "`" * (max((len(run) for run in re.findall("`+", "\n".join(shown))), default=0) + 3)
    yield f"<details><summary>line {one.line.number}: {one.result.judgement.verdict}</summary>"
    yield ""
    yield from [f"{fence}text", *shown, fence]
    moments = list(_moments(one.result))[:_MOMENTS]
    if moments:
        yield ""
        yield " · ".join(_link(name, one.result, folder, pages_url, at_ns) for name, at_ns in moments)
    yield ""
    yield "</details>"


def _moments(result: Result) -> Iterator[tuple[str, int]]:
    """What to look at on a run's page, with its time (ns since the run's start)."""
    judgement = result.judgement
    for outage in judgement.outages:
        yield f"last before the silence {outage.direction}, {outage.from_ns / 1e9:.3f} s", outage.from_ns
        if outage.until_ns is not None:
            yield (
                f"first after the silence {outage.direction}, {outage.until_ns / 1e9:.3f} s",
                outage.until_ns,
            )
    for number, program in enumerate(judgement.programs, start=1):
        if program.status and program.ended_ns is not None:
            yield f"program {number} ends, {program.ended_ns / 1e9:.3f} s", program.ended_ns


def _link(text: str, result: Result, folder: Path, pages_url: str, at_ns: int | None = None) -> str:
    """A link to a run's page, or to a moment on it; the path alone where pages have no address."""
    if not result.run_dir or not (Path(result.run_dir) / REPORT).is_file():
        return text if at_ns is not None else ""
    path = os.path.relpath(Path(result.run_dir) / REPORT, folder)
    moment = "" if at_ns is None else f"#t={at_ns / 1e9:.6f}"
    if not pages_url:
        return _code(path) if at_ns is None else text
    return f"[{text}]({pages_url.rstrip('/')}/{quote(path)}{moment})"


def _code(text: str) -> str:
    """Text as code in a cell of a table, whatever is in it."""
    plain = printable(" ".join(text.split())).replace("|", "\\|")
    fence = "`" * (max((len(run) for run in re.findall("`+", plain)), default=0) + 1)
    pad = " " if fence != "`" else ""
    return f"{fence}{pad}{plain}{pad}{fence}"
