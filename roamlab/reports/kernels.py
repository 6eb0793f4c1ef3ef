"""Lab kernels on the terminal: those in the cache, and a build under way."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from rich.progress import BarColumn, TextColumn
from rich.table import Table
from rich.text import Text

from roamlab.kernels.build import BuiltKernel, boot
from roamlab.kernels.machine.fetch import DISTRIBUTIONS
from roamlab.kernels.machine.store import Fetched
from roamlab.reports.terminal import Bars, console
from roamlab.where import COMMAND

_MIB: Final = 1 << 20
_HASH: Final = 12


def show_kernels(kernels: Sequence[BuiltKernel], variants: Mapping[str, str], directory: str) -> None:
    """A table of what is in the cache, and the variants that could be, with what each of them does."""
    out = console()
    if not kernels:
        out.print(f"no lab kernel has been built yet; `{COMMAND} kernel` builds one")
    else:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("kernel", no_wrap=True)
        table.add_column("mode")
        table.add_column("source")
        for heading in ("built in", "MiB", "sha256", ""):
            table.add_column(heading, justify="right" if heading else "left")
        for kernel in kernels:
            known = kernel.metadata
            state = Text("") if kernel.intact else Text("damaged: build it again", "red")
            size = f"{kernel.path.stat().st_size / _MIB:.0f}" if kernel.path.is_file() else "-"
            table.add_row(
                kernel.name,
                "seccomp" if boot.seccomp(known.version) else "ptrace",
                known.source,
                f"{known.build_s:.0f} s",
                size,
                known.binary_sha256[:_HASH],
                state,
            )
        out.print(table)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("variant", no_wrap=True)
    table.add_column("what it does")
    for name, does in variants.items():
        table.add_row(name, does)
    out.print()
    out.print(table)
    out.print(Text(f"cache: {directory}", "dim"), soft_wrap=True)


def show_machines(kernels: Sequence[Fetched], directory: str) -> None:
    """A table of the distributions' kernels in the cache, and of those that could be there."""
    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("distribution's kernel", "release", "package", "MiB", "sha256", ""):
        table.add_column(heading, justify="right" if heading == "MiB" else "left")
    for kernel in kernels:
        known = kernel.metadata
        state = Text("") if kernel.intact else Text("damaged: fetch it again", "red")
        size = f"{kernel.size / _MIB:.0f}"
        table.add_row(kernel.name, known.release, known.version, size, known.kernel_sha256[:_HASH], state)
    for name in DISTRIBUTIONS:
        if not any(kernel.name == name for kernel in kernels):
            table.add_row(name, "", f"`{COMMAND} kernel --distribution {name}` fetches it", "", "", "")
    out.print()
    out.print(table)
    out.print(Text(f"cache: {directory}", "dim"), soft_wrap=True)


class BuildProgress(Bars):
    """What a build does now, and how much of it is done where somebody knows."""

    def __init__(self) -> None:
        super().__init__(BarColumn(30), TextColumn("{task.percentage:>3.0f}%"))
        self._task = self._bars.add_task("kernel", total=None)
        self._phase = ""

    def show(self, phase: str, fraction: float) -> None:
        """Take a build's word; see roamlab.kernels.build.OnProgress."""
        known = fraction >= 0
        self._bars.update(
            self._task, description=phase, total=1.0 if known else None, completed=fraction if known else 0
        )
        if self._plain and (phase != self._phase or time.monotonic() - self._said > 10):
            self._console.print(f"{phase}{f': {fraction:.0%}' if known else ''}", markup=False)
            self._said = time.monotonic()
        self._phase = phase
