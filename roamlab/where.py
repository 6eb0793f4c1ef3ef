"""Where roamlab's own files lie: in a checkout or in an installed package alike."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parent
"""The directory of the package ``roamlab``."""
ROOT: Final = PACKAGE.parent
"""What has to be on ``sys.path`` for ``import roamlab``: the checkout, or site-packages."""
