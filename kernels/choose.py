"""Picks the kernel that the user asked for, or the best one here."""

from __future__ import annotations

from pathlib import Path

from kernels.binary import debian, inspect
from kernels.job import Kernel
from kernels.uml import UmlKernel


def select(choice: str | None) -> Kernel:
    """Give the kernel for a choice: `native`, `uml`, a path to a UML binary, or None for the default.

    Raises KernelMissing, NotAKernel or NotPermitted, each with one sentence.
    """
    if choice in (None, "uml"):
        return UmlKernel(inspect(debian()))
    return UmlKernel(inspect(Path(choice)))
