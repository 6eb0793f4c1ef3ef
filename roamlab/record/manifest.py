"""``manifest.json``: what was run, on what, and what came out. The only file with dates, wall times and this machine in it."""

from __future__ import annotations

from typing import Any

import msgspec

from roamlab.kernels.description import KernelDescription
from roamlab.record.hand import Hand
from roamlab.registry import Plan


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The manifest of a scenario's run. Its writer and all its readers use this class.

    identity   what a repeat must have in common, by name (roamlab.record.identity)
    sha256     of the files that must be the same in a repeat, by name
    ended      when the run ended, UTC
    status     the exit status
    wall_s     seconds that it took by the wall clock; ``virtual_s`` by the guest's, None in real time
    replay     the command that makes the same run again
    file       the file of the user's own that the scenario is in; ``topology`` the topology of the user's own
    hand       what a person did in the run
    shared     whether it shares its guest with others; ``before`` the plans that were played before it there, of roamlab's own
               scenarios
    """

    scenario: str
    parameters: dict[str, Any]
    seed: int
    kernel: KernelDescription
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


class CommandManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of one command in a fresh guest (`./lab exec`); members of the same names are as above.

    ``jitter`` is what the price of system calls followed from, or None; ``reason`` says why the command has no status of its
    own, or is empty.
    """

    argv: tuple[str, ...]
    seed: int
    jitter: int | None
    kernel: KernelDescription
    status: int
    reason: str
    sha256: dict[str, str]
    wall_s: float
    ended: str
    replay: str
