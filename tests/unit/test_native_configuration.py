"""Where this machine's kernel says what it was built with."""

from __future__ import annotations

import gzip
import platform
from pathlib import Path

import pytest

from roamlab.kernels.native import _configuration

TEXT = "CONFIG_NFT_QUEUE=m\nCONFIG_IPV6_MIP6=y\n# CONFIG_UML is not set\nCONFIG_HZ=250\n"


@pytest.mark.parametrize("place", ["proc/config.gz", "boot/config-RELEASE", "lib/modules/RELEASE/config"])
def test_the_configuration_is_found_wherever_distributions_put_it(tmp_path: Path, place: str) -> None:
    path = tmp_path / place.replace("RELEASE", platform.release())
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(TEXT.encode()) if path.suffix == ".gz" else TEXT.encode())
    assert _configuration(tmp_path) == {"CONFIG_NFT_QUEUE", "CONFIG_IPV6_MIP6"}


def test_a_kernel_that_says_nothing_has_nothing_that_cannot_be_tried(tmp_path: Path) -> None:
    assert _configuration(tmp_path) == frozenset()
