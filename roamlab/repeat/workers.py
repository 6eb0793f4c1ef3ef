"""Runs at once: one process a core, each carrying out one order after another, and none that outlives the front end.

Processes, because judging a run is as much work for the interpreter as playing it is for the guest. Each asks the kernel to be
killed when its parent dies, and so does what starts each guest: SIGKILL of the front end ends everything. A worker that is
stopped before it could ask is in a process group of its own, to which the kernel sends SIGHUP when its parent dies.
"""

from __future__ import annotations

import os
import pickle
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar, cast

from roamlab.errors import LabError
from roamlab.kernels.choose import select
from roamlab.kernels.job import KernelError
from roamlab.kernels.sandbox import told_of_our_end
from roamlab.record.identity import differences, identity
from roamlab.record.result import Result
from roamlab.registry import Plan, find
from roamlab.repeat.worker import Answer, Call
from roamlab.runs import orchestrator, series


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
    before: tuple[Plan, ...] | None = None
    """what is played before it in the guest that it shares with others; None where it has one of its own"""


def carry_out_together(orders: Sequence[Order]) -> list[Result]:
    """Make runs of one kernel and seed in one guest. Raises as `carry_out` does."""
    first = orders[0]
    kernel = select(first.kernel)
    if first.before is None:
        return [carry_out(order) for order in orders]
    wanted = []
    for order in orders:
        scenario = find(order.scenario, order.topology)
        if order.identity:
            _refuse_another(order.identity, identity(kernel, scenario))
        wanted.append(series.Wanted(scenario, order.parameters, order.before or ()))
    return series.run(wanted, seed=first.seed, kernel=kernel, runs=Path(first.runs), maker=first.maker)


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


_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Lost(Exception):
    """A worker ended, or was ended, before it answered."""


class _Worker:
    """One worker process, seen from here."""

    def __init__(self) -> None:
        """Start it, with this process' own path for imports."""
        begin = f"import sys; sys.path[:] = {sys.path!r}; from roamlab.repeat.worker import serve; serve({os.getpid()})"
        self._process = subprocess.Popen(
            [*told_of_our_end(signal.SIGKILL), sys.executable, "-c", begin],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )

    def carry_out(self, call: Call) -> object:
        """Have it carry out a call, and give what that returns or raise what that raised. Raises _Lost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(pickle.dumps(call))
            self._process.stdin.flush()
            answer: Answer = pickle.load(self._process.stdout)  # noqa: S301 - of roamlab.repeat.worker
        except (OSError, EOFError, pickle.UnpicklingError):
            self._process.kill()
            status = self._process.wait()
            raise _Lost(signal.Signals(-status).name if status < 0 else f"status {status}") from None
        if answer.error is not None:
            raise answer.error
        return answer.value

    def interrupt(self) -> None:
        """Have it end its guest, where it has one, and itself."""
        self._process.terminate()

    def close(self) -> None:
        """Wait for its end; it has been given its last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class _Workers(Executor):
    """Worker processes as an executor; the thread that submits must live as long as they are to."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._workers: list[_Worker] = []
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._threads = ThreadPoolExecutor(jobs)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have a worker call a function of a module; as Executor.submit."""
        if len(self._workers) < self._jobs:
            self._workers.append(_Worker())
            self._free.put(self._workers[-1])
        return cast("Future[_T]", self._threads.submit(self._carry_out, Call(fn, args, kwargs)))

    def _carry_out(self, call: Call) -> object:
        worker = self._free.get()
        try:
            return worker.carry_out(call)
        finally:
            self._free.put(worker)

    def interrupt(self) -> None:
        """End what is under way, and don't begin what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers; as Executor.shutdown."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for worker in self._workers:
            worker.close()


@contextmanager
def processes(jobs: int) -> Iterator[Executor]:
    """That many worker processes; when the block is left by an exception what is under way is ended."""
    pool = _Workers(jobs)
    try:
        yield pool
    except BaseException:
        pool.interrupt()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def each(pool: Executor, orders: Sequence[Order]) -> Iterator[tuple[Order, Result]]:
    """Carry out orders, and give each with what came of it as it ends, in whatever order.

    Raises what a run raised, and LabError when a worker was killed.
    """
    return together(pool, [[order] for order in orders])


def together(pool: Executor, groups: Sequence[Sequence[Order]]) -> Iterator[tuple[Order, Result]]:
    """Carry out groups of orders, each group in one guest; as `each`."""
    futures = {pool.submit(carry_out_together, tuple(group)): group for group in groups}
    for future in as_completed(futures):
        try:
            results = future.result()
        except (LabError, KernelError):
            raise
        except Exception as error:  # _Lost, and what the executor of a cluster raises
            lost = str(error) or type(error).__name__
            raise LabError(
                f"a worker was lost ({lost}); what was finished is kept, run the same again"
            ) from None
        yield from zip(futures[future], results, strict=True)
