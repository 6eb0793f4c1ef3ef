"""The bytecode of what runs inside, written beforehand: a guest can't write it, and would compile half a second each time."""

from __future__ import annotations

import compileall
from typing import Final

from roamlab.record import owner
from roamlab.where import PACKAGE

_OUTSIDE: Final = frozenset({"cli", "judge", "query", "repeat", "reports", "runs"})


def prepare() -> None:
    """Compile what is missing or older than its source; where that can't be written, the guest compiles for itself.

    A file with an error in it is left for the import that will name it.
    """
    for entry in PACKAGE.iterdir():
        if entry.is_dir() and entry.name not in _OUTSIDE:
            compileall.compile_dir(entry, quiet=2)
    compileall.compile_dir(PACKAGE, maxlevels=0, quiet=2)
    if owner.caller() is not None:
        for entry in (PACKAGE, *PACKAGE.iterdir()):
            for made in entry.resolve().rglob("__pycache__"):
                owner.give(made)
                owner.give_all(made)
