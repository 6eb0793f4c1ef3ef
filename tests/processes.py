"""Processes by their numbers: whose children they are, and whether they are still there."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """The children of a process, theirs, and so on."""
    found: set[int] = set()
    with suppress(OSError):  # one that ends meanwhile
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found |= {child} | descendants(child)
    return found


def alive(pid: int) -> bool:
    """Whether a process is there, and more than what its parent has not yet collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids: Collection[int], within_s: float = 10.0) -> bool:
    """Whether all of them end in time."""
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))
