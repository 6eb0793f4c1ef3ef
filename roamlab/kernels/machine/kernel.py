"""Runs jobs on a distribution's kernel: a machine without disk or network, in virtual time."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from roamlab.kernels import sandbox
from roamlab.kernels.abilities import modules_for, option
from roamlab.kernels.cpu import own_cpu
from roamlab.kernels.description import KernelDescription
from roamlab.kernels.inside.handing import JOB
from roamlab.kernels.job import Job, KernelError, OnLine, Outcome, Unsupported
from roamlab.kernels.limits import check_limits
from roamlab.kernels.machine import cpio, initramfs, modules, qemu, results, store
from roamlab.kernels.machine.initramfs import CODE, NOTHING, ArchiveContent, Initramfs
from roamlab.kernels.machine.store import Fetched
from roamlab.kernels.supervise import Launch, supervise
from roamlab.kernels.surroundings import SYSTEM_PATH, check_run_dir, in_memory, records
from roamlab.where import COMMAND, PACKAGE, ROOT

# A run directory has another name each time, and names of another length take another time.
RUN_DIR: Final = Path("/run/lab")
# It would hold the guest's whole memory.
_NO_CORE: Final = ("prlimit", "--core=0:0")
_MODULES: Final = "/run/modules"
# QEMU carries instructions out ten to twenty times slower than UML.
_SLOWER: Final = 10.0
# What a run directory may hold before the run: its plan and the like.
_GIVEN_BYTES: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class MachineKernel:
    """A distribution's kernel, ready to boot.

    more  what its guests find besides roamlab and what that imports
    """

    fetched: Fetched
    more: ArchiveContent = NOTHING

    @property
    def kind(self) -> str:
        """Always `machine`."""
        return "machine"

    @property
    def version(self) -> str:
        """The kernel's release."""
        return self.fetched.metadata.release

    @property
    def abilities(self) -> frozenset[str]:
        """What its package's configuration has: nothing is tried."""
        return self.fetched.abilities

    @property
    def variant(self) -> str:
        """Empty: it is the distribution's, unmodified."""
        return ""

    @property
    def virtual_time(self) -> bool:
        """Always: each instruction takes a nanosecond."""
        return True

    def describe(self) -> KernelDescription:
        """What a manifest records of this kernel."""
        known = self.fetched.metadata
        listed = "".join(f"{name} {module.sha256}\n" for name, module in known.modules.items())
        return KernelDescription(
            kind=self.kind,
            version=self.version,
            variant=self.variant,
            virtual_time=self.virtual_time,
            distribution=known.name,
            packages=tuple(f"{package.name} {package.version}" for package in known.packages),
            sha256=known.kernel_sha256,
            config_sha256=known.config_sha256,
            modules_sha256=hashlib.sha256(listed.encode()).hexdigest(),
            initramfs_sha256=self._files().sha256,
            qemu=qemu.version(),
            kernel_words=" ".join(qemu.KERNEL_WORDS),
            confined=sandbox.bubblewrap() is not None,
            protection=sandbox.protection().value,
        )

    def execute(self, job: Job, on_line: OnLine) -> Outcome:
        """Boot, run job.argv, take the results, end; see roamlab.kernels.job.Kernel."""
        self._refuse(job)
        memory = qemu.Memory.of(job.memory_mib)
        argv = tuple(_inside(argument, job.run_dir) for argument in job.argv)
        files = self._files(job.modules).path.read_bytes() + self._own(
            replace(job, argv=argv, imports=(), pycache=None), memory
        )
        with own_cpu() as cpu, _memory(memory.octets) as ram, in_memory(files) as initrd:
            code = PACKAGE / "kernels" / "inside" / "machine.pyc"
            init = ("/usr/bin/python3", "-I", "-S", initramfs.inside(code))
            command = qemu.command(self.fetched.kernel, memory, ram, initrd, job.seed, init)
            launch = Launch(
                command=(*self._confinement(), *_NO_CORE, *command),
                env={"PATH": SYSTEM_PATH, "HOME": "/", "LANG": "C.UTF-8"},
                cpu=cpu,
                fds=(ram, initrd),
            )
            outcome = supervise(launch, replace(job, limit_s=job.limit_s * _SLOWER), on_line)
            if outcome.reason:
                return outcome
            reason = results.take(ram, memory.window, results.ROOM, job.run_dir)
            return replace(outcome, status=outcome.status or 1, reason=reason) if reason else outcome

    def _files(self, modules: tuple[str, ...] = ()) -> Initramfs:
        more = replace(self.more, modules=(*self.more.modules, *modules))
        return initramfs.ready(store.machines_dir() / store.FILES, more)

    def _confinement(self) -> tuple[str, ...]:
        bwrap = sandbox.bubblewrap()
        if bwrap is None:
            return sandbox.stand_by()
        return sandbox.shut_in(bwrap, [path for path in (self.fetched.kernel,) if sandbox.hidden(path)])

    def _refuse(self, job: Job) -> None:
        """Raise for what can't work, before anything is started."""
        if not self.fetched.intact:
            raise KernelError(
                f"the kernel {self.fetched.name} in the cache is damaged; fetch it again with "
                f"`{COMMAND} kernel --distribution {self.fetched.name}`"
            )
        for need in sorted(job.needs - self.abilities):
            missing = f"{option(need)} is not in {self.fetched.name} {self.version}"
            raise Unsupported(
                need, f"{missing}; use another kernel, `{COMMAND} kernel --list` shows those that are here"
            )
        check_run_dir(job.run_dir)
        check_limits(qemu.Memory.of(job.memory_mib).size)
        # What it imports and its bytecode come along in the archive; what else is to be seen there cannot.
        if set(job.shown) - {*job.imports, job.pycache} or job.written:
            raise KernelError(
                f"a guest of {self.fetched.name} sees none of this machine's files; use --kernel uml"
            )
        programs = {str(path) for path in (initramfs.python(), *self.more.programs)}
        if _inside(job.argv[0], job.run_dir) not in programs:
            raise KernelError(
                f"{job.argv[0]} can't be run on {self.fetched.name}: its guests have Python and roamlab, "
                "and none of this machine's programs; use --kernel uml"
            )

    def _own(self, job: Job, memory: qemu.Memory) -> bytes:
        """Make the archive of what this job alone needs: its modules, what it is told, and what its run directory holds."""
        order = modules.in_order(modules_for(job.needs), self.fetched.metadata.modules)
        entries: dict[str, cpio.Entry] = {
            f"{_MODULES}/{name}.ko": self.fetched.module(name) for name in order
        }
        entries[str(RUN_DIR)] = None
        for path, content in _given(job.run_dir):
            entries[f"{RUN_DIR}/{path}"] = content
        told = [
            ("env", f"PYTHONPATH={CODE}"),
            ("window_of_results", f"{memory.window} {results.ROOM}"),
            *(("module", f"{_MODULES}/{name}.ko") for name in order),
        ]
        entries[JOB] = records(replace(job, run_dir=RUN_DIR), (), told)
        return cpio.archive(entries)


def _inside(argument: str, run_dir: Path) -> str:
    """Say an argument as the inside has to: paths of run directory, interpreter and code are others there."""
    if argument == sys.executable:
        return str(initramfs.python())
    path = Path(argument)
    if not path.is_absolute():
        return argument
    for top in (run_dir, run_dir.resolve()):
        if path.is_relative_to(top):
            return str(RUN_DIR / path.relative_to(top))
    return initramfs.inside(path) if path.is_relative_to(ROOT) else argument


def _given(run_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Give the plain files that a run directory holds before the run, by their path below it.

    Not the hidden ones: roamlab's mark names the directory, and a longer name takes longer to unpack.
    """
    room = _GIVEN_BYTES
    for path in sorted(run_dir.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(run_dir).parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            content = path.read_bytes()
            room -= len(content)
            if room < 0:
                raise KernelError(f"{run_dir} holds more than {_GIVEN_BYTES >> 20} MiB before the run")
            yield str(path.relative_to(run_dir)), content


@contextmanager
def _memory(octets: int) -> Iterator[int]:
    """Give a descriptor to that much empty memory."""
    fd = os.memfd_create("roamlab-machine")
    try:
        os.ftruncate(fd, octets)
        yield fd
    finally:
        os.close(fd)
