"""What the files of a run say, checked: each of the shape that it must have, and its content that which the run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from roamlab.errors import BadInput
from roamlab.record import guarded
from roamlab.record.hand import Hand
from roamlab.record.run_directory import MANIFEST, PLAN, RunDirectory
from roamlab.registry import Plan

_NULS: Final = "it ends in NULs, as after a power cut"
T = TypeVar("T")


class PlayedOn(msgspec.Struct, frozen=True):
    """The kernel of a run as its manifest has it; which members follow depends on its kind."""

    kind: str
    version: str
    variant: str
    virtual_time: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``manifest.json``: what was run, on what, and what came out.

    identity   what a repeat must have in common, by name (roamlab.record.identity)
    sha256     of the files that must be the same in a repeat, by name
    ended      when the run ended, UTC
    status     the exit status
    wall_s     seconds that it took by the wall clock; ``virtual_s`` by the guest's, None in real time
    replay     the command that makes the same run again
    shared     whether it shares its guest with others; ``before`` the plans that were played before it there, of roamlab's own
               scenarios
    file       the file of the user's own that the scenario is in; ``topology`` the topology of the user's own
    hand       what a person did in the run
    """

    scenario: str
    parameters: dict[str, Any]
    seed: int
    kernel: PlayedOn
    identity: dict[str, str]
    sha256: dict[str, str]
    ended: str = ""
    status: int
    wall_s: float
    virtual_s: float | None = None
    replay: str = ""
    file: str = ""
    topology: str = ""
    hand: Hand | None = None
    shared: bool = False
    before: tuple[Plan, ...] = ()


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
