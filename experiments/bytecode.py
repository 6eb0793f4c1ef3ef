"""The bytecode of what runs inside, written beforehand: a guest can't write it, and would compile half a second each time."""

from __future__ import annotations

import compileall
from pathlib import Path
from typing import Final

_REPOSITORY: Final = Path(__file__).resolve().parent.parent
_INSIDE: Final = ("protocols", "topologies", "network", "nodes", "experiments", "kernels")


def prepare() -> None:
    """Compile what is missing or older than its source; where that can't be written, the guest compiles for itself.

    A file with an error in it is left for the import that will name it.
    """
    for package in _INSIDE:
        compileall.compile_dir(_REPOSITORY / package, quiet=2)
