"""Grade a hand-in: hear it in one guest, play its plan in another, and mark it from outside of both."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab import registry
from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Job, Kernel
from roamlab.labs import course, hear, marks, pages, repair, stage, steps
from roamlab.labs.course import Lab
from roamlab.record import guarded
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import Scenario, Verdict
from roamlab.repeat import moves
from roamlab.runs import bytecode, orchestrator

ANSWERS: Final = "answers.toml"
OWN: Final = "own"
"""The run that plays a hand-in's plan."""
_LARGEST: Final = 256 << 10
_SCORE_PREFER: Final = 0.1
_ENDS: Final = (Verdict.UNSUPPORTED.value, Verdict.NO_SESSION.value)
"""Verdicts of a run that did not come to its end as it should, and yet says something."""
_OWN: Final = {"move": steps.Move, "gone": steps.Detach}
"""Parameters of the stage, and what they do in place of a plan's steps."""
Files = Mapping[str, bytes]
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


def read(lab: Lab, hand_in: Path) -> Files:
    """The files that were handed in, by name. Raises BadInput for one that is missing, a link or too large."""
    if not hand_in.is_dir():
        raise BadInput(f"there is no folder {hand_in}")
    found = {}
    for name in lab.hand_in:
        try:
            found[name] = guarded.read(hand_in, name, _LARGEST)
        except FileNotFoundError:
            raise BadInput(f"{name} is missing") from None
    return found


class Grader:
    """Grades hand-ins of one lab. Runs of the lab's own are played once for each set of values."""

    def __init__(self, folder: Path, kernel: Kernel, runs: Path, *, salt: str = "", on_line: OnLine) -> None:
        self.folder = folder
        self.lab: Lab = course.read(folder)
        self._kernel, self._runs, self._salt, self._on_line = kernel, runs, salt, on_line
        self._plans: dict[str, steps.Steps] = {}
        self.played: dict[tuple[str, str, str], Result] = {}
        """Runs by scenario, parameters and the kernel's variant; graders of one lab may share them."""

    def grade(self, hand_in: Path, student: str) -> Grade:
        """Grade one student's folder. Raises LabError for what has to do with this machine and not with the student."""
        try:
            return self.mark(read(self.lab, hand_in), student, str(hand_in))
        except BadInput as problem:
            return self.mark({}, student, str(hand_in), str(problem))

    def mark(self, files: Files, student: str, folder: str = "", problem: str = "") -> Grade:
        """Grade the files that a student handed in; ``problem`` is why there are none. Raises LabError as `grade` does."""
        values = course.personal(self.lab, student, self._salt)
        evidence = marks.Evidence(values, problem=problem)
        repaired: Kernel | None = None
        try:
            if not problem:
                repaired = self._take(files, evidence, folder)
        except BadInput as wrong:
            evidence.problem = str(wrong)
        wanted = {point.value.run if point.value else point.run for point in self.lab.points}
        for name, spec in self.lab.runs.items():
            if name not in wanted or (spec.patched and repaired is None):
                continue
            given = {key: course.filled(text, values) for key, text in spec.set.items()}
            scenario = registry.find(
                str(self.folder / spec.scenario) if "/" in spec.scenario else spec.scenario
            )
            on = repaired if spec.patched else None
            evidence.runs[name] = self._play(name, scenario, scenario.complete(given), on)
        for point in self.lab.points:
            if point.cell:
                place = point.session, course.filled(point.cell, values)
                evidence.cells[place] = self._cell(*place)
        if evidence.plan is not None:
            given = self._stage(values)
            given["steps"] = steps.encode(evidence.plan)
            played = registry.find(f"{stage.__file__}:{self.lab.plays}")
            try:
                evidence.runs[OWN] = self._play(OWN, played, played.complete(given))
            except BadInput as wrong:  # of the stage's rehearsal: a plan that makes no sense
                evidence.problem = str(wrong).partition(": ")[2] or str(wrong)
        found = tuple(marks.mark(point, evidence) for point in self.lab.points)
        return Grade(
            lab=self.folder.name,
            title=self.lab.title,
            student=student,
            folder=folder,
            values=course.own_values(self.lab, values),
            marks=found,
            problem=evidence.problem,
            score=self._score(evidence),
            runs={name: result.run_dir for name, result in evidence.runs.items()},
        )

    def _take(self, files: Files, evidence: marks.Evidence, folder: str) -> Kernel | None:
        """Read what was handed in; the kernel that a patch makes. Raises BadInput for what cannot be read."""
        if ANSWERS in files:
            evidence.answers = marks.read_answers(files[ANSWERS])
        if self.lab.page:
            evidence.page = pages.read(files[self.lab.page])
        if self.lab.plan:
            evidence.plan = self._heard(
                {n: f for n, f in files.items() if n != ANSWERS}, evidence.values, folder
            )
        if self.lab.patch:
            return repair.kernel(files[self.lab.patch], lambda step: self._on_line("repaired", step))
        return None

    def _stage(self, values: Mapping[str, str]) -> dict[str, str]:
        """The parameters of the stage, for a student's values."""
        return {key: course.filled(text, values) for key, text in self.lab.stage.items()}

    def _heard(self, files: Files, values: Mapping[str, str], folder: str) -> steps.Steps:
        """The plan that the student's file comes to. Raises BadInput where it comes to none that this lab allows.

        The same files with the same values come to the same plan: it is kept.
        """
        key = repr((sorted(files.items()), sorted(values.items())))
        if key not in self._plans:
            self._plans[key] = self._hear(files, values, folder)
        return self._plans[key]

    def _hear(self, files: Files, values: Mapping[str, str], folder: str) -> steps.Steps:
        given = self._stage(values)
        walk = None
        if self.lab.policy:
            walk = hear.Walk(
                int(given["walk"]), float(given["end"]) - 6.0, float(given["speed"]), float(given["apart"])
            )
        hidden = [str(course.COURSE.resolve()), *([str(Path(folder).resolve().parent)] if folder else [])]
        asking = hear.Asking(self.lab.plan, course.own_values(self.lab, values), walk, tuple(hidden))
        heard = self._listen(asking, files)
        if heard.plan is None:
            raise BadInput(guarded.printable(heard.problem)[:500] or f"{self.lab.plan} came to no plan")
        for step in heard.plan.steps:
            if step.verb not in self.lab.allowed:
                raise BadInput(
                    f"{step.verb} at {step.at:g} s is not allowed in this lab, which takes {', '.join(self.lab.allowed)}"
                )
        for word in heard.plan.setup.changed:
            if word not in self.lab.allowed:
                raise BadInput(f"{word} is set before the session, which this lab does not allow")
        return self._without_the_labs_own(heard.plan)

    def _listen(self, asking: hear.Asking, files: Files) -> hear.Heard:
        """What a guest, which runs the student's code, says that it comes to. Raises BadInput where it says nothing."""
        directory = RunDirectory.create(self._runs, "heard")
        with directory.held():
            inside = directory.path / hear.HAND_IN
            inside.mkdir()
            for name, content in files.items():
                guarded.write(inside, name, content)
            guarded.write(directory.path, hear.REQUEST, msgspec.json.encode(asking))
            job = Job(
                argv=(sys.executable, "-m", "roamlab.labs.hear", str(directory.path)),
                run_dir=directory.path,
                seed=1,
            )
            bytecode.prepare()
            outcome = self._kernel.execute(job, lambda line: self._on_line("hear", line))
        if outcome.reason:
            raise BadInput(f"{asking.file} did not come to an end: {outcome.reason}")
        try:
            said = guarded.read(directory.path, hear.HEARD, _LARGEST)
            return msgspec.json.decode(said, type=hear.Heard)
        except (FileNotFoundError, msgspec.DecodeError, ValueError, RecursionError):
            raise BadInput(f"{asking.file} came to no plan; does it run with `lab run`?") from None

    def _without_the_labs_own(self, plan: steps.Steps) -> steps.Steps:
        """The plan without what the lab does itself: to move the node, or to take its second NIC."""
        own = tuple(kind for name, kind in _OWN.items() if name in self.lab.stage)
        return msgspec.structs.replace(plan, steps=tuple(s for s in plan.steps if not isinstance(s, own)))

    def _cell(self, session: str, move: str) -> Result | None:
        """What a session comes to in a move of the matrix; None where it has no part in it, here or at all."""
        kind, chosen = moves.SessionKind.named(session), moves.MOVES[move]
        if kind.lacks(chosen):
            return None
        result = self._play(f"{session} {move}", chosen.found, kind.parameters(chosen))
        return None if result.judgement.verdict == pages.UNSUPPORTED else result

    def _play(
        self, name: str, scenario: Scenario, parameters: Mapping[str, Any], kernel: Kernel | None = None
    ) -> Result:
        key = scenario.reference, repr(sorted(parameters.items())), kernel.variant if kernel else ""
        if key not in self.played:
            result = orchestrator.run(
                scenario,
                parameters,
                seed=1,
                kernel=kernel or self._kernel,
                runs=self._runs,
                on_line=lambda line: self._on_line(name, line),
            )
            failed = result.status >= LabError.status and result.judgement.verdict not in _ENDS
            if failed and name != OWN and kernel is None:
                raise LabError(f"the lab's own run {name} failed: {'; '.join(result.judgement.reasons)}")
            self.played[key] = result
        return self.played[key]

    def _score(self, evidence: marks.Evidence) -> float | None:
        own = evidence.runs.get(OWN)
        if not self.lab.score or own is None or own.judgement.verdict != "survived" or evidence.plan is None:
            return None
        outages = own.judgement.outage_s
        if outages.up is None or outages.down is None:
            return None
        prefers = sum(step.verb == "prefer" for step in evidence.plan.steps)
        return round(outages.up + outages.down + _SCORE_PREFER * prefers, 3)
