"""Any program of the machine's on a node: started, fed, listened to, ended. Nobody wrote it for roamlab.

    server = lab.correspondent.run("nginx -g 'daemon off;'", ready=80)
    client = lab.mobile.run(["curl", "http://cn/"])

The programs of a node share a private root (roamlab/linux/private_root.py) and the node's network namespace.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, Protocol

from roamlab.errors import LabError
from roamlab.lab.clock import Clock
from roamlab.lab.surroundings import come_of_age, environment, files
from roamlab.linux import private_root
from roamlab.linux.libc import be_scheduled_as_any_other, die_with_parent
from roamlab.linux.namespace import Namespace, enter
from roamlab.record.event import Event
from roamlab.record.program_events import (
    ProgramEnded,
    ProgramGiven,
    ProgramReady,
    ProgramSaid,
    ProgramsOver,
    ProgramStarted,
    Stream,
)

if TYPE_CHECKING:
    from roamlab.transports.base import Readable

KEPT: Final = "written"
"""The directory of the run that programs of every node write as `RESULTS`."""
RESULTS: Final = Path("/run/results")
_WRITES: Final = {"SSLKEYLOGFILE": f"{RESULTS}/tls-keys", "QLOGDIR": str(RESULTS)}
"""Where programs that can do so leave the secrets of their TLS sessions, and logs of QUIC."""
Ready = int | str | None
"""What a program is waited for: a port that it listens on, a pattern of what it says, or None for any socket that listens."""
_PIECE: Final = 1 << 16
_TOLD: Final = 200  # characters of what a program says that stand in its event
_READY_NS: Final = 20 * 10**9
_STEP_NS: Final = 50_000_000
_END_NS: Final = 2 * 10**9
_SHELL: Final = frozenset({"for", "while", "until", "if", "case", "cd", "(", "{", "set", "sleep", "exec"})
_TABLES: Final = ("tcp", "tcp6", "udp", "udp6", "sctp/eps")
_LISTENS: Final = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}


class ProgramPlace(Protocol):
    """What programs need to know of the network that they run in.

    ``directory`` is where they start; they see it as it is, even below /tmp and the like.
    """

    directory: Path

    def namespace(self, node: str) -> Namespace:
        """A node's network namespace. Raises LabError for one that does not exist."""

    def names(self) -> Mapping[str, str]:
        """Every address and whose it is."""

    @property
    def run_dir(self) -> Path:
        """Where programs' output goes."""


@dataclass(slots=True)
class Program:
    """A program that was started. ``status`` is None while it runs, and -N where signal N ended it."""

    name: str
    node: str
    pid: int
    stdin: int
    status: int | None = None
    said: dict[Stream, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    ended_by_lab: bool = False


class Programs:
    """All programs of a run. ``record`` takes their events."""

    def __init__(self, place: ProgramPlace, clock: Clock, record: Callable[[Event], None]) -> None:
        self._place = place
        self._clock = clock
        self._record = record
        self._roots: dict[str, Path] = {}
        self._programs: dict[str, Program] = {}
        self._readers: dict[Readable, Callable[[], None]] = {}
        self._files: dict[tuple[str, Stream], BinaryIO] = {}
        self._bound: dict[str, frozenset[tuple[str, int]]] = {}

    def readers(self) -> Mapping[Readable, Callable[[], None]]:
        """What to wait on, and what to call when it can be read."""
        return self._readers

    def run(
        self,
        node: str,
        words: str | Sequence[str],
        *,
        name: str = "",
        env: Mapping[str, str] | None = None,
        fed: bool = False,
    ) -> Program:
        """Start a program on a node. ``words`` as one text are a shell's. ``fed`` leaves its standard input open for more."""
        argv = (
            ("sh", "-c", f"exec {words}" if _is_simple(words) else words)
            if isinstance(words, str)
            else tuple(words)
        )
        called = self._name(name or _named(words))
        come_of_age()
        self._bound[node] = self._sockets(node)
        root = self._root(node)
        ends = {stream: os.pipe() for stream in ("stdin", "stdout", "stderr")}
        namespace = self._place.namespace(node).fd
        child = os.fork()
        if child == 0:
            standard = (ends["stdin"][0], ends["stdout"][1], ends["stderr"][1])
            _become(
                argv,
                root,
                self._place.directory,
                namespace,
                standard,
                environment({**_WRITES, **(env or {})}),
            )
        for fd in (ends["stdin"][0], ends["stdout"][1], ends["stderr"][1]):
            os.close(fd)
        program = self._programs[called] = Program(called, node, child, ends["stdin"][1])
        streams: tuple[Stream, Stream] = ("stdout", "stderr")
        for stream in streams:
            self._files[called, stream] = (self._place.run_dir / f"{called}.{stream}").open("wb", buffering=0)
            source = _Source(ends[stream][0])
            self._readers[source] = partial(self._hear, program, stream, source)
        end = _Source(os.pidfd_open(child))
        self._readers[end] = partial(self._over, program, end)
        if not fed:
            self.close_input(program)
        shown = (words,) if isinstance(words, str) else argv
        self._record(ProgramStarted(node=node, program=called, words=shown))
        return program

    def await_ready(self, program: Program, ready: Ready) -> None:
        """Wait until a program is ready, 20 s at the most. Raises LabError where it isn't, or ended instead."""
        deadline = self._clock.now_ns() + _READY_NS
        while not (by := self._is_ready(program, ready)):
            if program.status is not None and not self._sockets(program.node) - self._bound[program.node]:
                last = program.said["stderr"].decode("utf-8", "replace").strip().splitlines()
                raise LabError(
                    f"{program.name} on {program.node} ended with status {program.status} before it was ready"
                    + (f"; it said: {last[-1]}" if last else "")
                )
            now = self._clock.now_ns()
            if now >= deadline:
                what = (
                    f"port {ready}"
                    if isinstance(ready, int)
                    else repr(ready)
                    if ready
                    else "a socket that listens"
                )
                raise LabError(
                    f"{program.name} on {program.node} was not ready within 20 s: there was no {what}; "
                    "say with --ready which port or what line to wait for"
                )
            self._attend(min(deadline, now + _STEP_NS))
        self._record(ProgramReady(node=program.node, program=program.name, by=by))

    def feed(self, program: Program, text: str | bytes) -> None:
        """Write to a program's standard input; nothing where it is closed."""
        data = text.encode() if isinstance(text, str) else text
        if program.stdin < 0:
            return
        try:
            os.write(program.stdin, data)
        except BrokenPipeError:
            self.close_input(program)
            return
        self._record(ProgramGiven(node=program.node, program=program.name, size=len(data)))

    def close_input(self, program: Program) -> None:
        """Let a program read to the end of its standard input."""
        if program.stdin >= 0:
            os.close(program.stdin)
            program.stdin = -1

    def kill(self, program: Program, signum: int = signal.SIGTERM) -> None:
        """Send a signal to a program and what it started."""
        if program.status is None:
            program.ended_by_lab = True
            with suppress(ProcessLookupError):  # it has just ended by itself, and was not waited for yet
                os.killpg(program.pid, signum)

    def stop(self) -> None:
        """End what still runs: with SIGTERM, and two seconds later with SIGKILL."""
        self._record(ProgramsOver(node="lab"))
        for signum in (signal.SIGTERM, signal.SIGKILL):
            running = [program for program in self._programs.values() if program.status is None]
            for program in running:
                self.kill(program, signum)
            deadline = self._clock.now_ns() + _END_NS
            while any(program.status is None for program in running) and self._clock.now_ns() < deadline:
                self._attend(deadline)
        while self._attend(self._clock.now_ns()):
            pass
        for file in self._files.values():
            file.close()
        with suppress(OSError):  # it stays where something was written, and is not there where no program ran
            self._results.rmdir()

    def _attend(self, until_ns: int) -> bool:
        """Wait for what programs say and do; tells whether there was anything."""
        ready = self._clock.wait(self._readers, until_ns)
        for source in ready:
            if source in self._readers:
                self._readers[source]()
        return bool(ready)

    # -- what comes from programs ----------------------------------------------------------------------------------------

    def _hear(self, program: Program, stream: Stream, source: _Source) -> None:
        data = os.read(source.fd, _PIECE)
        if not data:
            self._forget(source)
            return
        self._files[program.name, stream].write(data)
        program.said[stream] = (program.said[stream] + data)[-_PIECE:]
        text = data[: 4 * _TOLD].decode("utf-8", "replace")[:_TOLD]
        self._record(
            ProgramSaid(node=program.node, program=program.name, stream=stream, size=len(data), text=text)
        )

    def _over(self, program: Program, source: _Source) -> None:
        self._forget(source)
        program.status = os.waitstatus_to_exitcode(os.waitpid(program.pid, 0)[1])
        self.close_input(program)
        self._record(
            ProgramEnded(
                node=program.node, program=program.name, status=program.status, by_lab=program.ended_by_lab
            )
        )

    def _forget(self, source: _Source) -> None:
        del self._readers[source]
        os.close(source.fd)

    # -- readiness -------------------------------------------------------------------------------------------------------

    def _is_ready(self, program: Program, ready: Ready) -> str:
        """What shows that a program is ready, in words; empty while nothing does."""
        if isinstance(ready, str):
            said = b"\n".join(program.said.values()).decode("utf-8", "replace")
            return f"said {ready!r}" if re.search(ready, said) else ""
        fresh = self._sockets(program.node) - self._bound[program.node]
        listening = (
            sorted(fresh)
            if ready is None
            else sorted(s for s in self._sockets(program.node) if s[1] == ready)
        )
        return f"listens on {listening[0][0]} port {listening[0][1]}" if listening else ""

    def _sockets(self, node: str) -> frozenset[tuple[str, int]]:
        """Transport and port of every socket on a node that others can talk to."""
        found = set()
        with self._place.namespace(node).entered():
            for table in _TABLES:
                path = Path("/proc/thread-self/net") / table
                for line in path.read_text().splitlines()[1:] if path.exists() else []:
                    fields = line.split()
                    if table == "sctp/eps":
                        found.add(("sctp", int(fields[5])))
                    elif fields[3] == _LISTENS[table]:
                        found.add((table.rstrip("6"), int(fields[1].rpartition(":")[2], 16)))
        return frozenset(found)

    # -- what programs stand in ------------------------------------------------------------------------------------------

    def _root(self, node: str) -> Path:
        if node not in self._roots:
            self._results.mkdir(exist_ok=True)
            place = Path("/run/roots") / node
            place.mkdir(parents=True)
            self._roots[node] = private_root.make(
                place,
                files(node, self._place.names()),
                own=[self._place.directory],
                written=[self._place.run_dir],
                named={RESULTS: self._results},
            )
        return self._roots[node]

    @property
    def _results(self) -> Path:
        return self._place.run_dir / KEPT

    def _name(self, wanted: str) -> str:
        number = 2
        name = wanted
        while name in self._programs:
            name, number = f"{wanted}-{number}", number + 1
        return name


@dataclass(frozen=True, slots=True)
class _Source:
    """A descriptor to wait on."""

    fd: int

    def fileno(self) -> int:
        return self.fd


def _is_simple(words: str) -> bool:
    """Whether a text is one program's command line, which the shell need not stay for."""
    try:
        parts = shlex.split(words)
    except ValueError:
        return False
    return bool(parts) and "=" not in parts[0] and not re.search(r"[;&|<>(){}\n`]|\$\(", words)


def _named(words: str | Sequence[str]) -> str:
    """What to call a program: its file's name."""
    parts: Sequence[str] = words
    if isinstance(words, str):
        last = re.findall(r"\bexec\s+(.*)", words)
        parts = (last[-1] if last else words).split()
    named = [part for part in parts if "=" not in part]
    if named and named[0] in _SHELL:
        return "sh"
    return re.sub(r"[^\w.-]", "", Path(named[0] if named else "program").name).lstrip(".-") or "program"


def _become(
    argv: Sequence[str],
    root: Path,
    directory: Path,
    namespace: int,
    standard: Sequence[int],
    env: Mapping[str, str],
) -> NoReturn:
    """Become a program; never returns."""
    try:
        die_with_parent(signal.SIGKILL)
        be_scheduled_as_any_other()
        for number, fd in enumerate(standard):
            os.dup2(fd, number)
        enter(namespace)
        private_root.enter(root)
        os.setsid()
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for signum in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ):
            signal.signal(signum, signal.SIG_DFL)
        os.umask(0o022)
        os.chdir(directory)
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606
    except OSError as error:
        os.write(2, f"lab: cannot run {argv[0]}: {error.strerror}\n".encode())
    except BaseException:  # the last frame of a process
        traceback.print_exc()
    finally:
        os._exit(127)
