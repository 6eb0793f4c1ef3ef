"""Reads the files of a run while they grow: whole events and whole packets, each once."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import BadInput
from roamlab.protocols import trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.trace import Sighting
from roamlab.record import guarded
from roamlab.record.event import Event, decoder
from roamlab.record.run_directory import CAPTURE, EVENTS

_PIECE: Final = 8 << 20
_HEAD: Final = struct.Struct("<II")  # a block's type and length; roamlab's captures are little-endian
_ENHANCED: Final = 6
_SMALLEST: Final = 12


class Tail:
    """The files of one run directory. What a guest has spoilt in them is told once, in ``damage``, and not read further."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._events_at = 0
        self._capture_at = 0
        self._described = b""
        """The blocks of the capture that say what its NICs are called."""
        self._decoder = decoder(Event)
        self.damage = ""

    def events(self) -> list[Event]:
        """The events that were written since the last time."""
        data = self._read(EVENTS, self._events_at)
        whole = data[: data.rfind(b"\n") + 1]
        self._events_at += len(whole)
        found: list[Event] = []
        try:
            found.extend(self._decoder.decode(line) for line in whole.splitlines())
        except (msgspec.DecodeError, ValueError, RecursionError):
            self.damage = f"{EVENTS} is damaged"
        return found

    def packets(self) -> tuple[Sighting, ...]:
        """The packets that were written since the last time."""
        data = self._read(CAPTURE, self._capture_at)
        packets: list[bytes] = []
        start = 0
        while start + _HEAD.size <= len(data):
            kind, length = _HEAD.unpack_from(data, start)
            if length < _SMALLEST or length % 4:
                self.damage = f"{CAPTURE} is damaged"
                return ()
            if start + length > len(data):
                break
            block = data[start : start + length]
            if kind == _ENHANCED:
                packets.append(block)
            else:
                self._described += block
            start += length
        self._capture_at += start
        if not packets:
            return ()
        try:
            return trace.read(self._described + b"".join(packets)).sightings
        except DecodeError:
            self.damage = f"{CAPTURE} is damaged"
            return ()

    def _read(self, name: str, offset: int) -> bytes:
        if self.damage:
            return b""
        try:
            return guarded.read_from(self._run_dir, name, offset, _PIECE)
        except FileNotFoundError:
            return b""
        except (BadInput, OSError) as error:
            self.damage = guarded.printable(str(error))
            return b""
