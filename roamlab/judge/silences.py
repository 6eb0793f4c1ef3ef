"""The silences at a receiving application, and which stimulus each belongs to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from roamlab.record.messages import Key

Delivery = tuple[int, Key]
"""When a message was first delivered (ns), and which message."""


@dataclass(frozen=True, slots=True)
class Silence:
    """From one delivery to the next (ns). ``until_ns`` and ``ended_by`` are None where nothing was delivered afterwards."""

    from_ns: int
    until_ns: int | None = None
    ended_by: Key | None = None

    @property
    def length_ns(self) -> int | None:
        """How long it lasted; None without an end."""
        return None if self.until_ns is None else self.until_ns - self.from_ns


def silences(
    deliveries: Sequence[Delivery],
    since_ns: int,
    owed_ns: int | None,
    shortest_ns: int,
    begun_ns: int | None = None,
) -> Iterator[Silence]:
    """The silences in one direction, by time.

    Args:
        deliveries: First deliveries, by time.
        since_ns: What was over by then is left out.
        owed_ns: When the last message was sent that was never delivered, None where each was. A silence that lasts until
            then has no end.
        begun_ns: When anything was due for the first time, where nothing had been said before ``since_ns``.
        shortest_ns: A silence up to this length is none, since no message is missing from it.

    """
    first = max(bisect_right(deliveries, since_ns, key=lambda delivery: delivery[0]) - 1, 0)
    if begun_ns is not None and deliveries and deliveries[0][0] - begun_ns > shortest_ns:
        yield Silence(begun_ns, *deliveries[0])
    for (start, _), (end, key) in pairwise(deliveries[first:]):
        if end > since_ns and end - start > shortest_ns:
            yield Silence(start, end, key)
    last_ns = deliveries[-1][0] if deliveries else begun_ns or since_ns
    if owed_ns is not None and owed_ns - last_ns > shortest_ns:
        yield Silence(last_ns)


def owner(silence: Silence, effects_ns: Sequence[int]) -> int:
    """Which stimulus a silence belongs to: the first one in it, or the last one before it.

    ``effects_ns`` says when each took effect, by time; the answer is a place in it.
    """
    at = bisect_right(effects_ns, silence.from_ns)
    inside = at < len(effects_ns) and (silence.until_ns is None or effects_ns[at] < silence.until_ns)
    return at if inside else max(at - 1, 0)
