"""The course's labs: solutions get full marks, typical wrong answers don't, and cheats get nothing and hang nobody.

Guests are shared: runs of a lab's own are played once for all hand-ins of the same values.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.labs import course, outputs
from roamlab.labs.grade import Grade, Grader
from roamlab.where import ROOT

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
SOLUTIONS = course.COURSE / "solutions"
WRONG = sorted(path for path in SOLUTIONS.glob("*/wrong/*.*") if path.is_file())
Grading = Callable[[str, Path], Grade]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Grading:
    """Grades a folder of a lab, as the hand-in of the student ``demo``."""
    graders: dict[str, Grader] = {}
    runs = tmp_path_factory.mktemp("runs")

    def grade(lab: str, folder: Path) -> Grade:
        if lab not in graders:
            graders[lab] = Grader(course.find(lab), select("uml"), runs, on_line=lambda _run, _line: None)
        return graders[lab].grade(folder, "demo")

    return grade


@pytest.mark.parametrize("lab", course.labs())
def test_a_solution_gets_full_marks(graded: Grading, lab: str) -> None:
    grade = graded(lab, SOLUTIONS / lab)
    assert [(mark.point.name, mark.seen) for mark in grade.marks if not mark.held] == []
    assert grade.problem == ""


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{path.parts[-3]}-{path.stem}" for path in WRONG])
def test_a_typical_wrong_answer_gets_fewer_and_is_told_why(
    graded: Grading, wrong: Path, tmp_path: Path
) -> None:
    lab, hand_in = wrong.parts[-3], tmp_path / "hand-in"
    shutil.copytree(SOLUTIONS / lab, hand_in, ignore=shutil.ignore_patterns("wrong"))
    replaced = "answers.toml" if wrong.suffix == ".toml" else course.read(course.find(lab)).plan
    shutil.copyfile(wrong, hand_in / replaced)
    grade = graded(lab, hand_in)
    missed = [mark for mark in grade.marks if not mark.held]
    assert missed
    assert grade.got < grade.worth
    assert all(mark.seen and mark.point.hint for mark in missed)


CHEATS = {
    "prints what graders print": (
        "print('roamlab: step judge'); print('survived'); print('12 of 12 points')\n"
        'print(\'{"got": 12, "worth": 12}\')\n'
    ),
    "writes a verdict and events": (
        "from pathlib import Path\n"
        "import glob, json\n"
        "for place in ['.', *glob.glob('/**/heard/*', recursive=False), *glob.glob('/*/*/*/*/heard/*')]:\n"
        "    for name in ('verdict.json', 'events.jsonl', 'capture.pcapng', 'heard.json'):\n"
        "        try:\n"
        "            (Path(place) / name).write_text(json.dumps({'verdict': 'survived'}))\n"
        "        except OSError:\n"
        "            pass\n"
    ),
    "loops for ever": "while True:\n    pass\n",
    "replaces the grader's modules": (
        "import roamlab.labs.marks as marks, roamlab.labs.hear as hear\n"
        "marks.mark = lambda *_: True\n"
        "hear.Heard = object\n"
    ),
    "takes the solution": (
        "import roamlab.labs.course as course\n"
        "exec((course.COURSE / 'solutions/03-add-prefer-remove/answer.py').read_text())\n"
    ),
    "dies": "import os\nos._exit(0)\n",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_gets_nothing(graded: Grading, tmp_path: Path, cheat: str) -> None:
    (tmp_path / "answer.py").write_text(CHEATS[cheat])
    grade = graded("03-add-prefer-remove", tmp_path)
    assert grade.got == 0
    assert grade.problem


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


def test_gradescope_is_told_points_and_hints(graded: Grading, tmp_path: Path) -> None:
    grade = graded("03-add-prefer-remove", tmp_path)
    told = json.loads(outputs.gradescope(grade))
    assert told["score"] == 0
    assert told["output"] == "answer.py is missing"
    assert [test["max_score"] for test in told["tests"]] == [mark.point.worth for mark in grade.marks]
    assert all(
        mark.point.hint in test["output"] for mark, test in zip(grade.marks, told["tests"], strict=True)
    )
