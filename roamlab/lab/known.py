"""What kernels are known to do where a scenario would have it otherwise (docs/findings.md)."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence


def by_kernel(
    known: Mapping[str, Sequence[str]], otherwise: Sequence[str] = (), *, mended_by: str = ""
) -> Sequence[str]:
    """What the kernel that runs this is known to come to, by the beginnings of versions.

    A kernel with the variant that mends it (docs/variants.md) is as any ``otherwise``.
    """
    release = platform.release()
    if mended_by and release.endswith(f"-{mended_by}"):
        return otherwise
    return next(
        (
            kinds
            for version, kinds in known.items()
            if release == version or release.startswith((f"{version}.", f"{version}-"))
        ),
        otherwise,
    )
