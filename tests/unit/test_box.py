"""Giving a finished box its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from roamlab import box
from roamlab.errors import LabError


def test_a_finished_box_gets_its_name(tmp_path: Path) -> None:
    finished = tmp_path / "unfinished"
    finished.write_bytes(b"the box")
    box.put(finished, tmp_path / "lab.box")
    assert (tmp_path / "lab.box").read_bytes() == b"the box"


def test_a_file_that_appeared_while_the_box_was_made_stays(tmp_path: Path) -> None:
    finished, output = tmp_path / "unfinished", tmp_path / "lab.box"
    finished.write_bytes(b"the box")
    output.write_bytes(b"somebody's")
    with pytest.raises(LabError, match="already exists; name another with --output"):
        box.put(finished, output)
    assert output.read_bytes() == b"somebody's"
