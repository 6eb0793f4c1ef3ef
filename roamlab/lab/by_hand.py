"""A run whose moves come from a hand: a person's in the live lab, or the record of one.

A run looks for the hand at set times, 20 times a second: it reads a page of a file, a fresh one each time, which whoever paces
the guest has written before. What it finds takes effect 11.3 ms later. A record is played with the same looks, at a file in
which nothing stands: the same system calls at the same instants, and so the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from roamlab.record.hand import (
    DRAIN_S,
    EVERY_S,
    LOOKS,
    MOST_LOOKS,
    PAGE,
    AnyAct,
    AttachNic,
    CutLink,
    DetachNic,
    FailAgent,
    Hand,
    ImpairLink,
    Look,
    MendLink,
    MoveNic,
    ReviveAgent,
    Walk,
    effect_s,
    end_of,
    look_s,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from roamlab.lab.lab import Lab
    from roamlab.transports.base import Readable

FOR_EVER_S: Final = 1e8
"""The end of a run that ends when somebody says so."""
Looking = Callable[[int], Look]
_NOTHING: Final = Look()


class ByHand:
    """The looks of one run. ``acts`` sets what is known to be done; the run ends at ``end_s``, or when a look says so."""

    def __init__(self, acts: Callable[[Lab[Any]], None], end_s: float | None) -> None:
        self._acts = acts
        self._known_end_s = end_s

    def play(
        self,
        lab: Lab[Any],
        look: Looking,
        readers: Callable[[], Mapping[Readable, Callable[[], None]]],
        batch: Callable[[], AbstractContextManager[None]],
    ) -> float:
        """Play what was set, look after look, until the end; gives that, in s."""
        timeline = lab.timeline
        number = int(lab.plan_s / EVERY_S) + 1
        print(f"roamlab: by hand from {number} late {timeline.late_s:g}", flush=True)
        self._acts(lab)
        end_s = self._known_end_s
        if end_s is not None:
            self._end(lab, end_s)
        while end_s is None or look_s(number) < end_s:
            timeline.play(look_s(number), readers, batch)
            if number % round(1 / EVERY_S) == 0:
                second = round(look_s(number))
                print(f"roamlab: at {second}/{second}", flush=True)
            found = look(number)
            for act in found.acts:
                do(lab, effect_s(number), act)
            if found.end and end_s is None:
                end_s = end_of(number)
                self._end(lab, end_s)
            number += 1
        timeline.play(end_s, readers, batch)
        return end_s

    @staticmethod
    def _end(lab: Lab[Any], end_s: float) -> None:
        lab.timeline.at(round(end_s - DRAIN_S, 3), lab.end_streams)


@contextmanager
def looks(run_dir: Path) -> Iterator[Looking]:
    """What reads the pages. The file has no name from then on: whoever writes it has opened it before."""
    decoder = msgspec.json.Decoder(Look)
    path = run_dir / LOOKS
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, PAGE * MOST_LOOKS)
        path.unlink()
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)  # a page that is read ahead is read too early

        def look(number: int) -> Look:
            page = os.pread(fd, PAGE, number * PAGE)
            if not page:
                return Look(end=True)
            said = page.rstrip(b"\0")
            return decoder.decode(said) if said else _NOTHING

        yield look
    finally:
        os.close(fd)


def recorded(hand: Hand) -> ByHand:
    """The looks of a run whose record is known."""

    def acts(lab: Lab[Any]) -> None:
        for act in hand.acts:
            do(lab, act.at, act)

    return ByHand(acts, hand.end)


def live() -> ByHand:
    """The looks of a run that a person acts on."""
    return ByHand(lambda _: None, None)


def do(lab: Lab[Any], at_s: float, act: AnyAct) -> None:
    """Set an act on a lab's timeline."""
    at = lab.at(at_s)
    match act:
        case MoveNic(node=node, nic=nic, to=to, gap=gap):
            at.move(lab.node(node).nic(nic), to=lab.segment(to), gap=gap)
        case AttachNic(node=node, nic=nic, to=to):
            at.attach(lab.node(node), nic, to=lab.segment(to))
        case DetachNic(node=node, nic=nic):
            at.detach(lab.node(node).nic(nic))
        case CutLink(node=node, nic=nic):
            at.link_down(lab.node(node).nic(nic))
        case MendLink(node=node, nic=nic):
            at.link_up(lab.node(node).nic(nic))
        case ImpairLink(node=node, nic=nic):
            at.impair(lab.node(node).nic(nic), delay=act.delay, loss=act.loss, rate=act.rate)
        case FailAgent(node=node):
            at.fail(lab.mobility_agent(node))
        case ReviveAgent(node=node):
            at.revive(lab.mobility_agent(node))
        case Walk(to=place):
            at.walk(to=place)
