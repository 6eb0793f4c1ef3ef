"""Boots a kernel that was just built: it is taken only when it does what the lab needs of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.recipes import release
from roamlab.kernels.cpu import emulated
from roamlab.kernels.sandbox import stand_by
from roamlab.kernels.uml import HOSTFS_ROOT

# Any moment will do for a check; later than the files that the guest sees.
START_NS = 1_893_456_000_000_000_000
_LIMIT_S = 60.0
_TAIL = 5
# What a guest tells: its release, how long a minute takes, whether SCTP is there, and what its generator gives.
_ASK = """#!/bin/sh
mount -t proc proc /proc
read -r up _ < /proc/uptime
sleep 60
read -r now _ < /proc/uptime
read -r release < /proc/sys/kernel/osrelease
echo "release=$release"
echo "slept=$(( ${now%.*} - ${up%.*} ))"
grep -q '^SCTP ' /proc/net/protocols && echo sctp=y
echo "random=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \\n')"
echo o > /proc/sysrq-trigger
sleep 10
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a booted kernel told of itself."""

    release: str
    slept: int
    sctp: bool
    random: str


def seccomp(version: str) -> bool:
    """Tell whether kernels of a version run programs under seccomp here (6.16 on, and no emulated processor)."""
    return release(version) >= (6, 16) and not emulated()


def virtual_time(version: str, seed: int) -> list[str]:
    """Give the words of a command line that make a guest keep virtual time and follow a seed."""
    words = ["time-travel=inf-cpu", f"time-travel-start={START_NS}", "norandmaps", f"roamlab.seed={seed}"]
    words += ["random.trust_cpu=on", "random.trust_bootloader=on"]
    return [*words, "seccomp=on"] if seccomp(version) else words


def run(
    binary: Path, words: Sequence[str], script: str, memory_mib: int = 128, limit_s: float = _LIMIT_S
) -> str:
    """Boot a kernel on this machine's files, read-only, with a shell script as its init; gives what it printed.

    The script ends with `echo o > /proc/sysrq-trigger`. Raises BuildError when it does not end within limit_s.
    """
    with tempfile.TemporaryDirectory(prefix="roamlab-boot-") as scratch:
        init = Path(scratch, "init")
        init.write_text(script)
        init.chmod(0o755)
        command = [str(binary), f"mem={memory_mib}M", *HOSTFS_ROOT, "quiet"]
        command += ["con=null", "con0=fd:0,fd:1", f"uml_dir={scratch}", "umid=boot", f"init={init}", *words]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "TMPDIR": scratch, "LANG": "C"}
        # An end of file on standard input would hang up the guest's console, and its output with it.
        quiet, silence = os.pipe()
        try:
            printed = _printed((*stand_by((Path(scratch),)), *command), environment, quiet, limit_s)
        finally:
            os.close(quiet)
            os.close(silence)
    return printed.replace("\r\n", "\n")


def _printed(command: Sequence[str], environment: dict[str, str], stdin: int, limit_s: float) -> str:
    """Run a guest to its end, or end it; who stands by it ends all the processes that it holds on this machine."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as process:
        try:
            return process.communicate(timeout=limit_s)[0]
        except subprocess.TimeoutExpired:
            process.terminate()
            said = _last(process.communicate()[0])
            raise BuildError(f"the kernel did not end within {limit_s:.0f} s; it said:\n{said}") from None
        except BaseException:
            process.terminate()
            raise


def check(binary: Path, version: str) -> None:
    """Boot a new kernel three times; raises BuildError when it lacks what the lab relies on."""
    if shutil.which("od") is None:
        raise BuildError("checking a kernel needs od; install it with: apt-get install coreutils")
    first, again, other = (_ask(binary, version, seed) for seed in (1, 1, 2))
    if not first.release.startswith(version):
        raise BuildError(f"the kernel built from {version} says that it is {first.release}")
    if not first.sctp:
        raise BuildError("the kernel that was built has no SCTP")
    if first.slept != 60:
        raise BuildError(f"in the kernel that was built a minute of virtual time took {first.slept} s")
    if first.random != again.random or first.random == other.random:
        raise BuildError("in the kernel that was built random numbers do not follow from the seed")


def _ask(binary: Path, version: str, seed: int) -> Told:
    printed = run(binary, virtual_time(version, seed), _ASK)
    told = dict(re.findall(r"^(release|slept|sctp|random)=(\S+)$", printed, re.MULTILINE))
    if "random" not in told:
        raise BuildError(f"the kernel that was built does not boot; it said:\n{_last(printed)}")
    return Told(told["release"], int(told["slept"]), "sctp" in told, told["random"])


def _last(text: str) -> str:
    return "\n".join(text.splitlines()[-_TAIL:]) or "nothing"
