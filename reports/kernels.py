"""Lab kernels in the terminal: how a build goes, and what is in the cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kernels.build.store import BuiltKernel
from reports.terminal import console

_EVERY_S = 15.0  # how often a build says where it is when nobody watches a bar


class BuildProgress:
    """A bar on a terminal, a line now and then elsewhere; both on standard error."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(30),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._phase = ""
        self._said = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, phase: str, fraction: float) -> None:
        """Take what ``kernels.build`` tells: a phase, and how much of it is done (negative: nobody knows)."""
        self._bar.update(
            self._task, description=phase, total=None if fraction < 0 else 1.0, completed=max(fraction, 0.0)
        )
        if self._console.is_terminal or (phase == self._phase and time.monotonic() - self._said < _EVERY_S):
            return
        self._phase, self._said = phase, time.monotonic()
        self._console.print(phase if fraction < 0 else f"{phase}: {fraction:.0%}", markup=False)


def show_kernels(kernels: Sequence[BuiltKernel], variants: Sequence[str]) -> None:
    """The kernels in the cache, and the variants that can be built."""
    out = console()
    if not kernels:
        out.print("no lab kernel is built; `./lab kernel` builds one")
    else:
        table = Table("kernel", "variant", "built in", "state", box=None, padding=(0, 2, 0, 0))
        for kernel in kernels:
            table.add_row(
                kernel.name,
                kernel.metadata.variant or "-",
                f"{kernel.metadata.build_s:.0f} s",
                "ready" if kernel.intact else "damaged: build it again",
            )
        out.print(table)
    out.print(f"variants: {', '.join(variants)}", markup=False)


def show_built(path: Path) -> None:
    """Where a kernel is that was built, or was there."""
    console().print(f"ready: {path}", markup=False)


def show_removed(name: str, gone: Sequence[BuiltKernel]) -> None:
    """What was removed."""
    console().print(
        f"removed {len(gone)} of {name}" if gone else f"there is no lab kernel {name}", markup=False
    )
