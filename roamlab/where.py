"""Where roamlab's own files lie: in a checkout or in an installed package alike."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
"""The directory of the package ``roamlab``."""
ROOT: Final = PACKAGE.parent
"""What has to be on ``sys.path`` for ``import roamlab``: the checkout, or site-packages."""
COMMAND: Final = "./lab" if (ROOT / "lab").is_file() and Path(sys.argv[0]).name != "roamlab" else "roamlab"
"""What the user calls to run a task: in a checkout `./lab`, unless this process was started as `roamlab`."""
