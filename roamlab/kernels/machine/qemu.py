"""QEMU's command line: a PC of one processor whose clock counts instructions, with nothing on it but two serial lines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from roamlab.kernels.job import KernelError, KernelMissing
from roamlab.kernels.machine.results import ROOM

PROGRAM: Final = "qemu-system-x86_64"
_ASK_S = 60.0
_MIB: Final = 1 << 20
# QEMU puts its tables at the end of memory.
_TABLES_MIB: Final = 1
# The files in memory, and the copy of them that the kernel unpacks.
_FILES_MIB: Final = 96
# Linux keeps the memory behind its own for itself, up to a multiple of this (e820__reserve_resources_late).
_ALIGNED_MIB: Final = 64
# Below this, memory is one piece.
_MOST_MIB: Final = 3000
# An old processor with what seeds the kernel's generator: newer ones have wider registers, which cost QEMU more than they save.
_PROCESSOR: Final = "Nehalem,+rdrand"
# Each measures this machine, or tests what the distribution has tested; kernels without these parts ignore their names.
_NOT_STARTED: Final = "init_btrfs_fs,raid6_select_algo,calibrate_xor_blocks,init_zswap,init_jfs_fs"
KERNEL_WORDS: Final = (
    "console=ttyS0",
    "loglevel=3",
    "panic=-1",
    "reboot=t",
    "norandmaps",
    "nokaslr",
    "mitigations=off",
    "cryptomgr.notests",
    "tsc=reliable",
    "random.trust_cpu=on",
    "random.trust_bootloader=on",
    f"initcall_blacklist={_NOT_STARTED}",
)
"""What the kernel is told, besides how much memory it has and what its first process is."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A guest's memory: `size` MiB, of which Linux gets the first `linux`; results are handed out behind them."""

    linux: int

    @classmethod
    def of(cls, wanted_mib: int) -> Memory:
        """Give the memory for a job; raises KernelError for more than there can be."""
        if wanted_mib + _FILES_MIB + _ALIGNED_MIB + ROOM // _MIB + _TABLES_MIB > _MOST_MIB:
            raise KernelError(f"a guest of QEMU can't have {wanted_mib} MiB of memory: {_MOST_MIB} in all")
        return cls(-(-(wanted_mib + _FILES_MIB) // _ALIGNED_MIB) * _ALIGNED_MIB)

    @property
    def size(self) -> int:
        """All of it, in MiB."""
        return self.linux + ROOM // _MIB + _TABLES_MIB

    @property
    def octets(self) -> int:
        """All of it, in octets."""
        return self.size * _MIB

    @property
    def window(self) -> int:
        """Where results are handed out, in octets from its beginning."""
        return self.linux * _MIB


def program() -> str:
    """Find QEMU; raises KernelMissing."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise KernelMissing(
            f"{PROGRAM} is not installed; install it with: apt-get install --no-install-recommends qemu-system-x86 seabios"
        )
    return found


def version() -> str:
    """Ask QEMU for its version, its package's included; raises KernelMissing."""
    path = program()
    return _version(path, os.stat(path).st_mtime_ns)  # noqa: PTH116


@lru_cache(maxsize=4)
def _version(path: str, _mtime_ns: int) -> str:
    try:
        said = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelMissing(f"{path} does not run: {error}") from error
    found = re.search(r"version (\S+(?: \([^)]*\))?)", said)
    return found[1] if found else said.strip().partition("\n")[0]


def command(
    kernel: Path, memory: Memory, ram: int, initrd: int, seed: int, init: tuple[str, ...]
) -> list[str]:
    """Give the command that boots a kernel.

    kernel        the file to boot
    ram, initrd   descriptors of files in memory: the guest's memory, and what it finds in it
    seed          what everything random in the machine follows from
    init          the first process and its arguments

    Standard input and output are the console, standard error is the control channel.
    """
    words = (*KERNEL_WORDS, f"mem={memory.linux}M", f"rdinit={init[0]}", "--", *init[1:])
    backend = f"memory-backend-file,id=ram,size={memory.size}M,mem-path=/proc/self/fd/{ram},share=on"
    return [
        *(program(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"),
        *("-seed", str(seed % 2**32), "-rtc", "base=2030-01-01,clock=vm"),
        *("-cpu", _PROCESSOR, "-smp", "1", "-m", f"{memory.size}M", "-object", backend),
        *("-machine", "pc,hpet=off,usb=off,vmport=off,memory-backend=ram"),
        *("-kernel", str(kernel), "-initrd", f"/proc/self/fd/{initrd}", "-append", " ".join(words)),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-chardev", "socket,id=control,fd=2", "-serial", "chardev:control"),
    ]
