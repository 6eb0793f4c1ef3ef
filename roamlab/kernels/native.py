"""Runs jobs on this machine's own kernel, in fresh mount, network, PID and (where not root) user namespaces."""

from __future__ import annotations

import gzip
import os
import platform
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from roamlab.kernels import sandbox
from roamlab.kernels.abilities import ABILITIES, option
from roamlab.kernels.description import KernelDescription
from roamlab.kernels.inside.probe import tests
from roamlab.kernels.job import Job, NotPermitted, OnLine, Outcome, Unsupported
from roamlab.kernels.supervise import Launch, supervise
from roamlab.kernels.surroundings import check_run_dir, in_memory, records
from roamlab.where import PACKAGE, ROOT

_KERNELS = PACKAGE / "kernels"
_CELL = _KERNELS / "inside" / "cell.py"
_PROBE = _KERNELS / "inside" / "probe.py"
_PROBE_S = 20.0


@dataclass(frozen=True, slots=True)
class NativeKernel:
    """Our own machine's kernel, and what trying it has shown."""

    abilities: frozenset[str]

    @property
    def kind(self) -> str:
        """Always `native`."""
        return "native"

    @property
    def version(self) -> str:
        """The kernel's release."""
        return platform.release()

    @property
    def variant(self) -> str:
        """Empty: we can't know how this kernel was changed, and its version says what it is."""
        return ""

    @property
    def virtual_time(self) -> bool:
        """Never: the machine's clock is the clock."""
        return False

    def describe(self) -> KernelDescription:
        """What a manifest records of this kernel."""
        return KernelDescription(
            kind=self.kind,
            version=self.version,
            build=platform.version(),
            variant=self.variant,
            virtual_time=self.virtual_time,
        )

    def execute(self, job: Job, on_line: OnLine) -> Outcome:
        """Run job.argv in namespaces of its own; see roamlab.kernels.job.Kernel."""
        for need in sorted(job.needs - self.abilities):
            raise Unsupported(
                need,
                f"{option(need)} is not in this machine's kernel {self.version}; "
                "use a kernel that has it, or --kernel uml",
            )
        return _execute(job, on_line)


def native() -> NativeKernel:
    """Find out what this machine's kernel can do here and now; raises NotPermitted."""
    return NativeKernel(_probe())


@lru_cache(maxsize=1)
def _probe() -> frozenset[str]:
    """Try each ability in a scratch namespace; ask the kernel's configuration about those that can't be tried."""
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="roamlab-probe-") as directory:
        job = Job((sys.executable, "-I", "-S", str(_PROBE)), Path(directory), seed=0, limit_s=_PROBE_S)
        outcome = _execute(job, found.append)
    if outcome.reason:
        raise NotPermitted(
            "native needs root, or user namespaces for ordinary users "
            f"(sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces): {outcome.reason}"
        )
    untried = ABILITIES.keys() - tests().keys()
    options = _configuration()
    return frozenset(found) | {name for name in untried if ABILITIES[name].option in options}


def _configuration() -> frozenset[str]:
    """Read the options that this machine's kernel has, built in or as modules, where it says so."""
    for path in (Path("/proc/config.gz"), Path("/boot") / f"config-{platform.release()}"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode(errors="replace")
        return frozenset(re.findall(r"^(CONFIG_\w+)=[ym]$", text, re.MULTILINE))
    return frozenset()


def _execute(job: Job, on_line: OnLine) -> Outcome:
    check_run_dir(job.run_dir)
    seen = dict.fromkeys((ROOT, Path(sys.prefix).resolve(), *job.shown))
    keep = [path for path in seen if sandbox.hidden(path)]
    with in_memory(records(job, keep)) as fd:
        command = (os.path.realpath(sys.executable), "-I", "-S", str(_CELL), str(os.getpid()))
        before = sandbox.told_of_our_end(signal.SIGKILL)
        launch = Launch((*before, *command, f"/proc/self/fd/{fd}"), env={}, cpu=None, fds=(fd,))
        return supervise(launch, job, on_line)
