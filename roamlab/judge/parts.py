"""An outage cut into what had to be and what came on top, so that the parts add up to it exactly.

The cuts are instants of one handover in their order: when the link went, when the new one was there, when the request
left, when its answer could have been back. What lies between two of them has a name. Parts that physics and the protocol
ask for make the lower bound; the others are waits (docs/measures.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

BEFORE: Final = "until the move"
NO_LINK: Final = "no link"
CROSSING: Final = "the new path"
NEEDED: Final = frozenset({BEFORE, NO_LINK, CROSSING})
"""The parts that make the lower bound; all others are waits."""
UNEXPLAINED: Final = "unexplained"


@dataclass(frozen=True, slots=True)
class Cut:
    """What an outage consists of up to an instant (ns): everything since the cut before it is called ``name``."""

    name: str
    until_ns: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an outage: its name and how long it took (ns)."""

    name: str
    length_ns: int


def partition(from_ns: int, until_ns: int, cuts: Iterable[Cut]) -> list[Piece]:
    """Cut the time from ``from_ns`` to ``until_ns`` at ``cuts``, in their order.

    A cut that lies before the one before it, or outside the outage, is moved to its edge, so that the lengths always add
    up to the whole. What follows the last cut is unexplained. Parts of the same name are one part.
    """
    lengths: dict[str, int] = {}
    reached = from_ns
    for cut in (*cuts, Cut(UNEXPLAINED, until_ns)):
        end = min(max(cut.until_ns, reached), until_ns)
        if end > reached:
            lengths[cut.name] = lengths.get(cut.name, 0) + end - reached
        reached = end
    return [Piece(name, length) for name, length in lengths.items()]
