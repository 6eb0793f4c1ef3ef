"""Picks the kernel that the user asked for, or the best one here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from roamlab.kernels import sandbox
from roamlab.kernels.binary import debian, inspect
from roamlab.kernels.build.recipes import variants
from roamlab.kernels.build.store import BuiltKernel, built, kernels_dir, matches
from roamlab.kernels.job import Kernel, KernelMissing, NotPermitted
from roamlab.kernels.machine import fetch, image, store
from roamlab.kernels.machine.kernel import MachineKernel
from roamlab.kernels.native import native
from roamlab.kernels.uml import UmlKernel
from roamlab.where import COMMAND

DEBIAN = "debian"
NATIVE = "native"
UML = "uml"
_DAMAGED: Final = f"the lab kernel {{}} in the cache is damaged; build it again with `{COMMAND} kernel`"
_VERSION: Final = re.compile(r"(\d+(\.\d+)*)?")


def select(choice: str | None) -> Kernel:
    """Give the kernel for a choice.

    `native`         this machine's own
    `uml`            the newest unmodified lab kernel that was built, otherwise Debian's
    `debian`         Debian's UML, whatever else there is
    a name           of a lab kernel that was built: its version, or a series (6.1: its newest), with `+VARIANT` for one;
                     a variant's alone: the newest kernel's
    `debian-12`...   a distribution's kernel that was fetched (roamlab/kernels/machine/fetch.py), unmodified, in QEMU
    a path           of any UML binary, or of an x86-64 kernel image (vmlinuz) that has its modules beside it
    None             a lab kernel; without one this machine's own, if we are root and it has SCTP; else Debian's

    Raises KernelMissing, NotAKernel or NotPermitted, each with one sentence.
    """
    if choice == NATIVE:
        return native()
    if choice == DEBIAN:
        return UmlKernel(inspect(debian()))
    if choice is None or choice == UML:
        for kernel in lab_kernels():
            if not kernel.metadata.variant:
                return _lab(kernel)
        if choice == UML and (broken := _damaged()):
            raise KernelMissing(_DAMAGED.format(broken[0].name))
        return native() if choice is None and _own_kernel_does() else UmlKernel(inspect(debian()))
    for kernel in built():
        if choice == kernel.name or Path(choice).absolute() == kernel.path:
            return _lab(kernel)
    if choice in fetch.DISTRIBUTIONS:
        return _distribution(choice)
    if "/" in choice or Path(choice).is_file():
        if image.is_one(Path(choice)):
            return MachineKernel(fetch.given(Path(choice)))
        return UmlKernel(inspect(Path(choice)))
    known = variants()
    version, _, variant = ("", "", choice) if choice in known else choice.partition("+")
    if not _VERSION.fullmatch(version) or variant not in {"", *known}:
        raise KernelMissing(
            f"there is no kernel {choice!r}; give `native`, `debian`, `uml`, the path of a UML binary or of a vmlinuz, "
            f"{', '.join(f'`{name}`' for name in fetch.DISTRIBUTIONS)}, "
            f"or a lab kernel's name or variant (`{COMMAND} kernel --list`)"
        )
    return _lab(_of_series(version, variant))


def remarks(choice: str | None, kernel: Kernel) -> tuple[str, ...]:
    """What a person should know of the kernel that a choice gave: that it isn't the exact one, what protection is missing."""
    said = []
    if choice in (None, UML) and not kernel.virtual_time:
        own = "this machine's own kernel" if kernel.kind == NATIVE else "Debian's kernel"
        broken = _damaged()
        why = (
            f"the lab kernel {broken[0].name} in the cache is damaged"
            if broken
            else f"no lab kernel is in the cache ({kernels_dir()})"
        )
        said.append(f"{why}: this runs on {own}, in real time; `{COMMAND} kernel` builds one with exact time")
    if isinstance(kernel, UmlKernel) and (lack := sandbox.LACKING[sandbox.protection()]):
        said.append(lack)
    return tuple(said)


def _damaged() -> list[BuiltKernel]:
    """The unmodified lab kernels in the cache that are not what was built."""
    return [kernel for kernel in built() if not kernel.metadata.variant and not kernel.intact]


def lab_kernels() -> list[BuiltKernel]:
    """List the lab kernels in the cache that are whole, newest first."""
    return [kernel for kernel in built() if kernel.intact]


def _of_series(version: str, variant: str) -> BuiltKernel:
    """Give the newest lab kernel of a series and variant; raises KernelMissing with the command that builds it."""
    for kernel in built():
        if kernel.metadata.variant == variant and matches(kernel.metadata.version, version):
            return kernel
    build = (
        f"{COMMAND} kernel"
        + (f" --version {version}" if version else "")
        + (f" --variant {variant}" if variant else "")
    )
    raise KernelMissing(
        f"there is no such lab kernel in the cache (`{COMMAND} kernel --list` shows what is there); build it with `{build}`"
    )


def _lab(kernel: BuiltKernel) -> UmlKernel:
    if not kernel.intact:
        raise KernelMissing(_DAMAGED.format(kernel.name))
    patches = tuple(kernel.metadata.patches)
    return UmlKernel(inspect(kernel.path), variant=kernel.metadata.variant, patches=patches)


def _distribution(name: str) -> MachineKernel:
    """Give a distribution's kernel; raises KernelMissing with the command that fetches it."""
    for kernel in store.fetched():
        if kernel.name == name:
            return MachineKernel(kernel)
    raise KernelMissing(
        f"the kernel of {name} is not in the cache; fetch it with `{COMMAND} kernel --distribution {name}`"
    )


def _own_kernel_does() -> bool:
    """Whether this machine's kernel has SCTP and lets us make namespaces as root: then it is the nearest."""
    if os.geteuid() != 0:
        return False
    try:
        return "sctp" in native().abilities
    except NotPermitted:
        return False
