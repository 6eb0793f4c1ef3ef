"""pytest-xdist and guests: what a worker runs inside for a test, and how the reports of it come out again.

A worker takes tests from pytest-xdist as always. Each is run by a session of pytest's own in a fresh guest, of this one test,
which writes its reports into a file; the worker hands them on as if the test had run in it. Reports of a guest are hostile data
to the outside no more than a test's own are: both come from code that this user runs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from roamlab.record import guarded

if TYPE_CHECKING:
    from roamlab.runs.command import Ran

_OURS: Final = re.compile(
    r"-n\d+|-nauto|-nlogical|--(numprocesses|dist|tx|maxprocesses|junit-?xml|junit-prefix|roamlab)(=.*)?"
)
"""What the session inside is not given: it is of one test, and its results go to the worker."""
_WITH_VALUE: Final = ("-n", "--numprocesses", "--dist", "--tx", "--maxprocesses", "--junitxml", "--junit-xml")


def is_worker(config: pytest.Config) -> bool:
    """Whether this is one of pytest-xdist's workers."""
    return hasattr(config, "workerinput")


def is_shared(config: pytest.Config) -> bool:
    """Whether tests are shared out among workers: here, or by this session."""
    return is_worker(config) or config.getoption("dist", default="no") != "no"


def words(config: pytest.Config, item: pytest.Item) -> list[str]:
    """The command line of a session inside that runs one test with this session's other options."""
    given = [str(word) for word in config.workerinput["mainargv"][1:]]  # type: ignore[attr-defined]
    named = set(map(str, config.args))
    kept: list[str] = []
    value = False
    for word in given:
        if value:
            value = False
        elif word in _WITH_VALUE:
            value = True
        elif not _OURS.fullmatch(word) and word not in named:
            kept.append(word)
    return [
        *kept,
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(config.rootpath),
        str(config.rootpath / item.nodeid),
    ]


def leave(config: pytest.Config, report: pytest.TestReport, file: Path) -> None:
    """Write a report down, as a line of a file."""
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    with file.open("a", encoding="utf-8") as written:
        written.write(json.dumps(data) + "\n")


def read(directory: Path, name: str) -> list[object]:
    """The reports that a session left; none where it left no file. What is no JSON ends them: the guest was ended there."""
    found: list[object] = []
    try:
        text = guarded.read(directory, name).decode("utf-8", "replace")
    except FileNotFoundError:
        return found
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def hand_on(item: pytest.Item, reports: list[object], ran: Ran) -> None:
    """Report a test as its session inside did; as failed, with what it said, where that came to no end."""
    hook, config = item.ihook, item.config
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    ended = False
    for data in reports:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        if not isinstance(report, pytest.TestReport):
            continue
        report.nodeid, report.location = item.nodeid, item.location
        if isinstance(report.longrepr, list):  # JSON has no tuples; that of a skipped test is one
            report.longrepr = tuple(report.longrepr)
        ended |= report.when == "teardown"
        hook.pytest_runtest_logreport(report=report)
    if not ended:
        why = ran.reason or f"the session inside ended with status {ran.status}"
        said = _said(ran.run_dir)
        hook.pytest_runtest_logreport(
            report=pytest.TestReport(
                item.nodeid, item.location, {}, "failed", f"{why}\n{said}", "call", duration=ran.wall_s
            )
        )
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _said(run_dir: Path) -> str:
    """The end of what a session inside said."""
    for name in ("stdout", "stderr"):
        try:
            if text := guarded.read(run_dir, name).decode("utf-8", "replace").strip():
                return "\n".join(text.splitlines()[-40:])
        except OSError:
            continue
    return ""
