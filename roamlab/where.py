"""Where roamlab's own files lie: in a checkout or in an installed package alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
"""The directory of the package ``roamlab``."""
ROOT: Final = PACKAGE.parent
"""What has to be on ``sys.path`` for ``import roamlab``: the checkout, or site-packages."""
COMMAND: Final = "./lab" if (ROOT / "lab").is_file() and Path(sys.argv[0]).name != "roamlab" else "roamlab"
"""What the user calls to run a task: in a checkout `./lab`, unless this process was started as `roamlab`."""
INSIDE: Final = (
    "protocols",
    "linux",
    "transports",
    "topologies",
    "network",
    "agents",
    "nodes",
    "lab",
    "record",
    "experiments",
    "kernels/inside",
)
"""The directories of the package whose code runs in a guest: what it does follows from them."""
_MODULES: Final = ("errors", "own_files", "parameters", "registry", "where")
"""The modules beside them that run there as well."""


def inside_files() -> Iterator[Path]:
    """Give the files that run in a guest, data files among them, in a set order; nothing hidden, no bytecode."""
    yield from (PACKAGE / f"{module}.py" for module in _MODULES)
    for directory in INSIDE:
        for path in sorted((PACKAGE / directory).rglob("*")):
            hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(PACKAGE).parts)
            if path.is_file() and not hidden:
                yield path
