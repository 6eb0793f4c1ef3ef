"""Starts the process that a run lives in, listens to it, and ends it when it must."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from roamlab.kernels.console import Lines, Progress
from roamlab.kernels.cpu import pinned
from roamlab.kernels.job import Job, OnLine, Outcome
from roamlab.kernels.limits import CONSOLE_LIMIT, RoomWatch
from roamlab.kernels.terminal import Terminal
from roamlab.record import guarded

CONSOLE_LOG = "console.log"
_TICK_S = 0.25
_GONE_S = 120.0
_CHUNK = 65536
_END_OF_FILE = b"\x04"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start.

    command  the process' argv; its standard input and output are the console, its standard error is the
             control channel, from the inside to us
    env      its whole environment
    cpu      the CPU to pin it to, None for all
    fds      descriptors that it inherits under their numbers here
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    cpu: int | None
    fds: tuple[int, ...] = ()


# Looks at a running process (pid) and what it has said; a sentence ends the run for that reason.
Watch = Callable[[int, Progress], str]


def no_watch(_pid: int, _progress: Progress) -> str:
    """Find nothing wrong."""
    return ""


def supervise(launch: Launch, job: Job, on_line: OnLine, watch: Watch = no_watch) -> Outcome:
    """Run a launch to its end; the process group is gone when this returns or raises.

    Ended from outside at job.limit_s, when watch gives a reason, and when this process gets SIGINT, SIGTERM
    or SIGHUP (in the main thread). Raises OSError when the run directory can't take the console's log.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        log = stack.enter_context(guarded.recorded(job.run_dir, CONSOLE_LOG))
        terminal = stack.enter_context(Terminal.of(job.interactive))
        stopped = stack.enter_context(_stop_signals())
        control, theirs = socket.socketpair()
        stack.enter_context(control)
        with theirs, pinned(launch.cpu):
            process = subprocess.Popen(
                launch.command,
                env=dict(launch.env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=theirs.fileno(),
                pass_fds=launch.fds,
                process_group=0,
                bufsize=0,
            )
        stack.callback(_close, process)
        stack.callback(_end, process)
        run = _Run(job, on_line, process, control, log, terminal, RoomWatch(job.run_dir))
        reason = run.listen(started + job.limit_s, watch, stopped)
        _end(process)
        run.drain()
        progress = run.progress
    if reason:
        status = 128 + stopped[0] if stopped else 1
    else:
        status, reason = progress.verdict(process.returncode)
    return Outcome(status, progress.step, reason, time.monotonic() - started, tuple(progress.tail))


@dataclass(slots=True)
class _Run:
    """One process and the streams to and from it."""

    job: Job
    on_line: OnLine
    process: subprocess.Popen[bytes]
    control: socket.socket
    log: BinaryIO
    terminal: Terminal
    room: RoomWatch
    printed: int = 0
    progress: Progress = field(default_factory=Progress)
    into: int = -1
    out: int = -1
    pending: bytes = b""
    input_open: bool = False
    at_line_start: bool = True
    console_lines: Lines = field(default_factory=Lines)
    control_lines: Lines = field(default_factory=Lines)

    def __post_init__(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.into, self.out = self.process.stdin.fileno(), self.process.stdout.fileno()
        for fd in (self.into, self.out, self.control.fileno()):
            os.set_blocking(fd, False)
        self.input_open = self.job.interactive

    def listen(self, deadline: float, watch: Watch, stopped: list[int]) -> str:
        """Listen until the process ends; give the reason for ending it sooner."""
        exited = os.pidfd_open(self.process.pid)
        try:
            while True:
                timeout = max(0.0, min(_TICK_S, deadline - time.monotonic()))
                ready = self._select(exited, timeout)
                # Control first: what the job prints comes after the word that it runs.
                if self.control.fileno() in ready:
                    self._read_control()
                if self.out in ready:
                    self._read_console()
                self._relay(ready)
                step = self.progress.step
                if stopped:
                    return f"stopped by {signal.Signals(stopped[0]).name} at step {step}"
                if exited in ready:
                    return ""
                if time.monotonic() >= deadline:
                    return f"hang at step {step}: not finished within {self.job.limit_s:g} s"
                if self.progress.again:
                    return f"the guest rebooted at step {step}"
                if excess := self._excess():
                    return f"{excess}: ended at step {step}"
                if self.progress.running and self.progress.status is None:
                    reason = watch(self.process.pid, self.progress)
                    if reason:
                        return reason
        finally:
            os.close(exited)

    def _excess(self) -> str:
        """What the guest takes too much of; empty when all is well."""
        if self.printed > CONSOLE_LIMIT:
            return f"more than {CONSOLE_LIMIT >> 20} MiB were printed"
        return self.room()

    def drain(self) -> None:
        """Take what a process that is gone has left in its streams."""
        while self._read_control():
            pass
        while self._read_console():
            pass
        for line in self.control_lines.last() + self.console_lines.last():
            self._line(line)

    def _select(self, exited: int, timeout: float) -> set[int]:
        with selectors.PollSelector() as selector:
            for fd in (exited, self.control.fileno(), self.out):
                selector.register(fd, selectors.EVENT_READ)
            if self.pending:
                selector.register(self.into, selectors.EVENT_WRITE)
            elif self.input_open and self.progress.running:
                selector.register(self.terminal.input, selectors.EVENT_READ)
            return {key.fd for key, _events in selector.select(timeout)}

    def _relay(self, ready: set[int]) -> None:
        """Carry input to an interactive job; its end becomes the terminal's end-of-file character.

        In the middle of a line that character only sends the line off: there it takes two.
        """
        if self.input_open and not self.pending and self.terminal.input in ready:
            data = os.read(self.terminal.input, _CHUNK)
            self.input_open = bool(data)
            self.pending = data or (_END_OF_FILE if self.at_line_start else _END_OF_FILE * 2)
            self.at_line_start = data.endswith(b"\n")
        if self.pending and self.into in ready:
            try:
                self.pending = self.pending[os.write(self.into, self.pending) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self.pending, self.input_open = b"", False

    def _read_control(self) -> bool:
        data = _read(self.control.fileno())
        for line in self.control_lines.feed(data):
            if line and not self.progress.control_line(line):
                self._log(os.fsencode(line) + b"\n")
                self._line(line)
        return bool(data)

    def _read_console(self) -> bool:
        data = _read(self.out)
        self._log(data)
        if data and self.job.interactive and self.progress.running:
            self.terminal.write(data)
        for line in self.console_lines.feed(data):
            self._line(line)
        return bool(data)

    def _log(self, data: bytes) -> None:
        self.printed += len(data)
        if self.printed <= CONSOLE_LIMIT:
            self.log.write(data)

    def _line(self, line: str) -> None:
        if self.progress.console_line(line) and not self.job.interactive:
            self.on_line(line)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except (BlockingIOError, ConnectionResetError):
        return b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started, with the group that it leads, and collect it.

    Its group may outlive it. Until it is collected no other group can have its number.
    """
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def end_marked(argument: str) -> None:
    """End every process that has this argument: a guest's, wherever they went, which nobody else's can have.

    User-Mode Linux makes a session of its own, and helpers that outlive it.
    """
    wanted = b"\0" + os.fsencode(argument) + b"\0"
    deadline = time.monotonic() + _GONE_S
    while time.monotonic() < deadline:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        found = [pid for pid in pids if wanted in _command(pid)]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_TICK_S / 10)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""  # gone meanwhile


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect the signals that ask this process to stop, instead of dying of them, while the block runs."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, note) for number in _ENDING}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
