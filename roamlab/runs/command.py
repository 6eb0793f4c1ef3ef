"""Runs any command of this machine's in a fresh guest: the outside of `./lab exec`."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import Final

from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Job, Kernel, Outcome
from roamlab.linux.private_root import hidden
from roamlab.record.command import COMMAND, SAID, STDERR, STDIN, STDOUT, Command
from roamlab.record.identity import kernel_name
from roamlab.record.manifest import CommandManifest
from roamlab.record.run_directory import CAPTURE, MANIFEST, RunDirectory
from roamlab.registry import nearest
from roamlab.runs import bytecode
from roamlab.runs.orchestrator import BASICS
from roamlab.topologies import TOPOLOGIES

COMPARED: Final = (STDOUT, STDERR, CAPTURE)
"""The files that a repeat must have in common with the first run, where there are any."""
_PIECE: Final = 1 << 16
_MEMORY_MIB: Final = 512
_NEEDS: Final = frozenset({"netns", "overlay"})
OnSaid = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked to be run.

    argv      the command as it was written
    env       what its environment has besides PATH, HOME and the like
    topology  a network, by name, or nothing; node is where in it the command runs
    kept      a directory that the command really writes, or None
    results   another one, for what the caller reads and the replay line need not name
    seed      what everything random follows from
    jitter    what the price of system calls follows from, or None
    memory    MiB; limit_s is wall time
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    topology: str = ""
    node: str = ""
    kept: Path | None = None
    results: Path | None = None
    seed: int = 1
    jitter: int | None = None
    memory_mib: int = _MEMORY_MIB
    limit_s: float = 3600.0

    def replay(self, kernel: str) -> str:
        """The command line that does this again."""
        words = ["./lab", "exec", "--kernel", kernel, "--seed", str(self.seed)]
        words += ["--jitter", str(self.jitter)] if self.jitter is not None else []
        words += ["--topology", self.topology] if self.topology else []
        words += ["--on", self.node] if self.node else []
        words += ["--memory", str(self.memory_mib)] if self.memory_mib != _MEMORY_MIB else []
        words += [word for name, value in self.env.items() for word in ("--env", f"{name}={value}")]
        words += ["--keep", str(self.kept)] if self.kept else []
        return shlex.join([*words, "--", *self.argv])


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a command.

    status  its exit status, or that of the lab where it did not come to one; reason says why not, or is empty
    hashes  SHA-256 of what it said and of the capture, by file
    """

    run_dir: Path
    status: int
    reason: str
    wall_s: float
    hashes: Mapping[str, str]

    @property
    def print(self) -> tuple[object, ...]:
        """What two runs that are the same have in common."""
        return self.status, self.reason, tuple(sorted(self.hashes.items()))


def execute(
    request: Request,
    kernel: Kernel,
    *,
    runs: Path,
    stdin: bytes = b"",
    terminal: bool = False,
    on_said: OnSaid = lambda _name, _data: None,
) -> Ran:
    """Run a command in a guest of its own, with ``stdin`` as its standard input; what it says goes to ``on_said`` as it comes.

    With ``terminal`` it has ours instead. Raises BadInput for what does not exist, KernelError where the kernel can't.
    """
    program = _program(request)
    own = [path for path in dict.fromkeys([Path.cwd(), Path(program).parent]) if hidden(path)]
    kept = list(_kept(request))
    directory = RunDirectory.create(runs, "exec")
    with directory.held():
        (directory.path / STDIN).write_bytes(stdin)
        command = Command(
            argv=(program, *request.argv[1:]),
            cwd=str(Path.cwd()),
            env=dict(request.env),
            topology=request.topology,
            node=request.node,
            own=tuple(map(str, own)),
            written=tuple(map(str, [directory.path, *kept])),
            terminal=terminal,
        )
        directory.write(COMMAND, command)
        start = bytecode.prepare()
        job = Job(
            argv=start.module("roamlab.lab.command", str(directory.path)),
            run_dir=directory.path,
            seed=request.seed,
            memory_mib=request.memory_mib,
            limit_s=request.limit_s,
            needs=_NEEDS | (BASICS if request.topology else frozenset()),
            interactive=terminal,
            shown=(*own, *start.imports, start.pycache),
            imports=start.imports,
            pycache=start.pycache,
            written=tuple(kept),
            jitter=request.jitter,
        )
        with _listener(directory.path, on_said) as heard:
            outcome = kernel.execute(job, heard)
        ran = _ran(directory, outcome)
        directory.write(MANIFEST, _manifest(request, kernel, ran))
    return ran


def checked(request: Request) -> Request:
    """The request with its program by its path. Raises BadInput where there is none."""
    return replace(request, argv=(_program(request), *request.argv[1:]))


def _program(request: Request) -> str:
    """The program by its path, where it can be found here; the guest has the same files. Raises BadInput."""
    if not request.argv:
        raise BadInput("there is no command to run; write it after --, as in ./lab exec -- ip address")
    if request.topology and request.topology not in TOPOLOGIES:
        raise BadInput(f"there is no topology {request.topology!r}{nearest(request.topology, TOPOLOGIES)}")
    if request.node and not request.topology:
        raise BadInput("--on names a node of a topology; say which with --topology")
    name = request.argv[0]
    if "/" in name:
        found = Path(name).absolute()
        if not found.is_file():
            raise BadInput(f"there is no program {name}")
        return str(found)
    # /usr/sbin is not on everybody's path, and what lies there is for root, which one is inside.
    found_here = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found_here is None:
        raise BadInput(f"there is no program {name!r} on this machine")
    return os.path.abspath(found_here)  # noqa: PTH100 - a virtual environment's python is a link that must stay one


def _kept(request: Request) -> Iterator[Path]:
    if request.results is not None:
        yield request.results.resolve()
    if request.kept is not None:
        if not request.kept.is_dir() or not os.access(request.kept, os.W_OK):
            raise BadInput(f"--keep {request.kept} is not a writable directory; create it first")
        yield request.kept.resolve()


@contextmanager
def _listener(run_dir: Path, on_said: OnSaid) -> Iterator[Callable[[str], None]]:
    """What takes the inside's lines, and passes on what the command has said as soon as one of them tells of it."""
    with ExitStack() as stack:
        files: dict[str, BufferedReader] = {}

        def heard(line: str) -> None:
            if not line.startswith(SAID):
                return
            name, _, count = line.removeprefix(SAID).partition(" ")
            if name not in (STDOUT, STDERR) or not count.isdecimal():
                return
            if name not in files:
                files[name] = stack.enter_context(_open(run_dir / name))
            left = int(count)
            while left > 0 and (data := files[name].read(min(left, _PIECE))):
                on_said(name, data)
                left -= len(data)

        yield heard


def _open(path: Path) -> BufferedReader:
    """Open what a guest wrote; a link that it put there instead is not followed. Raises LabError."""
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise LabError(f"what the command said cannot be read from {path}: {error.strerror}") from None


def _ran(directory: RunDirectory, outcome: Outcome) -> Ran:
    status, reason = outcome.status, outcome.reason
    failed = "roamlab: failed: "
    said = [line.removeprefix(failed) for line in outcome.console_tail if line.startswith(failed)]
    if not reason and said and outcome.step != "command":
        reason = said[-1]
    if reason and status < 128:
        status = max(status, BadInput.status) if said else LabError.status
    hashes = {}
    for name in COMPARED:
        if (directory.path / name).exists():
            with _open(directory.path / name) as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return Ran(directory.path, status, reason, outcome.wall_s, hashes)


def _manifest(request: Request, kernel: Kernel, ran: Ran) -> CommandManifest:
    name = kernel_name(kernel)
    return CommandManifest(
        argv=request.argv,
        seed=request.seed,
        jitter=request.jitter,
        kernel=kernel.describe(),
        status=ran.status,
        reason=ran.reason,
        sha256=dict(ran.hashes),
        wall_s=round(ran.wall_s, 3),
        ended=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        replay=request.replay(name),
    )


def differences(first: Ran, other: Ran) -> list[str]:
    """In what two runs of the same command differ; nothing where they are the same."""
    found: list[str] = []
    if (first.status, first.reason) != (other.status, other.reason):
        found.append(f"exit status {other.status} instead of {first.status}")
    changed = [name for name in COMPARED if first.hashes.get(name) != other.hashes.get(name)]
    return found + [f"{name}: {_where(first.run_dir / name, other.run_dir / name)}" for name in changed]


def _where(one: Path, other: Path) -> str:
    """Where two files part."""
    if not (one.exists() and other.exists()):
        return "one run has none"
    place = 0
    with _open(one) as a, _open(other) as b:
        while True:
            left, right = a.read(_PIECE), b.read(_PIECE)
            if left != right:
                same = next((n for n, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), None)
                return (
                    f"differs from byte {place + (min(len(left), len(right)) if same is None else same)} on"
                )
            if not left:
                return "is the same"
            place += len(left)


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as an environment. Raises BadInput for one without a name."""
    read = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise BadInput(f"--env {text} is not NAME=VALUE")
        read[name] = value
    return read


def span(text: str, option: str) -> range:
    """``A-B`` as the numbers from A to B. Raises BadInput."""
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise BadInput(f"{option} {text!s} is not a range of numbers; write it like {option} 1-20")
    numbers = range(int(first), int(last or first) + 1)
    if not numbers:
        raise BadInput(f"{option} {text} holds no number; the smaller one comes first")
    return numbers
