"""The one interface to a kernel: hand over a job, get an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from roamlab.kernels.conductor import Conductor
from roamlab.kernels.description import KernelDescription


class KernelError(Exception):
    """A kernel can't be used; the message is one sentence for the user."""


class KernelMissing(KernelError):
    """There is no such kernel on this machine."""


class NotAKernel(KernelError):
    """The file is no User-Mode Linux binary."""


class NotPermitted(KernelError):
    """The user may not do what the kernel needs."""


class Unsupported(KernelError):
    """The kernel lacks an ability that a job needs; says how to get it."""

    def __init__(self, ability: str, remedy: str) -> None:
        super().__init__(f"this kernel lacks {ability}: {remedy}")
        self.ability = ability
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Job:
    """A program to run inside a kernel.

    argv         the program and its arguments; the program is given by its absolute path
    run_dir      the only directory that it can write, seen inside under the same path
    seed         what everything random inside follows from, as far as the kernel can
    memory_mib   the guest's memory in MiB; native runs share the machine's
    limit_s      wall time in seconds after which the run is ended; math.inf for none
    needs        abilities by name (see roamlab/kernels/abilities.py); the guest loads exactly these
    modules      Python modules that it imports though hardly any job does, by name; extension modules among them
    interactive  connect the program to our standard input and output (Mininet's CLI)
    shown        directories that it may read although a tmpfs would hide them there
    written      directories that it can write besides run_dir, seen inside under the same path
    imports      directories that its Python imports from, besides roamlab's own
    pycache      where its Python finds all bytecode; None for where each source is
    jitter       what the price of its system calls follows from, where the kernel has one (docs/virtual-time.md); None for
                 the same price each time
    conductor    who paces its virtual time from outside; None for as fast as it can
    """

    argv: tuple[str, ...]
    run_dir: Path
    seed: int
    memory_mib: int = 512
    limit_s: float = 120.0
    needs: frozenset[str] = field(default_factory=frozenset)
    modules: tuple[str, ...] = ()
    interactive: bool = False
    shown: tuple[Path, ...] = ()
    written: tuple[Path, ...] = ()
    imports: tuple[Path, ...] = ()
    pycache: Path | None = None
    jitter: int | None = None
    conductor: Conductor | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    status        argv's exit status, 128 + N when signal N ended it or us; 1 when the guest gave none
    step          the last `roamlab: step NAME` that argv printed, "boot" before it ran
    reason        empty when it ended by itself, otherwise one sentence
    wall_s        wall time in seconds, from start to the last process gone
    console_tail  the console's last lines, at most 20
    """

    status: int
    step: str
    reason: str
    wall_s: float
    console_tail: tuple[str, ...]


OnLine = Callable[[str], None]


class Kernel(Protocol):
    """Somewhere to run jobs."""

    @property
    def kind(self) -> str:
        """`uml`, `native` or `machine`."""

    @property
    def version(self) -> str:
        """The kernel's release, as uname gives it."""

    @property
    def abilities(self) -> frozenset[str]:
        """What jobs may need here."""

    @property
    def variant(self) -> str:
        """The name of the patches that change protocol behaviour; empty for an unmodified kernel."""

    @property
    def virtual_time(self) -> bool:
        """Whether the clock inside is virtual."""

    def describe(self) -> KernelDescription:
        """What a manifest records of this kernel."""

    def execute(self, job: Job, on_line: OnLine) -> Outcome:
        """Run job to its end, however it ends; each line that it prints goes to on_line.

        Raises Unsupported before anything is started. An interactive job's output goes to standard
        output instead of on_line.
        """
