"""What the files of a run say, checked: each of the shape that it must have, and its content that which the run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from roamlab.errors import BadInput
from roamlab.record import guarded
from roamlab.record.manifest import Manifest
from roamlab.record.run_directory import MANIFEST, PLAN, RunDirectory
from roamlab.registry import Plan

_NULS: Final = "it ends in NULs, as after a power cut"
T = TypeVar("T")


def manifest(run: RunDirectory) -> Manifest:
    """The run's manifest. Raises BadInput when it is missing, damaged or no manifest."""
    return _typed(run, MANIFEST, Manifest)


def plan(run: RunDirectory) -> Plan:
    """The run's plan. Raises BadInput when it is missing, damaged or no plan."""
    return _typed(run, PLAN, Plan)


def read_manifest(path: Path) -> Manifest:
    """A manifest that the user named. Raises BadInput for what is none."""
    return _decoded(guarded.read_any(path, guarded.TEXT_LIMIT), path, Manifest)


def alterations(run: RunDirectory, known: Manifest | None = None) -> list[str]:
    """A sentence for each file that is not the one the run wrote, by the SHA-256 in its manifest; none without a manifest."""
    try:
        recorded = known or manifest(run)
    except BadInput:
        return []
    found = []
    for name, expected in sorted(recorded.sha256.items()):
        try:
            if guarded.digest(run.path, name) != expected:
                found.append(f"{name} is not the one that the run wrote: its SHA-256 is not {MANIFEST}'s")
        except FileNotFoundError:
            found.append(f"{name} is gone, which {MANIFEST} has the SHA-256 of")
        except (BadInput, ValueError) as error:
            found.append(f"{guarded.printable(name)} is not the one that the run wrote: {error}")
    return found


def refuse_altered(run: RunDirectory) -> None:
    """Raise BadInput where a file is not the one that the run wrote."""
    altered = alterations(run)
    if altered:
        raise BadInput(f"{run.path}: {'; '.join(altered)}")


def _typed(run: RunDirectory, name: str, kind: type[T]) -> T:
    try:
        content = guarded.read(run.path, name)
    except FileNotFoundError:
        raise BadInput(f"{run.path} has no {name}: the run ended too early") from None
    return _decoded(content, run.path / name, kind)


def _decoded(content: bytes, path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        why = _NULS if content.endswith(b"\0") else guarded.printable(str(error))
        raise BadInput(f"{path} is damaged or of another version of roamlab: {why}") from None
