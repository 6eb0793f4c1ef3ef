"""One run, one directory: what is in it, and how its files are written so that each is always whole."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.record import (  # events of all kinds are read here, so their classes must be there
    attack_events,  # noqa: F401
    guarded,
    mobile_ip_events,  # noqa: F401
    mptcp_events,  # noqa: F401
    owner,
    program_events,  # noqa: F401
    quic_events,  # noqa: F401
    stimuli,  # noqa: F401
)
from roamlab.record.event import Event, decoder, encoder
from roamlab.record.events import RunStart
from roamlab.record.result import Judgement
from roamlab.where import COMMAND

PLAN: Final = "plan.json"
MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.jsonl"
CAPTURE: Final = "capture.pcapng"
VERDICT: Final = "verdict.json"
CONSOLE: Final = "console.log"
REPORT: Final = "report.html"
FILES: Final = re.compile(
    "|".join(map(re.escape, (PLAN, MANIFEST, EVENTS, CAPTURE, VERDICT, CONSOLE, REPORT)))
    + r"|[\w-]+\.(?:log|qlog)"
)
BEFORE: Final = "before"
"""A folder with what is played before a run in its guest, while that goes on."""
FOLDERS: Final = frozenset({".uml", BEFORE})
"""The names of all that a run makes in its directory, agents' logs and qlogs among them; a directory that holds anything
else is never removed (roamlab.record.ours)."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run's files. JSON files are replaced in one step; JSON lines are appended whole."""

    path: Path

    @classmethod
    def create(cls, root: Path, scenario: str) -> RunDirectory:
        """A new, empty directory ``root/scenario/id``; ``id`` is the wall-clock time and tells runs apart.

        Raises BadInput when it cannot be made there.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        for attempt in range(1000):
            # Links are followed here: where the guest sees the directory, what they go through may be hidden.
            path = Path(os.path.realpath(root)) / scenario / (stamp if not attempt else f"{stamp}-{attempt}")
            try:
                owner.make_directory(path.parent)
                # What a guest leaves in it may have any mode and any name: others stay out.
                path.mkdir(mode=0o700)
                owner.give(path)
            except FileExistsError:
                if path.is_dir():
                    continue
                raise BadInput(
                    f"{path.parent} is in the way of the run directory; choose another with --runs"
                ) from None
            except OSError as error:
                raise BadInput(
                    f"cannot make a run directory in {root}: {error.strerror}; choose another with --runs"
                ) from None
            return cls(path)
        raise BadInput(
            f"{root / scenario} has a thousand runs of this second; choose another directory with --runs"
        )

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run, by its directory, a file in it, or a directory of runs, of which the latest is meant.

        Raises BadInput when there is none.
        """
        directory = path if path.is_dir() else path.parent
        if path.is_dir() and not (path / PLAN).is_file():
            plans = sorted(path.glob(f"*/{PLAN}"), key=lambda plan: plan.stat().st_mtime_ns)
            directory = plans[-1].parent if plans else path
        if not (directory / PLAN).is_file():
            raise BadInput(
                f"{path} is not a run directory (it has no {PLAN}); `{COMMAND} run` makes them under runs/"
            )
        return cls(directory.absolute())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Tell others that somebody plays the run, for as long as the block lasts or until this process is gone."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # where directories cannot be locked nobody can tell
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(fd)

    def is_held(self) -> bool:
        """Whether somebody plays the run, as far as one can tell."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        else:
            return False
        finally:
            os.close(fd)

    def write(self, name: str, content: object) -> None:
        """Write a JSON file whole. Raises LabError where that is not possible."""
        encoded = msgspec.json.format(msgspec.json.encode(content, order="deterministic"), indent=2) + b"\n"
        try:
            guarded.write(self.path, name, encoded)
        except OSError as error:
            raise disk_error(error, self.path) from None

    def read(self, name: str) -> Any:
        """A JSON file's content. Raises BadInput when it is missing or damaged."""
        try:
            return msgspec.json.decode(guarded.read(self.path, name))
        except FileNotFoundError:
            raise BadInput(f"{self.path} has no {name}: the run ended too early") from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise BadInput(f"{self.path / name} is damaged: {guarded.printable(str(error))}") from None

    def judgement(self) -> Judgement:
        """The run's verdict. Raises BadInput when it is missing, damaged or of another version of roamlab."""
        try:
            return msgspec.convert(self.read(VERDICT), Judgement)
        except msgspec.ValidationError as error:
            why = guarded.printable(str(error))
            raise BadInput(f"{self.path / VERDICT} is of another version of roamlab: {why}") from None

    def events(self) -> Iterator[Event]:
        """The events by time, and as they were reported where that is equal; a last line that was cut off is left out.

        Times are in ns since the run's start. Raises BadInput at a line that is damaged or no event known here, behind what
        could be read before it.
        """
        try:
            lines = guarded.read(self.path, EVENTS).split(b"\n")
        except FileNotFoundError:
            return
        read = decoder(Event)
        found: list[Event] = []
        damage: BadInput | None = None
        for line in lines[:-1]:
            try:
                found.append(read.decode(line))
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                why = guarded.printable(str(error))
                damage = BadInput(f"{self.path / EVENTS} is damaged in line {len(found) + 1}: {why}")
                break
        yield from sorted(found, key=lambda event: event.t)
        if damage:
            raise damage


class EventLog:
    """``events.jsonl`` while a run goes on: lines are written whole, times in ns since the run's start.

    They stand in it as they were reported; what nobody waited for was reported later than it happened.
    """

    def __init__(self, run: RunDirectory, start_ns: int) -> None:
        self._file: BinaryIO = (run.path / EVENTS).open("ab", buffering=0)
        self._path = run.path
        self._encoder = encoder()
        self._batch: list[bytes] | None = None
        self.start_ns = start_ns
        self.write(RunStart(start_ns, t=start_ns, node="lab"))

    def write(self, event: Event) -> None:
        """Append one event, whose time is CLOCK_REALTIME. Raises LabError when the disk is full."""
        event.t -= self.start_ns
        line = self._encoder.encode(event) + b"\n"
        event.t += self.start_ns
        if self._batch is None:
            self._append(line)
        else:
            self._batch.append(line)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Append what is written within the block at its end, in one piece."""
        self._batch = []
        try:
            yield
        finally:
            lines, self._batch = self._batch, None
            self._append(b"".join(lines))

    def _append(self, lines: bytes) -> None:
        try:
            if self._file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise disk_error(error, self._path) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def disk_error(error: OSError, path: Path) -> LabError:
    """The sentence for an error in writing a run's files."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LabError(f"no space left under {path}; free some or choose another directory with --runs")
    return LabError(f"cannot write in {path}: {error.strerror}")
