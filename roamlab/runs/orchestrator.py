"""One run from the outside: make its directory, hand the plan to a kernel, judge what came back."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from roamlab import own_files
from roamlab.errors import LabError, NoSession, UnsupportedHere
from roamlab.kernels.conductor import Conductor
from roamlab.kernels.description import KernelDescription
from roamlab.kernels.inside.base import NEVER_HIDDEN_BY
from roamlab.kernels.job import Job, Kernel, KernelError, Outcome, Unsupported
from roamlab.record import ours, owner, run_directory, verified
from roamlab.record.hand import Hand
from roamlab.record.identity import hashes, identity, kernel_name
from roamlab.record.manifest import Manifest
from roamlab.record.program_events import ProgramStarted
from roamlab.record.result import Judgement, Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import Plan, Scenario, Verdict, find, known
from roamlab.runs import bytecode, collector
from roamlab.where import COMMAND

BASICS: Final = frozenset({"bridge", "htb", "netem", "netns", "packet", "veth"})
"""What every scenario needs of a kernel: a network, its impairments and its capture."""
MOST: Final = 16
"""How many runs can share a guest."""
OnLine = Callable[[str], None]


class Live(Protocol):
    """Who acts on a run while it goes on."""

    @property
    def conductor(self) -> Conductor | None:
        """Who paces the guest's time."""

    def begins(self, run_dir: Path) -> None:
        """The run is about to begin; its files will be in this directory."""

    def ends(self) -> Hand:
        """The guest is gone; gives the record of what was done, and leaves nothing else in the run directory."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run that has its directory and its plan; ``shown`` is what it reads of the machine besides."""

    directory: RunDirectory
    scenario: Scenario
    plan: Plan
    shown: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """That a run shares its guest with others, and which plans were played before it there."""

    before: tuple[Plan, ...] = ()


def run(
    scenario: Scenario,
    parameters: Mapping[str, Any],
    *,
    seed: int,
    kernel: Kernel,
    runs: Path,
    on_line: OnLine,
    maker: str = "",
    hand: Hand | None = None,
    live: Live | None = None,
    shared: Shared | None = None,
) -> Result:
    """Play a scenario in a kernel and judge it; the run directory is written whole whatever happens.

    ``maker`` is who may remove the run directory again (roamlab.record.ours). ``hand`` is the record of what a person did
    besides the scenario; ``live`` is who does that while the run goes on. Nothing is kept of what is played before it in the
    same guest (``shared``).

    Raises BadInput for a mistake in a scenario of the user's own, and LabError for what prevents a run directory.
    """
    if scenario.file or scenario.topology_name:  # those of roamlab's own are rehearsed by a test
        from roamlab.lab.rehearsal import rehearse

        rehearse(scenario, parameters, seed)
    start = bytecode.prepare()
    directory = RunDirectory.create(runs, scenario.name)
    with directory.held():
        if maker:
            ours.mark(directory.path, maker)
        return _run(directory, start, scenario, parameters, seed, kernel, on_line, hand, live, shared)


def prepare(
    directory: RunDirectory,
    scenario: Scenario,
    parameters: Mapping[str, Any],
    seed: int,
    kernel: Kernel,
    shared: Shared | None = None,
    hand: Hand | None = None,
    *,
    live: bool = False,
) -> Planned:
    """Write a run's plan into its directory."""
    there = own_files.bring(scenario, directory.path, NEVER_HIDDEN_BY, copied=kernel.kind == "machine")
    plan = Plan(
        scenario=scenario.name,
        parameters=dict(parameters),
        seed=seed,
        file=there.file,
        topology=there.topology,
        hand=hand,
        live=live,
        shared=shared is not None,
        before=shared.before if shared else (),
    )
    directory.write(run_directory.PLAN, plan)
    return Planned(directory, scenario, plan, (*there.shown, *_directory(parameters)))


@contextmanager
def _played_before(planned: Planned) -> Iterator[list[Planned]]:
    """Directories for what is played before a run in its guest; they go when the block is left."""
    place = planned.directory.path / run_directory.BEFORE
    found: list[Planned] = []
    try:
        for number, plan in enumerate(planned.plan.before):
            path = place / str(number)
            path.mkdir(mode=0o700, parents=True)
            directory = RunDirectory(path)
            directory.write(run_directory.PLAN, plan)
            found.append(Planned(directory, find(plan.scenario), plan))
        yield found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def job_of(series: Sequence[Planned], start: bytecode.Start, run_dir: Path | None = None) -> Job:
    """The job that plays runs of one seed, one after the other.

    They are in ``run_dir``, or each is in a directory of its own.
    """
    needs: set[str] = set(BASICS)
    modules: list[str] = []
    for planned in series:
        needs |= planned.scenario.needs_for(planned.plan.parameters)
        modules += planned.scenario.modules_for(planned.plan.parameters)
    paths = [planned.directory.path for planned in series]
    written: list[Path] = []
    if (
        series[-1].plan.shared
    ):  # as many mounts however many share the guest: each changes what the kernel draws at random
        mounted = [run_dir] if run_dir else paths
        written = [*mounted[1:], *[mounted[-1]] * (MOST - len(mounted))]
    shown = (path for planned in series for path in planned.shown)
    return Job(
        argv=start.module("roamlab.lab.inside", *map(str, paths)),
        run_dir=run_dir or paths[0],
        seed=series[-1].plan.seed,
        needs=frozenset(needs),
        modules=tuple(dict.fromkeys(modules)),
        memory_mib=max(planned.scenario.memory_mib for planned in series),
        limit_s=sum(planned.scenario.limit_s for planned in series),
        shown=(*shown, *start.imports, start.pycache),
        written=tuple(written),
        imports=start.imports,
        pycache=start.pycache,
    )


def _run(
    directory: RunDirectory,
    start: bytecode.Start,
    scenario: Scenario,
    parameters: Mapping[str, Any],
    seed: int,
    kernel: Kernel,
    on_line: OnLine,
    hand: Hand | None,
    live: Live | None,
    shared: Shared | None,
) -> Result:
    planned = prepare(directory, scenario, parameters, seed, kernel, shared, hand, live=live is not None)
    if live is not None:
        live.begins(directory.path)
    wall_s, status = 0.0, 3

    def heard(line: str) -> None:
        import roamlab.judge.verdict  # noqa: F401 - while the guest is busy: afterwards somebody would wait for it

        on_line(line)

    try:
        with _played_before(planned) as earlier:
            job = job_of([*earlier, planned], start, directory.path)
            if live is not None:
                job = replace(job, limit_s=inf, conductor=live.conductor)
            outcome = kernel.execute(job, heard)
    except Unsupported as lack:
        judgement = _unfinished(scenario, Verdict.UNSUPPORTED, str(lack))
        status = UnsupportedHere.status
    except KernelError as error:
        judgement = _unfinished(scenario, Verdict.INVALID, str(error))
    else:
        wall_s = outcome.wall_s
        if outcome.reason or outcome.status:
            said = "" if outcome.reason else _last_words(outcome)
            reason = outcome.reason or said or _wordless(outcome)
            told = said and outcome.status in (NoSession.status, UnsupportedHere.status)
            status = outcome.status if told else LabError.status
            verdict = Verdict.UNSUPPORTED if status == UnsupportedHere.status else Verdict.INVALID
            if status == NoSession.status:
                from roamlab.judge.attempts import attempt

                tried = attempt(directory)
                verdict, reason = (Verdict.NO_SESSION, tried) if tried else (verdict, reason)
            judgement = _up_to_there(directory, scenario, reason) or _unfinished(scenario, verdict, reason)
            if judgement.verdict == judgement.expected:
                status = 0
        else:
            on_line("roamlab: step judge")
            judgement, status = judged(directory, scenario)
    if live is not None:
        plan = msgspec.structs.replace(planned.plan, hand=live.ends(), live=False)
        directory.write(run_directory.PLAN, plan)
        planned = replace(planned, plan=plan)
    return record(planned, kernel, judgement, status, wall_s)


def judged(directory: RunDirectory, scenario: Scenario) -> tuple[Judgement, int]:
    """The judgement of a run that came to its end, and its exit status."""
    from roamlab.judge.verdict import judge

    try:
        with collector.off():
            judgement = judge(directory, scenario)
    except (LabError, msgspec.DecodeError) as error:  # the guest's files aren't what a run writes
        return _unfinished(scenario, Verdict.INVALID, str(error)), LabError.status
    return judgement, 0 if judgement.verdict == judgement.expected else 1


def record(planned: Planned, kernel: Kernel, judgement: Judgement, status: int, wall_s: float) -> Result:
    """Write a run's verdict and manifest; the result."""
    directory, scenario, plan = planned.directory, planned.scenario, planned.plan
    result = Result(
        judgement=judgement,
        parameters=scenario.changed(plan.parameters),
        kernel=_short(kernel),
        seed=plan.seed,
        run_dir=str(directory.path),
        wall_s=round(wall_s, 3),
        status=status,
    )
    directory.write(run_directory.VERDICT, judgement)
    directory.write(run_directory.MANIFEST, _manifest(planned, kernel, result))
    owner.give_all(directory.path)
    return result


def load(directory: RunDirectory) -> Result:
    """The result of a run that was made before.

    Raises BadInput when the run ended too early, or its files are not those that it wrote.
    """
    manifest = verified.manifest(directory)
    verified.refuse_altered(directory)
    judgement = msgspec.convert(directory.read(run_directory.VERDICT), Judgement)
    kernel = manifest.kernel
    scenario = known(judgement.scenario, manifest.file)
    return Result(
        judgement=judgement,
        parameters=scenario.changed(manifest.parameters) if scenario else manifest.parameters,
        kernel=_short(kernel),
        seed=manifest.seed,
        run_dir=str(directory.path),
        wall_s=manifest.wall_s,
        status=manifest.status,
    )


def _short(kernel: Kernel | KernelDescription) -> dict[str, Any]:
    """What a result says of its kernel."""
    return {name: getattr(kernel, name) for name in ("kind", "version", "variant", "virtual_time")}


def _up_to_there(directory: RunDirectory, scenario: Scenario, reason: str) -> Judgement | None:
    """The verdict on what programs did until their run was ended; None for other runs, and where it is too early for one."""
    with suppress(LabError, msgspec.DecodeError, msgspec.ValidationError):
        if not any(isinstance(event, ProgramStarted) for event in directory.events()):
            return None
        from roamlab.judge.verdict import judge

        judgement = judge(directory, scenario)
        if judgement.verdict != Verdict.INVALID.value:
            return msgspec.structs.replace(judgement, reasons=[reason, *judgement.reasons])
    return None


def _directory(parameters: Mapping[str, Any]) -> list[Path]:
    """Where a scenario's programs start, which they are to see."""
    return [Path(str(parameters["directory"]))] if "directory" in parameters else []


def replay_line(scenario: Scenario, parameters: Mapping[str, Any], seed: int, kernel: str) -> str:
    """The command that makes the same run again."""
    settings = "".join(
        f" --set {shlex.quote(f'{name}={_text(value)}')}" for name, value in parameters.items()
    )
    topology = f" --topology {shlex.quote(scenario.topology_name)}" if scenario.topology_name else ""
    return (
        f"{COMMAND} run {shlex.quote(scenario.reference)}{topology} --kernel {kernel} --seed {seed}{settings}"
    )


def _manifest(planned: Planned, kernel: Kernel, result: Result) -> Manifest:
    scenario, plan = planned.scenario, planned.plan
    return Manifest(
        scenario=scenario.name,
        file=str(scenario.file) if scenario.file and not scenario.installed else "",
        topology=scenario.topology_name,
        parameters=dict(plan.parameters),
        hand=plan.hand,
        seed=plan.seed,
        kernel=kernel.describe(),
        identity=identity(kernel, scenario),
        sha256=hashes(Path(result.run_dir)),
        ended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        status=result.status,
        wall_s=result.wall_s,
        virtual_s=result.judgement.virtual_s if kernel.virtual_time else None,
        shared=plan.shared,
        before=plan.before,
        replay=f"{COMMAND} replay {shlex.quote(result.run_dir)}"
        if plan.shared
        else replay_line(scenario, result.parameters, plan.seed, kernel_name(kernel)),
    )


def _unfinished(scenario: Scenario, verdict: Verdict, reason: str) -> Judgement:
    return Judgement(
        scenario=scenario.name,
        figure=scenario.figure,
        verdict=verdict.value,
        expected=scenario.expect.value,
        reasons=[reason],
    )


def _last_words(outcome: Outcome) -> str:
    """What the inside said last, for an end that it chose itself; nothing for any other."""
    failed = "roamlab: failed: "
    said = [line.removeprefix(failed) for line in outcome.console_tail if line.startswith(failed)]
    return said[-1] if said else ""


def _wordless(outcome: Outcome) -> str:
    return f"the lab failed at step {outcome.step} with exit status {outcome.status}; see console.log"


def _text(value: object) -> str:
    return str(msgspec.to_builtins(value)).lower() if isinstance(value, bool) else str(value)
