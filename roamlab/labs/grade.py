"""Grade a hand-in: hear it in one guest, play its plan in another, and mark it from outside of both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from roamlab import registry
from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Job, Kernel
from roamlab.labs import course, hear, marks, stage, steps
from roamlab.labs.course import Lab
from roamlab.record import guarded
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.runs import bytecode, orchestrator

ANSWERS: Final = "answers.toml"
_LARGEST: Final = 256 << 10
_SCORE_PREFER: Final = 0.1
OnLine = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Grade:
    """What a hand-in came to.

    problem  why some of it could not be marked, in a sentence; empty where all was
    score    for the leaderboard, less is better; None where it is not ranked, or its session did not survive
    """

    lab: str
    title: str
    student: str
    folder: str
    values: dict[str, str]
    marks: tuple[marks.Mark, ...]
    problem: str = ""
    score: float | None = None
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def got(self) -> int:
        """Points."""
        return marks.total(self.marks)

    @property
    def worth(self) -> int:
        """Points that there are."""
        return sum(mark.point.worth for mark in self.marks)


class Grader:
    """Grades hand-ins of one lab. Runs of the lab's own are played once for each set of values."""

    def __init__(self, folder: Path, kernel: Kernel, runs: Path, *, salt: str = "", on_line: OnLine) -> None:
        self.folder = folder
        self.lab: Lab = course.read(folder)
        self._kernel, self._runs, self._salt, self._on_line = kernel, runs, salt, on_line
        self._played: dict[tuple[str, str], Result] = {}

    def grade(self, hand_in: Path, student: str) -> Grade:
        """Grade one student's folder. Raises LabError for what has to do with this machine and not with the student."""
        values = course.personal(self.lab, student, self._salt)
        evidence = marks.Evidence(values)
        try:
            files = self._files(hand_in)
            if ANSWERS in files:
                evidence.answers = marks.read_answers(files[ANSWERS])
            if self.lab.plan:
                evidence.plan = self._heard(files, values, hand_in)
        except BadInput as problem:
            evidence.problem = str(problem)
        wanted = {point.value.run if point.value else point.run for point in self.lab.points}
        for name, spec in self.lab.runs.items():
            if name in wanted:
                given = {key: course.filled(text, values) for key, text in spec.set.items()}
                scenario = str(self.folder / spec.scenario) if "/" in spec.scenario else spec.scenario
                evidence.runs[name] = self._play(name, scenario, given)
        if evidence.plan is not None:
            given = {key: course.filled(text, values) for key, text in self.lab.stage.items()}
            given["steps"] = steps.encode(evidence.plan)
            try:
                evidence.runs["own"] = self._play("own", str(Path(stage.__file__)), given)
            except BadInput as problem:  # of the stage's rehearsal: a plan that makes no sense
                evidence.problem = str(problem).partition(": ")[2] or str(problem)
        found = tuple(marks.mark(point, evidence) for point in self.lab.points)
        return Grade(
            lab=self.folder.name,
            title=self.lab.title,
            student=student,
            folder=str(hand_in),
            values=course.own_values(self.lab, values),
            marks=found,
            problem=evidence.problem,
            score=self._score(evidence),
            runs={name: result.run_dir for name, result in evidence.runs.items()},
        )

    def _files(self, hand_in: Path) -> dict[str, bytes]:
        """The files that were handed in. Raises BadInput for one that is missing, a link or too large."""
        if not hand_in.is_dir():
            raise BadInput(f"there is no folder {hand_in}")
        found = {}
        for name in self.lab.hand_in:
            try:
                found[name] = guarded.read(hand_in, name, _LARGEST)
            except FileNotFoundError:
                raise BadInput(f"{name} is missing") from None
        return found

    def _heard(self, files: dict[str, bytes], values: dict[str, str], hand_in: Path) -> steps.Steps:
        """The plan that the student's file comes to. Raises BadInput where it comes to none that this lab allows."""
        directory = RunDirectory.create(self._runs, "heard")
        with directory.held():
            inside = directory.path / hear.HAND_IN
            inside.mkdir()
            for name, content in files.items():
                guarded.write(inside, name, content)
            own = course.own_values(self.lab, values)
            given = {key: course.filled(text, values) for key, text in self.lab.stage.items()}
            walk = (
                hear.Walk(
                    int(given["walk"]),
                    float(given["end"]) - 6.0,
                    float(given["speed"]),
                    float(given["apart"]),
                )
                if self.lab.policy
                else None
            )
            hidden = [str(course.COURSE.resolve()), str(hand_in.resolve().parent)]
            asking = hear.Asking(self.lab.plan, own, walk, tuple(hidden))
            guarded.write(directory.path, hear.REQUEST, msgspec.json.encode(asking))
            job = Job(
                argv=(sys.executable, "-m", "roamlab.labs.hear", str(directory.path)),
                run_dir=directory.path,
                seed=1,
            )
            bytecode.prepare()
            outcome = self._kernel.execute(job, lambda line: self._on_line("hear", line))
        if outcome.reason:
            raise BadInput(f"{self.lab.plan} did not come to an end: {outcome.reason}")
        try:
            said = guarded.read(directory.path, hear.HEARD, _LARGEST)
            heard = msgspec.json.decode(said, type=hear.Heard)
        except (FileNotFoundError, msgspec.DecodeError, ValueError, RecursionError):
            raise BadInput(f"{self.lab.plan} came to no plan; does it run with `lab run`?") from None
        if heard.plan is None:
            raise BadInput(guarded.printable(heard.problem)[:500] or f"{self.lab.plan} came to no plan")
        for step in heard.plan.steps:
            if step.verb not in self.lab.allowed:
                raise BadInput(
                    f"{step.verb} at {step.at:g} s is not allowed in this lab, which takes {', '.join(self.lab.allowed)}"
                )
        return self._without_the_labs_own(heard.plan)

    def _without_the_labs_own(self, plan: steps.Steps) -> steps.Steps:
        """The plan without a move, where the lab moves the node itself."""
        if "move" not in self.lab.stage:
            return plan
        kept = tuple(step for step in plan.steps if not isinstance(step, steps.Move))
        return msgspec.structs.replace(plan, steps=kept)

    def _play(self, name: str, scenario: str, given: Mapping[str, str]) -> Result:
        key = scenario, repr(sorted(given.items()))
        if key not in self._played:
            chosen = registry.find(scenario)
            result = orchestrator.run(
                chosen,
                chosen.complete(given),
                seed=1,
                kernel=self._kernel,
                runs=self._runs,
                on_line=lambda line: self._on_line(name, line),
            )
            if result.status >= LabError.status and name != "own":
                raise LabError(f"the lab's own run {name} failed: {'; '.join(result.reasons)}")
            self._played[key] = result
        return self._played[key]

    def _score(self, evidence: marks.Evidence) -> float | None:
        own = evidence.runs.get("own")
        if not self.lab.score or own is None or own.judgement.verdict != "survived" or evidence.plan is None:
            return None
        outages = own.judgement.outage_s
        if outages.up is None or outages.down is None:
            return None
        prefers = sum(step.verb == "prefer" for step in evidence.plan.steps)
        return round(outages.up + outages.down + _SCORE_PREFER * prefers, 3)
