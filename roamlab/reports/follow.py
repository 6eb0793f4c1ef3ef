"""A run while it goes on: its events line by line, until it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.record import guarded
from roamlab.record.event import Event, decoder
from roamlab.record.events import Data
from roamlab.record.run_directory import EVENTS, MANIFEST, RunDirectory
from roamlab.record.words import words

_POLL_S: Final = 0.2


def follow(run: RunDirectory) -> Iterator[str]:
    """A line an event as they are written, those of single messages counted; ends when the run has its manifest.

    Raises LabError when it has none and nobody plays it any more.
    """
    offset, counted = 0, 0
    while True:
        # Looked for first, in this order: what was written before either of them is seen below.
        played = run.is_held()
        over = guarded.exists(run.path, MANIFEST)
        lines, offset = _new(run, offset)
        for line in lines:
            event = _event(run, line)
            if isinstance(event, Data):
                counted += 1
                continue
            if counted:
                yield _count(counted)
                counted = 0
            yield _words(event)
        if over or not played:
            if counted:
                yield _count(counted)
            if not over:
                raise LabError(
                    f"{run.path} was ended before its verdict: it has no {MANIFEST} and is not in progress"
                )
            return
        time.sleep(_POLL_S)


def _event(run: RunDirectory, line: bytes) -> Event:
    try:
        return decoder(Event).decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BadInput(f"{run.path / EVENTS} is damaged") from None


def _count(messages: int) -> str:
    return f"{'':12}    {messages} {'message' if messages == 1 else 'messages'} sent or received"


def _new(run: RunDirectory, offset: int) -> tuple[list[bytes], int]:
    """The whole lines behind ``offset``, and where they end."""
    try:
        data = guarded.read_from(run.path, EVENTS, offset)
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    return whole.splitlines(), offset + len(whole)


def _words(event: Event) -> str:
    said = f"{event.t / 1e9:12.6f} s  {event.node:<8} {event.kind:<20} {words(event)}"
    return guarded.printable(said).rstrip()
