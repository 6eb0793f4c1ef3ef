"""What two runs must have in common to be the same to the last bit, and the hashes by which one sees that they are.

Virtual time takes the machine's speed and load out of a run. What is left is: the kernel's binary, the code that runs inside
it, the interpreter and its packages, the scenario's parameters and the seed. ``cpu`` is recorded because libraries choose other
code on another processor; no difference was ever seen to come of it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from roamlab import own_files
from roamlab.kernels import binary
from roamlab.kernels.build.store import built
from roamlab.kernels.choose import DEBIAN
from roamlab.kernels.job import Kernel
from roamlab.kernels.machine.kernel import MachineKernel
from roamlab.kernels.uml import UmlKernel
from roamlab.record import guarded
from roamlab.record.run_directory import CAPTURE, EVENTS, VERDICT
from roamlab.registry import Scenario
from roamlab.where import PACKAGE, inside_files

SAME_BITS: Final = (EVENTS, CAPTURE, VERDICT)
"""The files of a run that follow from its identity; the others hold dates, wall times and paths."""
_PACKAGES: Final = ("aioquic", "cryptography", "mininet", "msgspec", "pyroute2", "pysctp")
# What else a machine's bits follow from, where each instruction takes a nanosecond.
_MACHINES: Final = ("modules_sha256", "initramfs_sha256", "qemu")


def identity(kernel: Kernel, scenario: Scenario) -> dict[str, str]:
    """What identity holds over, besides parameters and seed: a flat mapping of names to versions and hashes.

    ``scenario_sha256`` is there for a scenario in a file of the user's own.
    """
    described = kernel.describe()
    own = own_files.digest(scenario)
    return {
        "kernel": kernel_name(kernel),
        "kernel_sha256": described.sha256 or "",
        **{name: value for name in _MACHINES if (value := getattr(described, name)) is not None},
        "code_sha256": code_sha256(),
        **({"scenario_sha256": own} if own else {}),
        **versions(),
        "cpu": cpu_model(),
    }


def versions() -> dict[str, str]:
    """The versions of the interpreter, the C library and the packages that run inside."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "libc": libc, **packages}


def kernel_name(kernel: Kernel) -> str:
    """What ``--kernel`` takes to get this kernel again, as far as a name can say."""
    if isinstance(kernel, MachineKernel):
        return kernel.fetched.name
    if not isinstance(kernel, UmlKernel):
        return kernel.kind
    path = kernel.binary.path
    for known in built():
        if known.path.resolve() == path:
            return known.name
    return DEBIAN if path.name == binary.DEBIAN else str(path)


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """One hash over all of roamlab's code that can run inside and the data that comes with it, wherever it is installed."""
    digest = hashlib.sha256()
    for path in inside_files():
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def cpu_model() -> str:
    """The processor's name as /proc/cpuinfo gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def hashes(run_dir: Path) -> dict[str, str]:
    """SHA-256 of each of the files that must be the same, as far as the run got to write them."""
    found = {}
    for name in SAME_BITS:
        if guarded.exists(run_dir, name):
            found[name] = guarded.digest(run_dir, name)
    return found


def differences(there: Mapping[str, object], here: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """What two identities don't have in common: (name, there, here), in their order."""
    names = dict.fromkeys([*there, *here])
    return [
        (name, str(there.get(name, "unknown")), str(here.get(name, "unknown")))
        for name in names
        if there.get(name) != here.get(name)
    ]
