"""What can go wrong with building the lab kernel: each a sentence for the user."""

from __future__ import annotations

from roamlab.kernels.job import KernelError


class BuildError(KernelError):
    """The lab kernel can't be built or found; the message is one sentence that says what to do."""
