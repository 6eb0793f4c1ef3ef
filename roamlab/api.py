"""What `import roamlab` gives: a run with its result, a run of before, and all scenarios. See docs/api.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from roamlab import own_files, registry
from roamlab.errors import BadInput, LabError, UnsupportedHere
from roamlab.kernels.choose import select
from roamlab.kernels.job import Kernel, KernelError, NotPermitted, Unsupported
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.registry import Scenario
from roamlab.runs import orchestrator
from roamlab.topologies import RoamingTopo

OnLine = Callable[[str], None]


def run(
    scenario: str | Callable[..., None] | Scenario,
    /,
    *,
    kernel: str | Kernel | None = None,
    seed: int = 1,
    runs: str | os.PathLike[str] = "runs",
    topology: str | type[RoamingTopo] | None = None,
    on_line: OnLine | None = None,
    **parameters: object,
) -> Result:
    """Play a scenario and judge it.

    Args:
        scenario: its name, ``PATH.py`` or ``PATH.py:NAME``, the decorated function itself, or one of `scenarios`.
        kernel: what ``--kernel`` takes: ``"uml"``, ``"native"``, a version, a variant; the machine's best without.
        seed: what everything random follows from.
        runs: where the run directory goes, as ``RUNS/SCENARIO/TIME``.
        topology: another topology than the scenario's own: its name, ``PATH.py:CLASS``, or the class.
        on_line: gets each line that the inside prints while it plays (``roamlab: at 3/20``).
        parameters: the scenario's and its topology's parameters by name, as values or as text; others have their defaults.

    Returns:
        The result, whatever the verdict: a session that broke is a result, and so is a kernel that lacks something.

    Raises:
        BadInput: there is no such scenario, parameter, value, kernel or topology, or the scenario's rehearsal found a mistake.
        LabError: no run directory could be made.

    """
    if own_files.loading():
        raise BadInput(
            "run() stands outside functions in a file that is just being read; "
            "put it below `if __name__ == '__main__':`"
        )
    chosen = _scenario(scenario)
    if topology is not None:
        name = topology if isinstance(topology, str) else own_files.reference(topology)
        chosen = registry.in_topology(chosen, name)
    return orchestrator.run(
        chosen,
        chosen.complete({name: _text(value) for name, value in parameters.items() if value is not None}),
        seed=registry.check_seed(seed),
        kernel=_kernel(kernel),
        runs=Path(runs),
        on_line=on_line or (lambda _line: None),
    )


def load(directory: str | os.PathLike[str]) -> Result:
    """The result of a run that was made before.

    Args:
        directory: a run directory, a file in it, or a directory of runs, of which the latest is meant.

    Raises:
        BadInput: there is no run, or it did not get that far.

    """
    return orchestrator.load(RunDirectory.open(Path(directory)))


def scenarios(path: str | os.PathLike[str] | None = None) -> dict[str, Scenario]:
    """All scenarios by name: roamlab's own and those of installed packages, or those of a file.

    Raises:
        BadInput: the file cannot be read or declares none.

    """
    if path is not None:
        return own_files.scenarios(os.fspath(path))
    return {**own_files.installed(), **registry.scenarios()}


def _scenario(asked: str | Callable[..., None] | Scenario) -> Scenario:
    if isinstance(asked, Scenario):
        return asked
    return registry.find(asked) if isinstance(asked, str) else registry.declaration(asked)


def _kernel(choice: str | Kernel | None) -> Kernel:
    if choice is not None and not isinstance(choice, str):
        return choice
    try:
        return select(choice)
    except KernelError as error:
        kind: type[LabError] = UnsupportedHere if isinstance(error, NotPermitted | Unsupported) else BadInput
        raise kind(str(error)) from None


def _text(value: object) -> str:
    """A value as it would stand behind ``--set NAME=``."""
    if isinstance(value, Enum):
        value = value.value
    return str(value).lower() if isinstance(value, bool) else str(value)
