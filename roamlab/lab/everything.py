"""Imports all that may run inside, and prints the files it came from: `python -m roamlab.lab.everything`.

Run outside beforehand, it leaves the bytecode of all of it (roamlab/runs/bytecode.py).
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from contextlib import suppress

from roamlab.lab.lean import lean

_PACKAGES = (
    "linux",
    "protocols",
    "transports",
    "topologies",
    "network",
    "agents",
    "nodes",
    "record",
    "lab",
    "experiments",
)


def main() -> None:
    """Import everything; what has an error in it is left for the import that will name it."""
    import runpy  # noqa: F401 - what `python -m` needs

    lean()
    for package in _PACKAGES:
        there = importlib.import_module(f"roamlab.{package}")
        for module in pkgutil.iter_modules(there.__path__):
            with suppress(Exception):
                importlib.import_module(f"roamlab.{package}.{module.name}")
    for imported in list(sys.modules.values()):
        if source := getattr(imported, "__file__", None):
            print(source)


if __name__ == "__main__":
    main()
