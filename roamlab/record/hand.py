"""What a person does to a network while it runs, as data: what the live lab tells a guest, and a manifest keeps.

Times are in seconds since the plan's beginning, as in a scenario. Each class is a verb of ``lab.at(...)``.
"""

from __future__ import annotations

from typing import Final

import msgspec

EVERY_S: Final = 0.05
"""How often a run looks for what the hand does, s."""
_BESIDE_S: Final = 0.0137
"""How long after each multiple of that: where nothing else is due, which a look would delay by some steps of the clock."""
LOOKS: Final = "hand.looks"
"""The file in a run directory in which a run looks: a page for each look, which is empty where nothing is to be done."""
PAGE: Final = 4096
MOST_LOOKS: Final = 200_000
"""As many pages as the file has: the run ends when it comes to the last."""
DRAIN_S: Final = 2.0
"""How long a run goes on after its streams have ended, s."""


class Act(msgspec.Struct, tag_field="do", frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that is done at one instant, ``at`` seconds."""

    at: float = 0.0


class OnNic(Act, frozen=True):
    """Something that is done to a NIC."""

    node: str
    nic: str


class MoveNic(OnNic, tag="move", frozen=True):
    """Take a NIC to another segment, without a link for ``gap`` seconds in between."""

    to: str
    gap: float = 0.0


class AttachNic(OnNic, tag="attach", frozen=True):
    """Add a NIC on a segment."""

    to: str


class DetachNic(OnNic, tag="detach", frozen=True):
    """Take a NIC out."""


class CutLink(OnNic, tag="link_down", frozen=True):
    """Take a NIC's link away where it is."""


class MendLink(OnNic, tag="link_up", frozen=True):
    """Give a NIC its link back."""


class ImpairLink(OnNic, tag="impair", frozen=True):
    """Change what a NIC's link does to packets: delay in s one way, loss in percent, rate in Mbit/s."""

    delay: float | None = None
    loss: float | None = None
    rate: float | None = None


class FailAgent(Act, tag="fail", frozen=True):
    """Let a mobility agent's host die."""

    node: str


class ReviveAgent(Act, tag="revive", frozen=True):
    """Start a mobility agent that died again."""

    node: str


class Walk(Act, tag="walk", frozen=True):
    """Have the mobile node walk to a place, m from the first base station on."""

    to: float


AnyAct = MoveNic | AttachNic | DetachNic | CutLink | MendLink | ImpairLink | FailAgent | ReviveAgent | Walk


class Look(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a run finds at one look: what is to be done now, and whether it is to end."""

    acts: tuple[AnyAct, ...] = ()
    end: bool = False


class Hand(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All that was done by hand in a run, and when the run ended (s)."""

    acts: tuple[AnyAct, ...]
    end: float


def look_s(number: int) -> float:
    """When a run looks for the hand for the ``number``-th time, s."""
    return round(number * EVERY_S + _BESIDE_S, 4)


def effect_s(number: int) -> float:
    """When what a look finds takes effect, s: soon after it, never at one."""
    return round((number + 0.5) * EVERY_S, 3)


def end_of(number: int) -> float:
    """When a run ends that is told to at a look, s."""
    return round(effect_s(number) + DRAIN_S, 3)
