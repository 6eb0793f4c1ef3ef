"""Runs at once: one process a core, each carrying out one order after another, and none that outlives the front end.

Processes, because judging a run is as much work for the interpreter as playing it is for the guest. A worker asks the kernel to
be killed when its parent dies, and the sandbox around each guest does the same, so SIGKILL of the front end ends everything.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from roamlab.errors import LabError
from roamlab.kernels.choose import select
from roamlab.kernels.job import KernelError
from roamlab.linux.libc import die_with_parent
from roamlab.record.identity import differences, identity
from roamlab.record.result import Result
from roamlab.registry import find
from roamlab.runs import orchestrator

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Order:
    """One run to be made: all of it can be sent to another process or machine.

    scenario     as `roamlab.registry.find` takes it
    parameters   complete, by name
    kernel       what ``--kernel`` takes; None for the machine's default
    identity     what the machine that carries it out must have in common with ours, as roamlab.record.identity has it
    runs         where the run directory goes, on the machine that carries it out
    topology     what was asked for in place of the scenario's own; empty for none
    maker        whose the run directory is marked as, who alone may remove it again; nobody's without
    """

    scenario: str
    seed: int
    runs: str
    kernel: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    maker: str = ""
    topology: str = ""


def carry_out(order: Order) -> Result:
    """Make the run. Raises LabError or KernelError where there can't be one, or not the one that was ordered."""
    kernel, scenario = select(order.kernel), find(order.scenario, order.topology)
    if order.identity:
        _refuse_another(order.identity, identity(kernel, scenario))
    return orchestrator.run(
        scenario,
        order.parameters,
        seed=order.seed,
        kernel=kernel,
        runs=Path(order.runs),
        on_line=lambda _line: None,
        maker=order.maker,
    )


def _refuse_another(ordered: dict[str, Any], here: dict[str, Any]) -> None:
    """Raise LabError where a run here would not be the one ordered; the processor's model makes no difference."""
    unlike = [name for name, _, _ in differences(ordered, here) if name != "cpu"]
    if unlike:
        raise LabError(
            f"the worker on {platform.node()} is not like the machine that asks: {', '.join(unlike)} differ"
        )


def cores() -> int:
    """How many processors we may use: as many guests run best at once."""
    return len(os.sched_getaffinity(0))


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """That many worker processes; when the block is left early what has not begun is not begun."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=_end_with, initargs=(os.getpid(),))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def each(pool: Executor, orders: Sequence[Order]) -> Iterator[tuple[Order, Result]]:
    """Carry out orders, and give each with what came of it as it ends, in whatever order.

    Raises what a run raised, and LabError when a worker was killed.
    """
    futures = {pool.submit(carry_out, order): order for order in orders}
    for future in as_completed(futures):
        try:
            result = future.result()
        except (LabError, KernelError):
            raise
        except Exception as error:  # BrokenProcessPool, and what the executor of a cluster raises
            lost = str(error) or type(error).__name__
            raise LabError(
                f"a worker was lost ({lost}); what was finished is kept, run the same again"
            ) from None
        yield futures[future], result


def _end_with(parent: int) -> None:
    """Begin a worker's life: it ends with its parent; Ctrl-C is the parent's to handle, between runs."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
