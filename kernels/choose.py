"""Picks the kernel that the user asked for, or the best one here."""

from __future__ import annotations

import os
from pathlib import Path

from kernels.binary import debian, inspect
from kernels.job import Kernel, NotPermitted
from kernels.native import native
from kernels.uml import UmlKernel


def select(choice: str | None) -> Kernel:
    """Give the kernel for a choice: `native`, `uml`, a path to a UML binary, or None for the default.

    Raises KernelMissing, NotAKernel or NotPermitted, each with one sentence.
    """
    if choice == "native":
        return native()
    if choice is None and _own_kernel_does():
        return native()
    if choice is None or choice == "uml":
        return UmlKernel(inspect(debian()))
    return UmlKernel(inspect(Path(choice)))


def _own_kernel_does() -> bool:
    """Whether this machine's kernel has SCTP and lets us make namespaces as root: then it is the nearest."""
    if os.geteuid() != 0:
        return False
    try:
        return "sctp" in native().abilities
    except NotPermitted:
        return False
