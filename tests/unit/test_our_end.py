"""What is started to end with us ends with us, even if we are killed while it is stopped, or has not begun."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_STARTS = """
import os, subprocess, sys
from roamlab.kernels import sandbox
os.environ["FRONT_END"] = str(os.getpid())
command = [*sandbox.ended_with_us(), "sh", "-c", "touch begun; sleep 1000"]
child = subprocess.Popen(command, process_group=0, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""
_STOPPED = "kill -STOP $$"
_LATE = "while [ $FRONT_END = $(ps -o ppid= -p $$) ]; do sleep 0.05; done"
_LIMIT_S = 300.0


def state(pid: int) -> str:
    """A process' state as ps has it; empty for one that is gone or waits to be collected."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0].strip("ZX")


@pytest.mark.parametrize("before", [_STOPPED, _LATE])
def test_nothing_stays_of_what_was_killed_before_it_asked(before: str, tmp_path: Path) -> None:
    real = shutil.which("setpriv")
    assert real
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "setpriv"
    slow.write_text(f'#!/bin/sh\n[ "$3" = true ] || {{ {before}; }}\nexec {real} "$@"\n')
    slow.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{slow.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    front_end = subprocess.Popen(
        [sys.executable, "-c", _STARTS],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert front_end.stdout
    started = int(front_end.stdout.readline())
    deadline = time.monotonic() + _LIMIT_S
    while before == _STOPPED and state(started) != "T":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    front_end.send_signal(signal.SIGKILL)
    front_end.wait()
    front_end.stdout.close()
    while state(started):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not (tmp_path / "begun").exists()
