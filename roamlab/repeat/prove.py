"""The same run many times, or a run of the past once more: whether it is the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roamlab.errors import BadInput, LabError, UnsupportedHere
from roamlab.kernels.build.store import built
from roamlab.kernels.choose import DEBIAN, NATIVE, select
from roamlab.kernels.job import Kernel, KernelError
from roamlab.kernels.machine.store import fetched
from roamlab.record import ours, run_directory, verified
from roamlab.record.identity import differences, hashes, identity, kernel_name
from roamlab.record.manifest import Manifest
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import Plan, Scenario, Verdict, check_seed, find
from roamlab.repeat.compare import Comparison, compare
from roamlab.repeat.load import busy
from roamlab.repeat.workers import Order, cores, each, processes
from roamlab.runs.orchestrator import OnLine, Shared
from roamlab.runs.orchestrator import run as play
from roamlab.where import COMMAND

_LOOPS_A_CORE: Final = 2
_JUDGED: Final = (Verdict.SURVIVED.value, Verdict.BROKE.value)
"""Verdicts of runs in which there was a session: there is something to compare."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a proof ended.

    times       runs that were compared with the first one, it included
    first       the first run's directory, which is kept
    other       the first run that differs, kept as well; None when all are identical
    comparison  of those two
    loops       busy loops that ran meanwhile
    """

    scenario: str
    times: int
    first: RunDirectory
    other: RunDirectory | None
    comparison: Comparison | None
    loops: int

    @property
    def identical(self) -> bool:
        """Whether all runs were the same to the last bit."""
        return self.other is None


def prove(
    scenario: Scenario,
    parameters: Mapping[str, Any],
    *,
    seed: int,
    kernel: Kernel,
    runs: Path,
    times: int,
    load: bool,
    on_run: Callable[[int], None],
) -> Proof:
    """Play a scenario ``times`` times, as many at once as there are cores, and stop at the first that differs.

    ``load`` keeps twice as many busy loops as there are cores running meanwhile. ``on_run`` gets the number of runs compared so
    far. Runs identical to the first are removed. Raises UnsupportedHere for a kernel in real time, LabError for a run that
    came to nothing: there would be nothing to compare.
    """
    if times < 2:
        raise BadInput(f"--times {times} leaves nothing to compare; it takes 2 or more")
    if not kernel.virtual_time:
        raise UnsupportedHere(
            f"the kernel {kernel_name(kernel)} runs in real time, where no two runs are the same; "
            f"`{COMMAND} kernel` builds one with virtual time"
        )
    order = Order(
        scenario.reference,
        seed,
        str(runs),
        kernel_name(kernel),
        dict(parameters),
        maker=ours.new_maker(),
        topology=scenario.topology_name,
    )
    loops = _LOOPS_A_CORE * cores() if load else 0
    first: RunDirectory | None = None
    done = 0
    with ExitStack() as stack:
        stack.enter_context(busy(loops))
        pool = stack.enter_context(processes(min(cores(), times)))
        for _, result in each(pool, [order] * times):
            run = _whole(result)
            done += 1
            on_run(done)
            if first is None:
                first, expected = run, hashes(run.path)
            elif hashes(run.path) != expected:
                return Proof(scenario.name, done, first, run, compare(first, run), loops)
            else:
                ours.remove(run.path, order.maker, run_directory.FILES, run_directory.FOLDERS)
    assert first is not None
    return Proof(scenario.name, done, first, None, None, loops)


@dataclass(frozen=True, slots=True)
class Replay:
    """A run made again.

    conditions  what identity holds over and is not the same here as it was there: (name, there, here)
    identical   whether all files that were recorded came out the same
    differing   those that did not
    comparison  of the two runs; None where only the manifest of the first is left
    altered     sentences about files of the first that are not those that it wrote
    """

    result: Result
    conditions: tuple[tuple[str, str, str], ...]
    differing: tuple[str, ...]
    comparison: Comparison | None
    altered: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether events, capture and verdict are the same to the last bit."""
        return not self.differing


def replay(path: Path, *, kernel: str | None, runs: Path, on_line: OnLine) -> Replay:
    """Make the run of a run directory, or of a manifest alone, again and compare.

    It runs on the kernel whose hash is recorded, or on ``kernel``. Raises BadInput for what is no manifest, LabError when
    that kernel isn't here.
    """
    manifest = path / run_directory.MANIFEST if path.is_dir() else path
    recorded = verified.read_manifest(manifest)
    chosen = select(kernel) if kernel else _same_kernel(recorded)
    for reference in (recorded.file, recorded.topology):
        _refuse_a_guests(reference, manifest.parent)
    scenario = find(
        f"{recorded.file}:{recorded.scenario}" if recorded.file else recorded.scenario, recorded.topology
    )
    parameters = scenario.checked(recorded.parameters)
    seed = check_seed(recorded.seed, "the seed")
    shared = Shared(tuple(map(_again, recorded.before))) if recorded.shared else None
    result = play(
        scenario,
        parameters,
        seed=seed,
        kernel=chosen,
        runs=runs,
        on_line=on_line,
        hand=recorded.hand,
        shared=shared,
    )
    now = hashes(Path(result.run_dir))
    differing = tuple(name for name, value in recorded.sha256.items() if now.get(name) != value)
    beside = all((manifest.parent / name).is_file() for name in (run_directory.PLAN, run_directory.VERDICT))
    old = RunDirectory.open(manifest.parent) if beside else None
    altered = tuple(verified.alterations(old, recorded)) if old else ()
    return Replay(
        result,
        tuple(differences(recorded.identity, identity(chosen, scenario))),
        differing,
        compare(old, RunDirectory(Path(result.run_dir))) if old and differing and not altered else None,
        altered,
    )


def _again(plan: Plan) -> Plan:
    """A plan that was played before a run in its guest, checked as that of a run is. Raises BadInput."""
    scenario = find(plan.scenario)
    seed = check_seed(plan.seed, "the seed")
    return Plan(scenario=scenario.name, parameters=scenario.checked(plan.parameters), seed=seed, shared=True)


def _refuse_a_guests(reference: str, run: Path) -> None:
    """Raise BadInput for a file in the run directory: a guest could have written it, and it would be executed here."""
    if reference and Path(reference.rpartition(":")[0] or reference).resolve().is_relative_to(run.resolve()):
        raise BadInput(
            f"the manifest names {reference}, which lies in the run directory; a scenario's file must lie elsewhere"
        )


def _same_kernel(recorded: Manifest) -> Kernel:
    """The kernel that a run was made on, found by its hash."""
    if recorded.kernel.kind == NATIVE:
        return select(NATIVE)
    wanted = recorded.identity.get("kernel_sha256")
    known = [
        *((kernel.name, kernel.metadata.binary_sha256) for kernel in built()),
        *((kernel.name, kernel.metadata.kernel_sha256) for kernel in fetched()),
        (DEBIAN, wanted),
    ]
    for name in (name for name, sha256 in known if sha256 == wanted):
        try:
            kernel = select(name)
        except KernelError:
            continue  # damaged, or Debian's is not installed
        if kernel.describe().sha256 == wanted:
            return kernel
    raise LabError(
        f"the kernel of that run ({recorded.identity.get('kernel', 'unknown')}, sha256 {str(wanted)[:12]}) is not here; "
        f"build or fetch it with `{COMMAND} kernel`, or name another with --kernel to compare across kernels"
    )


def _whole(result: Result) -> RunDirectory:
    if result.status not in (0, 1) or result.judgement.verdict not in _JUDGED:
        raise LabError(f"{result.judgement.scenario} failed: {'; '.join(result.judgement.reasons)}")
    return RunDirectory(Path(result.run_dir))
