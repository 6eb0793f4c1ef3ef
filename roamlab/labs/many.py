"""A class's hand-ins: each is a call that any worker process or machine can carry out (`roamlab.repeat.workers`).

What was handed in travels with the call; run directories stay on the machine that made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from roamlab.errors import BadInput, LabError
from roamlab.kernels.choose import select
from roamlab.kernels.job import KernelError
from roamlab.labs import course
from roamlab.labs.grade import Grade, Grader, read


@dataclass(frozen=True, slots=True)
class Order:
    """One hand-in to be graded.

    lab      its name
    folder   where the hand-in was found, and ``files`` what was in it; or ``problem``, why it cannot be read
    kernel   what ``--kernel`` takes; None for the machine's default
    runs     where run directories go, on the machine that grades
    """

    lab: str
    student: str
    folder: str
    runs: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    problem: str = ""
    kernel: str | None = None
    salt: str = ""


def orders(
    lab: Path, hand_ins: Sequence[Path], *, kernel: str | None, runs: Path, salt: str
) -> Iterator[Order]:
    """An order for each folder, whose name is the student's."""
    wanted = course.read(lab)
    for place in hand_ins:
        files: Mapping[str, bytes] = {}
        problem = ""
        try:
            files = read(wanted, place)
        except BadInput as wrong:
            problem = str(wrong)
        yield Order(lab.name, place.name, str(place), str(runs), files, problem, kernel, salt)


@cache
def _grader(lab: str, kernel: str | None, runs: str, salt: str) -> Grader:
    """A worker's grader of a lab, which keeps the lab's own runs for the next hand-in with the same values."""
    return Grader(course.find(lab), select(kernel), Path(runs), salt=salt, on_line=lambda _run, _line: None)


def carry_out(order: Order) -> Grade:
    """Grade one hand-in. Raises LabError or KernelError for what has to do with this machine."""
    grader = _grader(order.lab, order.kernel, order.runs, order.salt)
    return grader.mark(order.files, order.student, order.folder, order.problem)


def grade(pool: Executor, wanted: Sequence[Order]) -> Iterator[tuple[Order, Grade | str]]:
    """Grade hand-ins, and give each with its grade as it ends; or with why a machine could not grade it."""
    futures = {pool.submit(carry_out, order): order for order in wanted}
    for future in as_completed(futures):
        try:
            yield futures[future], future.result()
        except (LabError, KernelError) as error:
            yield futures[future], str(error)
        except Exception as error:  # a worker that was lost, and what the executor of a cluster raises
            yield futures[future], f"a worker was lost ({error or type(error).__name__})"
