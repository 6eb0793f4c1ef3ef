"""Takes what a guest hands out (roamlab/kernels/inside/handing.py): bytes in a piece of memory, believed in nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roamlab.kernels.inside.handing import MAGIC
from roamlab.kernels.job import KernelError

ROOM: Final = 128 << 20
"""Octets that all results of a job may have."""
_FILES, _DEPTH, _NAME = 4096, 4, 255
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    """A file that a guest hands out: its name below the run directory, where it lies in the memory, its size."""

    parts: tuple[str, ...]
    at: int
    size: int


def take(memory: int, at: int, room: int, run_dir: Path) -> str:
    """Write a guest's files into a run directory; gives one sentence where they can't be taken, and then writes none.

    `memory` is the guest's memory as a file, in which `room` octets from `at` on are the guest's to fill. Only new, plain files
    with plain names are written, in new directories or those that are there: what stands in the run directory already is left
    as it is. Raises KernelError where the run directory can't be written.
    """
    try:
        files = _listed(memory, at, room)
    except ValueError as error:
        return f"the guest's results cannot be taken: {error}"
    if files is None:
        return "the guest handed out no results"
    try:
        for file in files:
            _write(memory, file, run_dir)
    except OSError as error:
        raise KernelError(f"the results cannot be written to {run_dir}: {error.strerror}") from None
    return ""


def _listed(memory: int, at: int, room: int) -> list[_File] | None:
    """Read the list of files; None for a guest that wrote none. Raises ValueError, with a reason, for one that can't be."""
    head = os.pread(memory, len(MAGIC), at)
    if head != MAGIC:
        return None
    position, end = at + len(MAGIC), at + room

    def read(length: int) -> bytes:
        nonlocal position
        if position + length > end:
            raise ValueError("their list does not end")
        data = os.pread(memory, length, position)
        position += length
        return data

    told: list[tuple[tuple[str, ...], int]] = []
    while length := int.from_bytes(read(2), "little"):
        if len(told) == _FILES:
            raise ValueError(f"they are more than {_FILES} files")
        parts = _parts(read(length))
        told.append((parts, int.from_bytes(read(8), "little")))
    files = []
    for parts, size in told:
        if size > end - position:
            raise ValueError(f"{'/'.join(parts)} is larger than what it lies in")
        files.append(_File(parts, position, size))
        position += size
    return files


def _parts(name: bytes) -> tuple[str, ...]:
    """Take a name apart; raises ValueError for one that isn't a plain path below the run directory."""
    try:
        parts = tuple(name.decode("ascii").split("/"))
    except UnicodeDecodeError:
        raise ValueError("a name is not plain text") from None
    plain = all(part.isprintable() and part not in ("", ".", "..") and len(part) <= _NAME for part in parts)
    if not plain or len(parts) > _DEPTH:
        raise ValueError("a name is no plain path")
    return parts


def _write(memory: int, file: _File, run_dir: Path) -> None:
    """Write one file, following no link; nothing where there is one of its name."""
    *above, name = file.parts
    directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in above:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=directory)
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
            os.close(directory)
            directory = deeper
        try:
            out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=directory)
        except FileExistsError:
            return
        with open(out, "wb") as written:  # noqa: PTH123
            for begin in range(0, file.size, _CHUNK):
                written.write(os.pread(memory, min(_CHUNK, file.size - begin), file.at + begin))
    finally:
        os.close(directory)
