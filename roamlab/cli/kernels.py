"""The kernel that a command's ``--kernel`` names, and what a person should know of it."""

from __future__ import annotations

from roamlab.kernels.job import Kernel


def kernel_for(name: str) -> Kernel:
    """The kernel of that name, the best one here where it is empty; remarks on it go to standard error, a line each.

    Raises KernelError with one sentence.
    """
    from roamlab.kernels.choose import remarks, select
    from roamlab.reports import terminal

    kernel = select(name or None)
    for remark in remarks(name or None, kernel):
        terminal.note(f"lab: {remark}")
    return kernel
