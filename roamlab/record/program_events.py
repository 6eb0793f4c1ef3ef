"""Events of programs that nobody wrote for roamlab, which the lab starts on nodes. Times are in ns, sizes in octets."""

from __future__ import annotations

from typing import Literal

from roamlab.record.event import Event

Stream = Literal["stdout", "stderr"]


class ProgramEvent(Event, kw_only=True):
    """Something about a program that the lab runs on the node ``node``."""

    program: str
    """its name in the run: its files are ``program.stdout`` and ``program.stderr``"""


class ProgramStarted(ProgramEvent, tag="program.started", kw_only=True):
    """The lab starts a program."""

    words: tuple[str, ...]
    """its command line"""


class ProgramReady(ProgramEvent, tag="program.ready", kw_only=True):
    """What others wait for has happened: the program listens, or has said what it was to say."""

    by: str
    """the port, pattern or time that was waited for, in words"""


class ProgramSaid(ProgramEvent, tag="program.said", kw_only=True):
    """A program wrote to its standard output or error."""

    stream: Stream
    size: int
    text: str
    """the beginning of it, at most 200 characters; the whole is in the program's file"""


class ProgramGiven(ProgramEvent, tag="program.given", kw_only=True):
    """The lab wrote to a program's standard input."""

    size: int


class ProgramEnded(ProgramEvent, tag="program.ended", kw_only=True):
    """A program ended."""

    status: int
    """its exit status; -N where signal N ended it"""
    by_lab: bool = False
    """whether the lab ended it, because the run was over or the scenario said so"""


class OutageAllowed(Event, tag="program.allowance"):
    """The scenario says how long an outage of programs' may be."""

    outage_s: float


class ProgramsOver(Event, tag="program.over"):
    """The run is over for programs: the lab ends those that still run. What they do from now on counts for nothing."""
