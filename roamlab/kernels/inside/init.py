"""The first process of a UML guest: makes the machine's files a machine, runs one job, powers off."""

from __future__ import annotations

import os
import struct
import sys
import termios
import time

sys.path.insert(0, __file__.rsplit("/", 4)[0])
from roamlab.kernels.inside.base import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    NEVER_HIDDEN_BY,
    TIMER_ABSTIME,
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
from roamlab.kernels.inside.phase import align, virtual

FINIT_MODULE = 313  # x86_64
POWER_OFF = 0x4321FEDC
DIRECTORIES = 64  # that paths below a tmpfs may need in all
START_NS = (
    64_000_000  # no set-up takes as long; what runs may choose a phase of its own (roamlab/lab/settling.py)
)


def raw(fd: int) -> None:
    """Let every byte through a terminal as it is."""
    mode = termios.tcgetattr(fd)
    mode[0] = mode[1] = mode[3] = 0
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, mode)


def file_systems(job: dict[str, list[str]]) -> None:
    """Mount what a Linux machine has, then what the job may see although a tmpfs hides it, then its run directory."""
    # A file's set-user-id bit would turn root inside into its owner outside.
    mount("none", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    for directory in ("/dev/pts", "/dev/shm"):  # noqa: S108
        make_directories(directory)
    mount("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666")
    for directory in NEVER_HIDDEN_BY:
        mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for name, fd in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{fd}", f"/dev/{name}")  # noqa: PTH211
    made = 0
    for path in job.get("keep", []):
        made += make_directories(path)
        mount("none", path, "hostfs", MS_RDONLY | MS_NOSUID, path)
    for path in (*job["run_dir"], *job.get("written", [])):
        made += make_directories(path)
        mount("none", path, "hostfs", MS_NOSUID, path)
    # A tmpfs draws from the kernel's generator for each file in it: as often for each run, wherever its paths lie.
    for _ in range(DIRECTORIES - made):
        os.mkdir("/run/roamlab")  # noqa: PTH102
        os.rmdir("/run/roamlab")  # noqa: PTH106


def begin_on_time() -> None:
    """Wait for a set moment: in virtual time what was done so far has then taken the same time in each run."""
    start = (time.time_ns() // START_NS + 1) * START_NS
    if virtual(time.time_ns):
        align(time.time_ns, wait_until, start)
    else:
        wait_until(start)


def wait_until(moment_ns: int) -> None:
    """Sleep until a time of CLOCK_REALTIME."""
    moment = struct.pack("qq", *divmod(moment_ns, 10**9))
    libc.clock_nanosleep(time.CLOCK_REALTIME, TIMER_ABSTIME, moment, None)


def load_modules(job: dict[str, list[str]]) -> None:
    """Load the job's modules, dependencies first; names that are no modules here are built in."""
    if "modules" not in job:
        return
    (root,) = job["modules"]
    needed: dict[str, list[str]] = {}
    with open(f"{root}/modules.dep") as lines:  # noqa: PTH123
        for line in lines:
            path, _, before = line.partition(":")
            name = path.rsplit("/", 1)[-1].split(".", 1)[0].replace("-", "_")
            needed[name] = [path, *before.split()]
    loaded = set()
    for name in job.get("module", []):
        for path in reversed(needed.get(name, [])):
            if path in loaded:
                continue
            loaded.add(path)
            fd = os.open(f"{root}/{path}", os.O_RDONLY)
            check(libc.syscall(FINIT_MODULE, fd, b"", 0), f"load {path}")
            os.close(fd)


def main() -> None:
    """Be init."""
    if os.stat("/dev").st_dev == os.stat("/").st_dev:  # noqa: PTH116 - the machine's, where the kernel mounts none by itself
        mount("devtmpfs", "/dev", "devtmpfs")
    channel = os.open("/dev/tty1", os.O_RDWR | os.O_NOCTTY)
    raw(channel)
    control = Control(channel)
    control.say("ready")
    try:
        job = read_job(sys.argv[1])
        file_systems(job)
        set_terminal(1, job)
        load_modules(job)
        lo_up()
        raise_limits()
        libc.sethostname(b"roamlab", 7)
        # Not by a fair share: see roamlab/lab/settling.py. The job is as any other process.
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        begin_on_time()
        status = run(job, control, "/dev/tty0" if job["interactive"] == ["1"] else None)
        termios.tcdrain(1)
        control.say("exit", status)
    except Exception as error:
        control.say("failed", type(error).__name__, error)
    end(channel, POWER_OFF)


if __name__ == "__main__":
    main()
