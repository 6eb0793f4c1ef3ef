"""Busy loops end with the block, and with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from roamlab.repeat.load import busy
from tests.processes import alive, gone

REPOSITORY = Path(__file__).resolve().parents[2]
KEEPS_BUSY = (
    "from roamlab.repeat.load import busy\nwith busy(2) as pids:\n print(*pids, flush=True)\n input()"
)


def test_loops_run_within_the_block_and_not_after_it() -> None:
    with busy(2) as pids:
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_loops_end_when_what_started_them_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KEEPS_BUSY],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    loops = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(loops) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert gone(loops)
