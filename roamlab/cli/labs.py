"""Tasks for teaching: hand the labs out, and grade what is handed in."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput, LabError
from roamlab.where import COMMAND

if TYPE_CHECKING:
    from roamlab.labs.grade import Grade


@command(
    help={
        "student": "a new directory, to be made with what students get: no checks, no solutions",
        "handouts": "a new directory, to be made with each lab's handout as HTML, with pictures of runs",
        "pdf": "with --handouts: as PDF, too, by Chromium",
    }
)
def labs(
    _: Context, student: str = "", handouts: str = "", pdf: bool = False, kernel: str = "", runs: str = "runs"
) -> None:
    """List the labs, copy what students get of them, or write their handouts as pages."""
    from roamlab.labs import course

    if pdf and not handouts:
        raise BadInput("--pdf goes with --handouts DIR")
    if handouts:
        from roamlab.cli.kernels import kernel_for
        from roamlab.labs import handouts as pages
        from roamlab.reports import terminal

        machine = kernel_for(kernel)
        with terminal.Progress(["pictures"]) as progress:
            painter = pages.Painter(machine, Path(runs), lambda _run, line: progress.line("pictures", line))
            written = pages.write(Path(handouts), painter, pdf=pdf)
        for file in written:
            print(file)
        return

    if student:
        for folder in course.hand_out(Path(student)):
            print(folder)
        return
    for name, path in course.labs().items():
        lab = course.read(path)
        print(f"{name:24}{lab.title} ({lab.worth} points; hand in {', '.join(lab.hand_in)})")


@command(
    help={
        "lab": f"its number, or a name that `{COMMAND} labs` shows",
        "dir": "the folder that was handed in, by default this one",
        "student": "a name or number, which the values follow from; by default the folder's name",
        "values": "print the student's values and end",
        "all": "a folder of hand-ins, one folder for each student; prints a CSV",
        "salt": "a word of the teacher's that changes all values",
        "gradescope": "a file for Gradescope's results.json",
        "classroom": "a file for GitHub Classroom's autograding: what its reporter takes in base64",
        "inginious": "a file for INGInious: what a container leaves as __feedback.json",
        "jobs": "with --all: how many hand-ins at once; by default one a core",
        "scheduler": "with --all: address of a Dask scheduler whose workers grade",
    },
    iterable=["dir"],
    positional=["lab", "dir"],
)
def grade(
    _: Context,
    lab: str,
    dir: list[str] | None = None,
    student: str = "",
    values: bool = False,
    all: str = "",
    salt: str = "",
    kernel: str = "",
    runs: str = "runs",
    json: bool = False,
    gradescope: str = "",
    classroom: str = "",
    inginious: str = "",
    jobs: int = 0,
    scheduler: str = "",
    report: bool = True,
) -> int:
    """Play a lab's checks on a hand-in; the exit status is 0 for full marks and 1 for fewer."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.labs import course, outputs
    from roamlab.labs.grade import Grader
    from roamlab.reports import terminal

    folder = course.find(lab)
    if len(dir or []) > 1:
        raise BadInput("one hand-in at a time; --all takes a folder of them")
    place = Path((dir or ["."])[0])
    name = student or place.resolve().name
    if values:
        chosen = course.read(folder)
        mine = course.own_values(chosen, course.personal(chosen, name, salt))
        print(" ".join(f"--set {key}={value}" for key, value in mine.items()))
        return 0
    if all:
        return _grade_all(
            folder, _hand_ins(Path(all)), kernel, Path(runs), salt, json=json, jobs=jobs, scheduler=scheduler
        )
    if jobs or scheduler:
        raise BadInput("--jobs and --scheduler go with --all")
    if not place.is_dir():
        raise BadInput(f"there is no folder {place}")
    machine = kernel_for(kernel)
    with terminal.Progress([folder.name], quiet=json) as progress:
        grader = Grader(
            folder,
            machine,
            Path(runs),
            salt=salt,
            on_line=lambda _run, line: progress.line(folder.name, line),
        )
        one = grader.grade(place, name)
    if report:
        _write_pages(one)
    for path, told in (
        (gradescope, outputs.gradescope),
        (classroom, outputs.classroom),
        (inginious, outputs.inginious),
    ):
        if path:
            _write(Path(path), told(one))
    if json:
        print(jsonlib.dumps(outputs.as_dict(one)))
    else:
        _show(one)
    return 0 if one.got == one.worth else 1


def _grade_all(
    lab: Path,
    hand_ins: list[Path],
    kernel: str,
    runs: Path,
    salt: str,
    *,
    json: bool,
    jobs: int,
    scheduler: str,
) -> int:
    """Grade a folder of hand-ins, several at once; the exit status is 0 where all were graded."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.labs import many, outputs
    from roamlab.labs.grade import Grade
    from roamlab.repeat.cluster import cluster
    from roamlab.repeat.workers import cores, processes
    from roamlab.reports import terminal

    if jobs < 0:
        raise BadInput(f"--jobs {jobs} grades nothing; it takes 1 and more")
    kernel_for(kernel)  # what is wrong with it is told once, and before anything begins
    wanted = list(many.orders(lab, hand_ins, kernel=kernel or None, runs=runs.absolute(), salt=salt))
    found: dict[str, Grade] = {}
    failed: dict[str, str] = {}
    with cluster(scheduler) if scheduler else processes(jobs or cores()) as pool:
        for order, told in many.grade(pool, wanted):
            if isinstance(told, Grade):
                found[order.student] = told
            else:
                failed[order.student] = told
            done = len(found) + len(failed)
            terminal.note(f"{done} of {len(wanted)}: {order.student}")
    grades = [found[order.student] for order in wanted if order.student in found]
    print(
        jsonlib.dumps([outputs.as_dict(each) for each in grades]) if json else outputs.table(grades),
        end="",
    )
    for rank, best in enumerate(outputs.leaders(grades), 1):
        terminal.note(f"{rank}. {best.student}: {best.score:g}")
    for student, why in failed.items():
        terminal.note(f"{student} could not be graded here: {why}")
    return LabError.status if failed else 0


def _hand_ins(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    if not found:
        raise BadInput(f"{folder} has no folders in it; each student's hand-in is one")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}") from None


def _write_pages(grade: Grade) -> None:
    """A page for the run that played the student's plan."""
    from roamlab.api import load
    from roamlab.reports.outputs import Outputs

    if "own" in grade.runs:
        Outputs(True, "", False, "").write([load(grade.runs["own"])])


def _show(grade: Grade) -> None:
    """Print what became of each point, where it was seen, and a hint where it was not got."""
    from roamlab.record.guarded import printable

    print(f"{grade.title}: {grade.got} of {grade.worth} points for {printable(grade.student)}")
    for mark in grade.marks:
        at = f" (at {mark.at_s:.3f} s)" if mark.at_s is not None else ""
        print(f"\n  {mark.got}/{mark.point.worth}  {mark.point.name}\n       {printable(mark.seen)}{at}")
        if not mark.held:
            print(f"       hint: {mark.point.hint}")
    if grade.score is not None:
        print(f"\nscore: {grade.score:g} s (less is better)")
    if "own" in grade.runs:
        print(f"\nyour plan's run: {grade.runs['own']}")
