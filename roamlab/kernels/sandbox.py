"""Bubblewrap around a UML process: the machine's files read-only, no network, nothing that outlives it.

Inside the guest, root can remount its root file system writable and would then write with the rights of the
user who started it. Only the outside can prevent that.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from roamlab.kernels import landlock
from roamlab.kernels.inside.base import NEVER_HIDDEN_BY
from roamlab.where import PACKAGE

# Where the guest finds roamlab's first process, the same on every machine: it stands in the kernel's command
# line, which a kernel without the lab's patches mixes into its random pool.
CODE = Path("/run/roamlab")
SHOWN = CODE / "roamlab" / "kernels"
JOB = CODE / "job"
# What is tried is what is used: in a container a new /proc may be refused although everything else works.
_NAMESPACES = ("--unshare-all", "--die-with-parent", "--new-session")
_ROOT = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
_TRY_S = 10.0
_MIB = 1 << 20
_IF_WE_ARE_THERE = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'
# Root inside reaches these past the guest's own memory: only the sockets and the job's file need room there.
_SMALL = ("--size", str(4 * _MIB), "--tmpfs")


@lru_cache(maxsize=1)
def bubblewrap() -> str | None:
    """Find a bubblewrap that works for this user here, or None."""
    found = shutil.which("bwrap")
    return found if found and _works([found, *_NAMESPACES, *_ROOT, "true"]) else None


@lru_cache(maxsize=1)
def fixed_addresses() -> tuple[str, ...]:
    """Give the command that runs another without address randomisation, empty where it isn't allowed.

    UML fills the gap that its randomised break leaves with memory of its own: with it, each boot would
    have another amount of memory, and many take longer.
    """
    command = ("setarch", "--addr-no-randomize")
    return command if _works([*command, "true"]) else ()


def told_of_our_end(number: signal.Signals) -> tuple[str, ...]:
    """Give the command that runs another which the kernel sends a signal when we die, even if it is stopped before it began.

    What it runs asks for the same itself, later, and looks whether we are still there. Empty where setpriv cannot (util-linux
    before 2.33). It has to be started in a process group of its own in our session: what is stopped before it could ask is
    then told by the kernel (SIGHUP and SIGCONT to a group that loses its last parent in its session).
    """
    return ("setpriv", "--pdeathsig", number.name.removeprefix("SIG")) if _knows_our_end() else ()


def ended_with_us() -> tuple[str, ...]:
    """Give the command that runs another which is killed when we die, or does not begin where we already have.

    For commands that do not look for us themselves; to be started as told_of_our_end says.
    """
    told = told_of_our_end(signal.SIGKILL)
    return (*told, "sh", "-c", _IF_WE_ARE_THERE, str(os.getpid())) if told else ()


@lru_cache(maxsize=1)
def _knows_our_end() -> bool:
    return _works(("setpriv", "--pdeathsig", "KILL", "true"))


class Protection(StrEnum):
    """What keeps a guest from this machine, best first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


def protection() -> Protection:
    """What can be had here for this user."""
    return without_bubblewrap() if bubblewrap() is None else Protection.BUBBLEWRAP


def without_bubblewrap() -> Protection:
    """What is left where bubblewrap is missing, or may not make namespaces."""
    return Protection.LANDLOCK if landlock.version() else Protection.NONE


LACKING: Final = {
    Protection.BUBBLEWRAP: "",
    Protection.LANDLOCK: "bubblewrap cannot confine guests here: Landlock keeps them from writing outside their run directory, "
    "but nothing keeps them from reading your files or from UDP; run only what you trust",
    Protection.NONE: "neither bubblewrap nor Landlock can confine guests here: root in a guest can write what you can write; "
    "run only what you trust",
}
"""What protection is missing, as one sentence; empty where nothing is."""


def stand_by(scratch: Sequence[Path] = (), written: Sequence[Path] = ()) -> tuple[str, ...]:
    """Give the command line to put before a guest's where there is no bubblewrap (roamlab/kernels/warden.py).

    scratch  directories that go with the guest
    written  the other directories that it can write
    """
    python = (os.path.realpath(sys.executable), "-I", "-S", str(PACKAGE / "kernels" / "warden.py"))
    asked = (str(os.getpid()), str(len(scratch)), *map(str, (*scratch, *written)), "--")
    return (*told_of_our_end(signal.SIGCONT), *python, *asked)


def hidden(path: Path) -> bool:
    """Whether a tmpfs inside covers path."""
    return any(path.is_relative_to(directory) for directory in NEVER_HIDDEN_BY)


def confine(
    bwrap: str,
    keep: Sequence[Path],
    code: Path,
    job: int,
    refused: int,
    written: Sequence[Path],
    memory_mib: int,
) -> tuple[str, ...]:
    """Give the bubblewrap command line to put before a UML command.

    keep        directories to show read-only although a tmpfs would hide them
    code        the package's directory, shown as SHOWN
    job         a descriptor of what becomes the file JOB
    refused     a descriptor of the seccomp program for all within
    written     the only writable directories
    memory_mib  room for the guest's memory, an unlinked file on a tmpfs of its own
    """
    line = [*ended_with_us(), bwrap, *_NAMESPACES, *_ROOT]
    line += [*_SMALL, "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    line += [*_SMALL, "/run", *_SMALL, "/var/tmp"]  # noqa: S108
    line += ["--size", str((memory_mib + 64) * _MIB), "--tmpfs", "/tmp"]  # noqa: S108
    for path in keep:
        line += ["--ro-bind", str(path), str(path)]
    line += ["--ro-bind", str(code), str(SHOWN), "--file", str(job), str(JOB)]
    for path in written:
        line += ["--bind", str(path), str(path)]
    return (*line, "--seccomp", str(refused), "--chdir", "/", "--")


def _works(command: Sequence[str]) -> bool:
    try:
        return (
            subprocess.run(command, capture_output=True, timeout=_TRY_S, stdin=subprocess.DEVNULL).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def shut_in(bwrap: str, keep: Sequence[Path]) -> tuple[str, ...]:
    """Give the bubblewrap command line to put before a command that needs nothing but its descriptors.

    It sees the machine's files read-only, and can write none; `keep` are those to show although a tmpfs would hide them.
    """
    line = [*ended_with_us(), bwrap, *_NAMESPACES, *_ROOT]
    line += [*_SMALL, "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    for directory in ("/run", "/var/tmp", "/tmp"):  # noqa: S108
        line += [*_SMALL, directory]
    for path in keep:
        line += ["--ro-bind", str(path), str(path)]
    return (*line, "--chdir", "/", "--")
