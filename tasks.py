"""roamlab's tasks, for invoke to find. `./lab --list` shows them, `./lab TASK --help` explains one."""

from __future__ import annotations

from commands.look import decode, diff, report, show
from commands.machine import check, doctor, kernel, test
from commands.play import demo, list_, run, shell
from commands.repeat import bench, prove, replay, sweep

__all__ = [
    "bench", "check", "decode", "demo", "diff", "doctor", "kernel", "list_",
    "prove", "replay", "report", "run", "shell", "show", "sweep", "test",
]  # fmt: skip
