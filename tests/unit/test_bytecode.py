"""The cache of bytecode keeps what is used, and nothing of checkouts that are long gone."""

from __future__ import annotations

import os
import time
from pathlib import Path

from roamlab.record import ours
from roamlab.runs import bytecode


def directory(parent: Path, name: str, days: int, *, marked: bool = True) -> Path:
    """A checkout's bytecode, last used so many days ago."""
    path = parent / name
    (path / "usr" / "lib").mkdir(parents=True)
    (path / "usr" / "lib" / "os.pyc").touch()
    (path / ".sources.json").touch()
    if marked:
        ours.mark(path, "bytecode")
        then = time.time() - days * 24 * 3600
        os.utime(path / ours.MARK, (then, then))
    return path


def test_only_what_is_marked_and_long_unused_is_removed(tmp_path: Path) -> None:
    used, old = directory(tmp_path, "used", 100), directory(tmp_path, "old", 15)
    kept = [directory(tmp_path, "young", 13), directory(tmp_path, "strange", 0, marked=False)]
    more = directory(tmp_path, "more", 15)
    (more / "notes.txt").touch()
    bytecode._note_use(used)
    assert not old.exists()
    assert all((path / "usr/lib/os.pyc").exists() for path in (used, *kept, more))
    assert time.time() - (used / ours.MARK).stat().st_mtime < 24 * 3600


def test_a_directory_of_before_is_marked_when_it_is_used(tmp_path: Path) -> None:
    used = directory(tmp_path, "used", 0, marked=False)
    bytecode._note_use(used)
    assert ours.maker_of(used) == "bytecode"
