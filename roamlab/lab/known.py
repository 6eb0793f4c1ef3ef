"""What kernels are known to do where a scenario would have it otherwise (docs/findings.md)."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence


def stable_release(release: str, version: str) -> str:
    """The kernel's release, with the number of the stable kernel where only its version (``uname -v``) tells it.

    Debian 12's kernels all call themselves 6.1.0, whichever stable kernel they are.
    """
    told = re.search(r"\bDebian (\d+\.\d+\.\d+)", version)
    return re.sub(r"^\d+\.\d+\.0\b", told[1], release) if told else release


def by_kernel(
    known: Mapping[str, Sequence[str]], otherwise: Sequence[str] = (), *, mended_by: str = ""
) -> Sequence[str]:
    """What the kernel that runs this is known to come to, by the beginnings of versions.

    A kernel with the variant that mends it (docs/variants.md) is as any ``otherwise``.
    """
    release = stable_release(platform.release(), platform.version())
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
