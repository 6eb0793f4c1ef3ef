"""The course's labs: solutions get full marks, typical wrong answers don't, and cheats get nothing and hang nobody.

Guests are shared: runs of a lab's own are played once for all hand-ins of the same values.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.labs import course, hear, outputs
from roamlab.labs.grade import Files, Grade, Grader
from roamlab.record.result import Result
from roamlab.repeat import moves
from roamlab.where import ROOT

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
SOLUTIONS = course.COURSE / "solutions"
BY_HAND = {"09-kernel-check_removed": "builds a kernel, which takes a minute or two"}
WRONG = sorted(path for path in SOLUTIONS.glob("*/wrong/*.*") if path.is_file())
WRONG_IDS = {f"{path.parts[-3]}-{path.stem}": path for path in WRONG}
COMPARED = ("sctp", "tcp", "mptcp", "udp-mip")
"""The kinds of session that lab 8 is tried with: all of them take minutes."""
STUDENTS = ("ada", "4711")
Grading = Callable[..., Grade]


class Trusting(Grader):
    """A grader that hears hand-ins of ours here, without a guest."""

    def _listen(self, asking: hear.Asking, files: Files) -> hear.Heard:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            return hear.hear(asking, Path(folder))


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Grading:
    """Grades a folder of a lab, as the hand-in of the student ``demo`` unless another one is named.

    With ``answers=False`` the points that are answers are left out; ``ours`` is a hand-in that needs no guest to be heard.
    Runs of the lab's own are shared.
    """
    graders: dict[tuple[str, bool, bool], Grader] = {}
    played: dict[str, dict[tuple[str, str, str], Result]] = {}
    runs = tmp_path_factory.mktemp("runs")

    def grade(
        lab: str, folder: Path, student: str = "demo", *, answers: bool = True, ours: bool = False
    ) -> Grade:
        if (lab, answers, ours) not in graders:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(moves, "sessions", lambda: COMPARED)
                kind = Trusting if ours else Grader
                grader = kind(course.find(lab), select("uml"), runs, on_line=lambda _run, _line: None)
            grader.played = played.setdefault(lab, grader.played)
            if not answers:
                points = tuple(point for point in grader.lab.points if not point.answer)
                grader.lab = msgspec.structs.replace(grader.lab, points=points)
            graders[lab, answers, ours] = grader
        return graders[lab, answers, ours].grade(folder, student)

    return grade


def _needs_kernel(lab: str) -> None:
    if lab == "09-kernel" and not {"asconf-lookup-delete", "asconf-fail-rest"} <= {
        kernel.metadata.variant for kernel in lab_kernels()
    }:
        pytest.skip("needs variants of the lab kernel: ./lab kernel --all")


@pytest.mark.parametrize("lab", course.labs())
def test_a_solution_gets_full_marks(graded: Grading, lab: str) -> None:
    _needs_kernel(lab)
    grade = graded(lab, SOLUTIONS / lab)
    assert [(mark.point.name, mark.seen) for mark in grade.marks if not mark.held] == []
    assert grade.problem == ""


@pytest.mark.parametrize("lab", [lab for lab, folder in course.labs().items() if course.read(folder).plan])
def test_a_solution_is_right_with_other_students_values(graded: Grading, lab: str) -> None:
    for student in os.environ.get("ROAMLAB_STUDENTS", " ".join(STUDENTS)).split():
        grade = graded(lab, SOLUTIONS / lab, student, answers=False, ours=True)
        missed = [(mark.point.name, mark.seen) for mark in grade.marks if not mark.held]
        assert (student, grade.values, missed) == (student, grade.values, [])


@pytest.mark.parametrize("name", [name for name in WRONG_IDS if name not in BY_HAND])
def test_a_typical_wrong_answer_gets_fewer_and_is_told_why(
    graded: Grading, name: str, tmp_path: Path
) -> None:
    wrong = WRONG_IDS[name]
    lab, hand_in = wrong.parts[-3], tmp_path / "hand-in"
    _needs_kernel(lab)
    shutil.copytree(SOLUTIONS / lab, hand_in, ignore=shutil.ignore_patterns("wrong"))
    asked = course.read(course.find(lab))
    replaced = "answers.toml" if wrong.suffix == ".toml" else asked.plan or asked.patch or asked.page
    shutil.copyfile(wrong, hand_in / replaced)
    grade = graded(lab, hand_in, ours=True)
    missed = [mark for mark in grade.marks if not mark.held]
    assert missed
    assert grade.got < grade.worth
    assert all(mark.seen and mark.point.hint for mark in missed)


PLAN = (SOLUTIONS / "03-add-prefer-remove/wrong/own_time.py").read_text()
"""A plan that is valid, and misses one point."""
SOLUTION = (SOLUTIONS / "03-add-prefer-remove/answer.py").read_text()
WALLED = {
    "prints what graders print": (
        "print('roamlab: step judge'); print('survived'); print('12 of 12 points')\n"
        'print(\'{"got": 12, "worth": 12}\')\n'
    ),
    "writes a verdict and events": (
        "import json, pathlib\n"
        "mounts = [line.split()[1] for line in pathlib.Path('/proc/mounts').read_text().splitlines()]\n"
        "for place in ['.', '..', *mounts]:\n"
        "    for name in ('verdict.json', 'events.jsonl', 'capture.pcapng', 'heard.json', 'checks.toml'):\n"
        "        try:\n"
        "            (pathlib.Path(place) / name).write_text(json.dumps({'verdict': 'survived'}))\n"
        "        except OSError:\n"
        "            pass\n"
    ),
    "replaces the grader's modules": (
        "import roamlab.labs.course as course, roamlab.labs.grade as grade, roamlab.labs.marks as marks\n"
        "marks.mark = marks._held = lambda *_: True\n"
        "course.Lab.worth = grade.Grade.got = 12\n"
    ),
    "takes the solution": (
        "import ctypes, pathlib, roamlab.labs.course as course\n"
        "ctypes.CDLL(None).umount2(str(course.COURSE.resolve()).encode(), 2)\n"
        "found = [*course.COURSE.rglob('answer.py'), *pathlib.Path('..').rglob('solutions')]\n"
        "if found:\n"
        "    raise SystemExit('the wall has a hole: ' + str(found))\n"
    ),
}
"""What is tried before that plan: it changes nothing, so that the plan gets what it is worth, and no more."""
ENDED = {"loops for ever": "while True:\n    pass\n", "dies": "import os\nos._exit(0)\n"}
"""What keeps a plan, though it be right, from being told."""


@pytest.mark.parametrize("cheat", WALLED)
def test_a_cheat_gets_what_its_plan_is_worth(graded: Grading, tmp_path: Path, cheat: str) -> None:
    (tmp_path / "answer.py").write_text(WALLED[cheat] + PLAN)
    grade = graded("03-add-prefer-remove", tmp_path)
    assert grade.problem == ""
    assert [mark.point.name for mark in grade.marks if not mark.held] == [
        "The second NIC comes when it should"
    ]


@pytest.mark.parametrize("cheat", ENDED)
def test_a_hand_in_that_does_not_end_gets_nothing(graded: Grading, tmp_path: Path, cheat: str) -> None:
    (tmp_path / "answer.py").write_text(ENDED[cheat] + SOLUTION)
    grade = graded("03-add-prefer-remove", tmp_path)
    assert grade.got == 0
    assert grade.problem


def test_files_that_the_lab_does_not_ask_for_are_not_there(graded: Grading, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "answer.py").write_text(f"import helper\n{SOLUTION}")
    grade = graded("03-add-prefer-remove", tmp_path)
    assert (grade.got, "No module named 'helper'" in grade.problem) == (0, True)


def test_checks_in_the_student_s_folder_are_nobody_s(graded: Grading, tmp_path: Path) -> None:
    lab = "03-add-prefer-remove"
    shutil.copyfile(course.find(lab) / "starter/answer.py", tmp_path / "answer.py")
    (tmp_path / "checks.toml").write_text(
        'number = 3\ntitle = "x"\nhand_in = []\npoints = []\nparameters = {}\n'
    )
    grade = graded(lab, tmp_path)
    assert grade.worth == course.read(course.find(lab)).worth
    assert grade.got < grade.worth


def test_a_link_in_place_of_a_file_is_not_followed(graded: Grading, tmp_path: Path) -> None:
    (tmp_path / "answer.py").symlink_to(SOLUTIONS / "03-add-prefer-remove/answer.py")
    grade = graded("03-add-prefer-remove", tmp_path)
    assert (grade.got, "is a symbolic link" in grade.problem) == (0, True)


def test_a_folder_of_hand_ins_becomes_a_table_and_a_run_can_be_made_again(tmp_path: Path) -> None:
    hand_ins = tmp_path / "all"
    shutil.copytree(SOLUTIONS / "03-add-prefer-remove", hand_ins / "ada")
    (hand_ins / "=bob").mkdir()

    def lab(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "roamlab.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = lab("grade", "3", "--all", str(hand_ins), "--kernel", "uml")
    assert done.returncode == 0, done.stderr
    header, bob, ada = done.stdout.splitlines()
    assert header.startswith("student,points,of,score,problem,")
    assert bob.startswith("'=bob,0,12,,answer.py is missing,")
    assert ada.startswith("ada,12,12,")
    (run,) = (tmp_path / "runs/hand-in").iterdir()
    again = lab("replay", str(run), "--runs", "there")
    assert (again.returncode, "identical to the last bit" in again.stdout) == (0, True), again.stderr


def test_other_graders_are_told_points_and_hints(graded: Grading, tmp_path: Path) -> None:
    grade = graded("03-add-prefer-remove", tmp_path)
    told = json.loads(outputs.gradescope(grade))
    classroom, inginious = json.loads(outputs.classroom(grade)), json.loads(outputs.inginious(grade))
    assert (classroom["status"], classroom["max_score"]) == ("fail", grade.worth)
    assert [test["score"] for test in classroom["tests"]] == [0] * len(grade.marks)
    assert (inginious["result"], inginious["grade"]) == ("failed", 0.0)
    assert all(mark.point.name.replace(":", "\\:") in inginious["text"] for mark in grade.marks)
    assert told["score"] == 0
    assert told["output"] == "answer.py is missing"
    assert [test["max_score"] for test in told["tests"]] == [mark.point.worth for mark in grade.marks]
    assert all(
        mark.point.hint in test["output"] for mark, test in zip(grade.marks, told["tests"], strict=True)
    )
