"""What the two first processes (init in a guest, cell on this machine's kernel) share.

The job is a file, keys and values each ended by a NUL. A file, because reading one waits for nobody: in virtual
time a guest that waits for a word from outside lets any amount of time go by. The inside tells the outside how it
goes in lines `roamlab: WORD ...`. No json here: importing it would cost a tenth of the boot.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import struct
import termios
import time
from _socket import AF_INET, SOCK_DGRAM, socket  # the C module alone: `socket` imports enum and selectors

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 0x20
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
NEVER_HIDDEN_BY = ("/tmp", "/run", "/var/tmp", "/dev/shm")  # noqa: S108 - tmpfs goes over these
HEARTBEAT_NS = 10**9
HEARTBEAT_AT_NS = (
    1954 * 256
)  # in each second: off ticks, and on a step of the virtual clock (roamlab/kernels/inside/phase.py)
OPEN_FILES = 65536
TIMER_ABSTIME = 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Return a C call's result, or raise OSError naming what failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system; raises OSError naming what and where."""
    check(
        libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, os.fsencode(data)),
        f"mount {kind} on {target}",
    )


class Control:
    """The inside's end of the control channel."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, *words: object) -> None:
        """Tell the outside one line."""
        os.write(self._fd, ("roamlab: " + " ".join(map(str, words)) + "\n").encode())


def end(control_fd: int, how: int) -> None:
    """Stop the machine when the control channel's last line is out; ``how`` is a command of reboot(2)."""
    termios.tcdrain(control_fd)
    with open("/proc/sys/kernel/printk", "w") as level:  # noqa: PTH123
        level.write("0")  # the kernel's farewell is not the job's
    libc.reboot(how)


def read_job(path: str) -> dict[str, list[str]]:
    """Read what roamlab.kernels.surroundings.records wrote: values by key, in its order."""
    with open(path, "rb") as file:  # noqa: PTH123
        fields = file.read()[:-1].split(b"\0")
    job: dict[str, list[str]] = {}
    for key, value in zip(fields[::2], fields[1::2], strict=True):
        job.setdefault(key.decode(), []).append(os.fsdecode(value))
    return job


def make_directories(path: str) -> int:
    """Make path and its parents where they are missing; gives how many were."""
    if os.path.isdir(path):  # noqa: PTH112 - pathlib would double the imports
        return 0
    made = make_directories(os.path.dirname(path))  # noqa: PTH120
    os.mkdir(path)  # noqa: PTH102
    return made + 1


def lo_up() -> None:
    """Bring the loopback NIC up, as a new network namespace has it down (SIOCSIFFLAGS, IFF_UP)."""
    with_socket = socket(AF_INET, SOCK_DGRAM, 0)
    fcntl.ioctl(with_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
    with_socket.close()


def raise_limits() -> None:
    """Allow as many open files as a large topology needs, where the kernel lets us."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, max(hard, OPEN_FILES)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def set_terminal(fd: int, job: dict[str, list[str]]) -> None:
    """Set the job's terminal up: cooked for a person, for anything else a plain pipe of lines."""
    mode = termios.tcgetattr(fd)
    if job["terminal"] == ["1"]:
        rows, columns = map(int, job["window"][0].split("x"))
        termios.tcsetwinsize(fd, (rows, columns))
    else:
        mode[1] &= ~termios.OPOST
        mode[3] &= ~(termios.ECHO | termios.ECHONL)
        termios.tcsetattr(fd, termios.TCSANOW, mode)


def run(job: dict[str, list[str]], control: Control, terminal: str | None) -> int:
    """Run the job's argv as a child, with a heartbeat each second of the clock inside; return its status.

    terminal is the device that becomes its controlling terminal; None gives it /dev/null to read.
    """
    control.say("running")
    child = os.fork()
    if child == 0:
        _become(job, terminal)
    watched = select.poll()
    watched.register(os.pidfd_open(child), select.POLLIN)
    beat = heartbeat()
    watched.register(beat, select.POLLIN)
    while True:
        ready = [fd for fd, _event in watched.poll()]
        if beat in ready:
            os.read(beat, 8)
            control.say("clock", time.clock_gettime_ns(time.CLOCK_REALTIME))
        while True:  # orphans come to us
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if pid == 0:
                break


def heartbeat() -> int:
    """Give a descriptor that can be read once a second, always at the same moment of it: when we began must not matter."""
    timer = check(libc.timerfd_create(time.CLOCK_REALTIME, os.O_CLOEXEC), "timerfd")
    second = time.clock_gettime_ns(time.CLOCK_REALTIME) // HEARTBEAT_NS + 1
    expiry = struct.pack("qqqq", 1, 0, second, HEARTBEAT_AT_NS)
    check(libc.timerfd_settime(timer, TIMER_ABSTIME, expiry, None), "timerfd")
    return timer


def _become(job: dict[str, list[str]], terminal: str | None) -> None:
    """Become the job's program; never returns."""
    argv = job["arg"]
    try:
        os.setsid()
        stdin = os.open(terminal or "/dev/null", os.O_RDWR)
        os.dup2(stdin, 0)
        if terminal:
            fcntl.ioctl(stdin, 0x540E, 0)  # TIOCSCTTY
            os.dup2(stdin, 1)
        os.dup2(1, 2)
        if stdin > 2:
            os.close(stdin)
        os.chdir(job["run_dir"][0])
        env = dict(pair.split("=", 1) for pair in job["env"])
        os.execve(argv[0], argv, env)  # noqa: S606
    except OSError as error:
        os.write(2, f"roamlab: cannot run {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)
