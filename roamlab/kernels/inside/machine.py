"""The first process of a machine without a disk: runs one job on files that lie in memory, hands the results out, stops.

Nothing is waited for before the results are handed out: virtual time passes while a guest waits for the world outside.
"""

from __future__ import annotations

import os
import sys
import termios

sys.path.insert(0, __file__.rsplit("/", 4)[0])
from roamlab.kernels.inside.base import (
    Control,
    check,
    end,
    libc,
    lo_up,
    make_directories,
    mount,
    raise_limits,
    read_job,
    run,
    set_terminal,
)
from roamlab.kernels.inside.handing import JOB, hand_out
from roamlab.kernels.inside.init import FINIT_MODULE, begin_on_time, raw

CONSOLE, CHANNEL = "/dev/ttyS0", "/dev/ttyS1"
RESTART = 0x01234567  # QEMU is told to end where others would start again


def file_systems() -> None:
    """Mount what a Linux machine has."""
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("devtmpfs", "/dev", "devtmpfs")
    for directory in ("/dev/pts", "/dev/shm"):  # noqa: S108
        make_directories(directory)
    mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666")
    mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")  # noqa: S108
    for name, fd in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{fd}", f"/dev/{name}")  # noqa: PTH211


def load_modules(job: dict[str, list[str]]) -> None:
    """Load the job's modules, in the order given."""
    for path in job.get("module", []):
        fd = os.open(path, os.O_RDONLY)
        check(libc.syscall(FINIT_MODULE, fd, b"", 0), f"load {path}")
        os.close(fd)


def main() -> None:
    """Be the first process."""
    file_systems()
    console = os.open(CONSOLE, os.O_RDWR | os.O_NOCTTY)
    for fd in (0, 1, 2):
        os.dup2(console, fd)
    os.close(console)
    channel = os.open(CHANNEL, os.O_RDWR | os.O_NOCTTY)
    raw(channel)
    control = Control(channel)
    control.say("ready")
    try:
        job = read_job(JOB)
        set_terminal(1, job)
        load_modules(job)
        lo_up()
        raise_limits()
        libc.sethostname(b"roamlab", 7)
        begin_on_time()
        status = run(job, control, CONSOLE if job["interactive"] == ["1"] else None)
        termios.tcdrain(1)
        (window,) = job["window_of_results"]
        at, room = map(int, window.split())
        hand_out(job["run_dir"][0], at, room)
        control.say("exit", status)
    except Exception as error:
        control.say("failed", type(error).__name__, error)
    end(channel, RESTART)


if __name__ == "__main__":
    main()
