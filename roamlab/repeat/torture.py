"""Runs and sweeps ended at random instants, and what they leave: no process, no file, no mount, and whole results alone.

Each bout starts a run or a sweep as a person would, waits, and does one thing to it: a signal to the front end, to one process
of its guest or workers, or to all at once; or a disk that is full, or becomes read-only. The seed decides what is done and
after how long, the machine where that strikes.
"""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import CRASHED, LabError
from roamlab.record.identity import hashes
from roamlab.record.run_directory import MANIFEST
from roamlab.where import ROOT

_SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP)
_WORK: Final = (("run", "control"), ("run", "fig09"), ("sweep", "control"))
_DISKS: Final = ("full", "read-only")
_LONGEST_S: Final = 6.0
_END_S: Final = 600.0
_STOPPED_S: Final = 0.5


class _Sums(msgspec.Struct):
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bout:
    """What was done, to what, and what was wrong afterwards (nothing, where all is well); ``kept`` results were looked at."""

    work: str
    done: str
    faults: tuple[str, ...]
    kept: int


def torture(bouts: int, *, seed: int, kernel: str, on_bout: Callable[[Bout], None]) -> list[Bout]:
    """Do so many bouts, one after the other."""
    done = []
    for number in range(bouts):
        chance = random.Random(f"{seed} {number}")  # of its own: where one bout strikes changes no other
        with tempfile.TemporaryDirectory(prefix="roamlab-torture-") as directory:
            done.append(_bout(Path(directory), chance, kernel))
        on_bout(done[-1])
    return done


def tally(bouts: list[Bout]) -> Counter[str]:
    """How many bouts there were of each kind."""
    return Counter(bout.done for bout in bouts)


def _bout(directory: Path, chance: random.Random, kernel: str) -> Bout:
    verb, scenario = chance.choice(_WORK)
    out, scratch = directory / "out", directory / "tmp"
    out.mkdir()
    scratch.mkdir()
    words = [sys.executable, "-m", "roamlab.cli", verb, scenario, "--kernel", kernel]
    words += (
        ["--no-report", "--runs", str(out)]
        if verb == "run"
        else ["--seeds", "2", "--out", str(out / "sweep")]
    )
    wait_s = chance.uniform(0.0, _LONGEST_S)
    number = chance.choice(_SIGNALS)
    disk = chance.choice((*_DISKS, "", "", "", "", "", ""))
    disk = disk if os.geteuid() == 0 else ""
    whom = chance.choice(("front end", "a process", "all"))
    if disk:
        kept_in = directory / "kept"
        kept_in.mkdir()
        words, done = [*_on_disk(out, kept_in, disk, chance, wait_s), *words], f"disk {disk}"
    else:
        done = f"{signal.Signals(number).name} to {whom}"
    mounts = _mounts()
    started = subprocess.Popen(
        words,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    seen: set[int] = set()
    spaces: set[str] = set()
    struck = 0.0
    if not disk:
        time.sleep(wait_s)
        seen = {started.pid, *_descendants(started.pid)}
        spaces = _spaces(seen) - _spaces({os.getpid()})
        struck = time.clock_gettime(time.CLOCK_BOOTTIME)
        _strike(started.pid, seen, whom, number, chance)
    faults = []
    try:
        said = started.communicate(timeout=_END_S)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        said = started.communicate()[0].decode(errors="replace")
        faults.append(f"did not end within {_END_S:g} s")
    if "Traceback" in said:
        faults.append(f"a traceback: {said.strip().splitlines()[-1]}")
    if started.returncode == CRASHED:
        faults.append(f"a defect: {said.strip().splitlines()[-1]}")
    faults += _left(
        seen, spaces, struck, directory, scratch, mounts, killed=number == signal.SIGKILL and whom == "all"
    )
    kept = [file for file in directory.rglob(MANIFEST) if not file.is_relative_to(scratch)]
    faults += [fault for manifest in kept if (fault := _damage(manifest.parent))]
    return Bout(f"{verb} {scenario}", done, tuple(faults), len(kept))


def _on_disk(out: Path, kept: Path, disk: str, chance: random.Random, wait_s: float) -> list[str]:
    """What to put before a command so that its disk, in a mount namespace of its own, is full or becomes read-only.

    What is on the disk at the end is copied to ``kept``.
    """
    size = f"{chance.randrange(64, 4096)}k" if disk == "full" else "64m"
    turn = f"(sleep {wait_s:.2f}; mount -o remount,ro {out}) & " if disk == "read-only" else ""
    script = f'mount -t tmpfs -o size={size} none {out} || exit 1; {turn}"$@"; status=$?; cp -a {out}/. {kept}; exit $status'
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"]


def _strike(front_end: int, seen: set[int], whom: str, number: signal.Signals, chance: random.Random) -> None:
    others = sorted(seen - {front_end})
    targets = {"front end": [front_end], "all": sorted(seen)}.get(
        whom, [chance.choice(others or [front_end])]
    )
    for pid in targets:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    if number == signal.SIGSTOP:  # nobody has the others go on
        time.sleep(_STOPPED_S)
        with suppress(ProcessLookupError):
            os.kill(front_end, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


def _left(
    seen: set[int],
    spaces: set[str],
    struck: float,
    directory: Path,
    scratch: Path,
    mounts: set[str],
    *,
    killed: bool,
) -> list[str]:
    """What is there that should not be; those that were killed get their time to be gone."""
    deadline = time.monotonic() + _END_S
    wanted = os.fsencode(directory)
    while alive := [pid for pid in _processes() if pid in seen or wanted in _read(pid, "cmdline")]:
        if time.monotonic() > deadline:
            return [
                f"{len(alive)} processes are still there: {_read(alive[0], 'cmdline').decode(errors='replace')}"
            ]
        time.sleep(0.05)
    faults = [f"a mount: {mount}" for mount in _mounts() - mounts if str(directory) in mount]
    # A number of a namespace that is gone is given out again, to one that younger processes are in.
    old = {pid for pid in _processes() if _began(pid) < struck}
    faults += [f"a namespace: {space}" for space in spaces & _spaces(old)]
    # What is killed with SIGKILL together with all that stands by it can tidy up nothing.
    return (
        faults
        if killed
        else faults + [f"a file: {path.name}" for path in scratch.iterdir() if "guest" in path.name]
    )


def _processes() -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [
        pid
        for pid in pids
        if pid != os.getpid()
        and _read(pid, "stat").rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"], [])
    ]


def _began(pid: int) -> float:
    """When a process began, s since this machine did; that of one that is gone is infinite."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else math.inf


def _spaces(pids: set[int]) -> set[str]:
    """The namespaces that these processes are in."""
    found = set()
    for pid in pids:
        with suppress(OSError):
            found |= {os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("mnt", "net", "pid")}  # noqa: PTH115
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def _damage(run: Path) -> str:
    """Why a result that says that it is finished isn't whole; empty where it is."""
    try:
        wanted = msgspec.json.decode((run / MANIFEST).read_bytes(), type=_Sums).sha256
        found = hashes(run)
    except (msgspec.DecodeError, LabError) as error:
        return f"a damaged result: {error}"
    differing = [name for name, value in wanted.items() if found.get(name) != value]
    return f"a result whose {differing[0]} is not what its manifest says" if differing else ""
