"""What a command leaves for people and machines besides its table: pages, JUnit, KTAP, a Markdown summary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roamlab.errors import BadInput, LabError
from roamlab.record import ours
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.reports import ci, page


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which of them are wanted; ``junit`` and ``summary`` name files, ``ktap`` goes to standard output."""

    pages: bool = True
    junit: str = ""
    ktap: bool = False
    summary: str = ""

    def write(self, results: Sequence[Result]) -> list[Path]:
        """Write all that is wanted; the pages' paths, in the order of the results. Raises BadInput for a file that can't be."""
        pages = [page.write(RunDirectory(Path(result.run_dir))) for result in results] if self.pages else []
        if self.junit:
            _put(self.junit, ci.junit(results), ci.JUNIT_SIGN)
        if self.summary:
            _put(self.summary, ci.summary(results), ci.SUMMARY_SIGN)
        if self.ktap:
            sys.stdout.write(ci.ktap(results))
        return pages


def _put(name: str, content: str, sign: str) -> None:
    try:
        ours.save(Path(name), content, sign)
    except BadInput:
        raise
    except LabError as error:
        raise BadInput(f"{name}: {error}") from None
