"""The first process of a native run: fresh namespaces on this machine's own kernel, a read-only root, one job.

Everything in the PID namespace dies with its first process, and that dies with us, and we with our parent:
each asks the kernel for it (PR_SET_PDEATHSIG), so that nothing survives, whichever is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 4)[0])
from roamlab.kernels.inside.base import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    NEVER_HIDDEN_BY,
    Control,
    check,
    libc,
    lo_up,
    make_directories,
    mount,
    raise_limits,
    read_job,
    run,
    set_terminal,
)

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
SET_PDEATHSIG = 1
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY = 442, -100, 0x8000, 1


class MountAttr(ctypes.Structure):
    """struct mount_attr of mount_setattr(2)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def die_with_parent(parent: int) -> None:
    """Ask to be killed when our parent dies, and do so at once if it already has."""
    check(libc.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def write(path: str, text: str) -> None:
    """Write a file of /proc, whose content must come in one write."""
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text.encode())
    os.close(fd)


def new_namespaces() -> None:
    """Leave the machine's namespaces; where we aren't root, become root in a user namespace first."""
    flags = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    uid, gid = os.geteuid(), os.getegid()
    check(libc.unshare(flags | (NEWUSER if uid else 0)), "new namespaces")
    if uid:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {uid} 1")
        write("/proc/self/gid_map", f"0 {gid} 1")


def set_read_only(path: str, on: bool) -> None:
    """Make a tree of mounts read-only, or one writable again, leaving its other flags alone."""
    attr = MountAttr(attr_set=ATTR_RDONLY) if on else MountAttr(attr_clr=ATTR_RDONLY)
    flags = AT_RECURSIVE if on else 0
    result = libc.syscall(
        MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attr), ctypes.sizeof(attr)
    )
    check(result, f"make {path} {'read-only' if on else 'writable'}")


def file_systems(job: dict[str, list[str]]) -> None:
    """Make the root read-only but for the run directory; mount what belongs to the new namespaces."""
    (run_dir,) = job["run_dir"]
    written = [run_dir, *job.get("written", [])]
    shown = {path: os.open(path, os.O_PATH) for path in (*job.get("keep", []), *written)}
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    set_read_only("/", on=True)
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("devpts", "/dev/pts", "devpts", 0, "newinstance,mode=620,ptmxmode=666")
    for directory in NEVER_HIDDEN_BY:
        mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for path, fd in shown.items():
        make_directories(path)
        mount(f"/proc/self/fd/{fd}", path, "", MS_BIND)
        os.close(fd)
    for path in written:
        set_read_only(path, on=False)


def relay(master: int) -> None:
    """Carry bytes between a pseudo-terminal and our standard input and output, until its other end closes."""
    watched = select.poll()
    watched.register(0, select.POLLIN)
    watched.register(master, select.POLLIN)
    while True:
        for fd, _event in watched.poll():
            try:
                data = os.read(fd, 4096)
            except OSError:  # EIO: nobody has the terminal open any more
                return
            if not data:
                watched.unregister(fd)
            while data:
                data = data[os.write(1 if fd == master else master, data) :]


def with_terminal(job: dict[str, list[str]]) -> tuple[str, int, int]:
    """Make a pseudo-terminal and a process that relays it; give its name, our descriptor, the process."""
    master, slave = os.openpty()
    set_terminal(slave, job)
    name = os.ttyname(slave)
    relayer = os.fork()
    if relayer == 0:
        with contextlib.suppress(OSError):
            os.close(slave)
            relay(master)
        os._exit(0)
    os.close(master)
    return name, slave, relayer


def first(job: dict[str, list[str]], control: Control) -> None:
    """Be the first process of the new PID namespace."""
    try:
        file_systems(job)
        lo_up()
        raise_limits()
        libc.sethostname(b"roamlab", 7)
        if job["interactive"] == ["1"]:
            name, slave, relayer = with_terminal(job)
            status = run(job, control, name)
            os.close(slave)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(relayer, 0)
        else:
            status = run(job, control, None)
        control.say("exit", status)
    except Exception as error:
        control.say("failed", error)


def main(parent: int, job_path: str) -> None:
    """Stand outside the new PID namespace and wait for its first process."""
    die_with_parent(parent)
    fd = os.dup(2)  # standard error is the control channel until we have put it away
    os.dup2(1, 2)
    control = Control(fd)
    control.say("ready")
    job = read_job(job_path)
    try:
        new_namespaces()
    except OSError as error:
        control.say("failed", error)
        return
    child = os.fork()
    if child == 0:
        check(libc.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")
        first(job, control)
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
