"""A run whose moves come from a hand: a person's in the live lab, or the record of one.

A run looks for the hand at set times, 20 times a second, and what it finds takes effect half way to the next look. Looking
takes the same time whether anything is found or not, and a record is played with the same looks: so it comes to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from roamlab.record.hand import (
    DRAIN_S,
    EVERY_S,
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
    look_file,
    look_s,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from roamlab.lab.lab import Lab

FOR_EVER_S: Final = 1e8
"""The end of a run that ends when somebody says so."""
Looking = Callable[[int], Look]


class ByHand:
    """The looks of one run. ``acts`` sets what is known to be done; ``look`` gives what the look of a number finds."""

    def __init__(self, acts: Callable[[Lab[Any]], None], end_s: float | None, look: Looking) -> None:
        self._acts = acts
        self._known_end_s = end_s
        self._look = look

    def play(
        self,
        lab: Lab[Any],
        readers: Callable[[], Mapping[Any, Callable[[], None]]],
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
            found = self._look(number)
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


def nothing(_number: int) -> Look:
    """Find nothing."""
    return Look()


def from_files(run_dir: Path) -> Looking:
    """Looks that find what the live lab has written to the run directory by then."""
    decoder = msgspec.json.Decoder(Look)

    def look(number: int) -> Look:
        try:
            return decoder.decode((run_dir / look_file(number)).read_bytes())
        except FileNotFoundError:
            return Look()

    return look


def recorded(hand: Hand) -> ByHand:
    """The looks of a run whose record is known."""

    def acts(lab: Lab[Any]) -> None:
        for act in hand.acts:
            do(lab, act.at, act)

    return ByHand(acts, hand.end, nothing)


def live(run_dir: Path) -> ByHand:
    """The looks of a run that a person acts on."""
    return ByHand(lambda _: None, None, from_files(run_dir))


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
