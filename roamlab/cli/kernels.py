"""The kernel that ``--kernel`` names, with remarks for the user."""

from __future__ import annotations

from roamlab.kernels.job import Kernel


def kernel_for(name: str) -> Kernel:
    """The kernel of that name, or the best one on this machine if the name is empty.

    Remarks about it go to standard error, one per line.

    Raises:
        KernelError: There is no such kernel, or it does not work here.

    """
    from roamlab.kernels.choose import remarks, select
    from roamlab.reports import terminal

    kernel = select(name or None)
    for remark in remarks(name or None, kernel):
        terminal.note(f"lab: {remark}")
    return kernel
