"""Runs jobs in a User-Mode Linux guest: an ordinary process whose root is this machine's files, read-only."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels import filter as refused
from roamlab.kernels import sandbox
from roamlab.kernels.abilities import modules_for, option
from roamlab.kernels.binary import Binary
from roamlab.kernels.cpu import own_cpu
from roamlab.kernels.description import KernelDescription
from roamlab.kernels.job import Job, KernelError, OnLine, Outcome, Unsupported
from roamlab.kernels.limits import check_limits, limited
from roamlab.kernels.spin import SpinWatch
from roamlab.kernels.supervise import Launch, end_marked, no_watch, supervise
from roamlab.kernels.surroundings import SYSTEM_PATH, check_run_dir, in_memory, records
from roamlab.where import COMMAND, PACKAGE, ROOT

# Nanoseconds since 1970 at which virtual time starts: 2030-01-01, later than any file of the machine.
VIRTUAL_START_NS = 1_893_456_000_000_000_000
# The machine's files, read-only, and no device. UML's own word for a root that nobody named is the disk 98:0: before 6.5 a
# kernel without block devices takes the number for one, waits for nobody to mount it, and has no init.
HOSTFS_ROOT = ("root=none", "rootfstype=hostfs", "rootflags=/", "ro")

_KERNELS = PACKAGE / "kernels"
_INIT = Path("inside/init.py")
# Debian's kernel spends 0.85 s of its boot measuring how fast RAID and btrfs would be, and making 512 legacy
# terminals. Kernels without these parts ignore their names.
_NOT_STARTED = "init_btrfs_fs,raid6_select_algo,calibrate_xor_blocks,init_zswap,init_jfs_fs"
# A processor of 4000 BogoMIPS; nothing that roamlab uses waits in this loop.
_LOOPS_PER_S = 2_000_000_000


@dataclass(frozen=True, slots=True)
class UmlKernel:
    """A UML binary, ready to boot.

    variant    names the patch in it that changes protocol behaviour; empty for none
    patches    every patch in it, as far as known
    real_time  keep the machine's time although the binary could keep its own
    """

    binary: Binary
    variant: str = ""
    patches: tuple[str, ...] = ()
    real_time: bool = False

    @property
    def kind(self) -> str:
        """Always `uml`."""
        return "uml"

    @property
    def version(self) -> str:
        """The kernel's release."""
        return self.binary.version

    @property
    def abilities(self) -> frozenset[str]:
        """What is built in or a module that is there."""
        return self.binary.abilities

    @property
    def virtual_time(self) -> bool:
        """Whether the guest's clock is virtual: where the binary can and nobody asked for real time."""
        return self.binary.time_travel and not self.real_time

    def describe(self) -> KernelDescription:
        """What a manifest records of this kernel."""
        return KernelDescription(
            kind=self.kind,
            version=self.version,
            variant=self.variant,
            patches=tuple(self.patches),
            config_sha256=self.binary.config_sha256,
            virtual_time=self.virtual_time,
            sha256=self.binary.sha256,
            binary=self.binary.path.name,
            mode="seccomp" if self.binary.seccomp else "ptrace",
            confined=sandbox.bubblewrap() is not None,
            protection=sandbox.protection().value,
        )

    def command_line(self, job: Job, code: Path, told: Path, conductor: int = -1) -> list[str]:
        """Give the kernel's command line: the same for the same seed and memory, on every machine.

        A kernel without the lab's patches mixes it into its random pool, so that no path of a run may stand in it. The lab
        kernel, given a seed, mixes nothing in.
        """
        line = [f"mem={job.memory_mib}M", *HOSTFS_ROOT]
        line += ["con=null", "con0=fd:0,fd:1", "con1=fd:2", "umid=guest"]
        line += ["loglevel=3", "pty.legacy_count=0", f"initcall_blacklist={_NOT_STARTED}"]
        # Measuring the delay loop would cost up to 0.14 s, and would come out differently each time.
        line.append(f"lpj={_LOOPS_PER_S // int(self.binary.options.get('CONFIG_HZ', '100'))}")
        if self.binary.seccomp:
            line.append("seccomp=on")
        if self.virtual_time:
            pace = "inf-cpu" if job.conductor is None else f"ext:1:/proc/self/fd/{conductor}"
            line += [f"time-travel={pace}", f"time-travel-start={VIRTUAL_START_NS}", "norandmaps"]
            line += ["random.trust_cpu=on", "random.trust_bootloader=on", f"roamlab.seed={job.seed}"]
            if job.jitter is not None:
                line.append(f"roamlab.jitter={job.jitter}")
        # Python is the first process itself: a shell before it would cost a tenth of the boot.
        return [*line, f"init={_system_python()}", "--", "-I", "-S", str(code / _INIT), str(told)]

    def execute(self, job: Job, on_line: OnLine) -> Outcome:
        """Boot, run job.argv, power off; see roamlab.kernels.job.Kernel."""
        self._refuse(job)
        run_dir = job.run_dir.resolve()
        # The guest needs to see the first two, which are directories; what the sandbox starts is a file.
        wanted = dict.fromkeys((ROOT, Path(sys.prefix).resolve(), *job.shown))
        inside = [path for path in wanted if sandbox.hidden(path)]
        keep = [*inside, *filter(sandbox.hidden, [self.binary.path])]
        bwrap = sandbox.bubblewrap()
        told_first = records(job, inside, self._modules(job))
        written = (run_dir, *job.written)
        with ExitStack() as stack:
            cpu = stack.enter_context(own_cpu())
            fd, calls = (stack.enter_context(in_memory(data)) for data in (told_first, refused.program()))
            if bwrap is not None:
                before = sandbox.confine(bwrap, keep, _KERNELS, fd, calls, written, job.memory_mib)
                code, told = sandbox.SHOWN, sandbox.JOB
                control, memory = Path("/run/uml"), Path("/tmp")  # noqa: S108
            else:
                control, memory = stack.enter_context(_scratch(job.memory_mib))
                stack.callback(end_marked, f"uml_dir={control}")
                before = sandbox.stand_by((control, memory), written)
                code, told = _KERNELS, control / "job"
                told.write_bytes(os.pread(fd, os.fstat(fd).st_size, 0))
            command = [
                *limited(job.memory_mib, fixed_addresses=bool(sandbox.fixed_addresses())),
                *before,
                *sandbox.fixed_addresses(),
                str(self.binary.path),
                f"uml_dir={control}",
            ]
            conductor = stack.enter_context(job.conductor.serving()) if job.conductor else -1
            launch = Launch(
                command=(*command, *self.command_line(job, code, told, conductor)),
                env={"PATH": SYSTEM_PATH, "HOME": "/", "TMPDIR": str(memory), "LANG": "C.UTF-8"},
                cpu=cpu,
                fds=(fd, calls) if job.conductor is None else (fd, calls, conductor),
            )
            watch = SpinWatch(f"{control}/guest/mconsole") if self.virtual_time else no_watch
            return supervise(launch, job, on_line, watch)

    def _refuse(self, job: Job) -> None:
        """Raise for what can't work, before anything is started."""
        for need in sorted(job.needs - self.abilities):
            missing = f"{option(need)} is not in {self.binary.path.name} {self.version}"
            raise Unsupported(need, f"{missing}; build a kernel that has it with `{COMMAND} kernel`")
        check_run_dir(job.run_dir)
        check_limits(job.memory_mib)

    def _modules(self, job: Job) -> list[tuple[str, str]]:
        """What init is told of the modules to load: none where everything is built in."""
        if self.binary.modules is None:
            return []
        return [
            ("modules", str(self.binary.modules)),
            *(("module", name) for name in modules_for(job.needs)),
        ]


def _system_python() -> Path:
    """The interpreter itself, not a venv's link to it: init needs nothing of a venv."""
    return Path(sys.executable).resolve()


@contextmanager
def _scratch(memory_mib: int) -> Iterator[tuple[Path, Path]]:
    """Directories of a guest's own where there is no sandbox: for its sockets and its job, and for its memory.

    The first is not below /dev, over which a guest mounts its own before it reads its job.
    """
    with ExitStack() as stack:
        try:
            control, memory = (
                Path(
                    stack.enter_context(
                        tempfile.TemporaryDirectory(
                            prefix="roamlab-guest-", dir=directory, ignore_cleanup_errors=True
                        )
                    )
                )
                for directory in (tempfile.gettempdir(), _roomy(memory_mib))
            )
        except OSError as error:
            raise KernelError(f"no room for a guest's files: {error.strerror}") from error
        yield control, memory


def _roomy(memory_mib: int) -> str:
    """Find a directory with room for the guest's memory (a sparse file that UML unlinks at once)."""
    wanted = memory_mib << 20
    for directory in ("/dev/shm", tempfile.gettempdir(), "/var/tmp"):  # noqa: S108
        if os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= wanted:
            return directory
    raise KernelError(
        f"no room for the guest's memory: {memory_mib} MiB in /dev/shm, {tempfile.gettempdir()} or /var/tmp"
    )
