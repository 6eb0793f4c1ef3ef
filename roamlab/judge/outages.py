"""What each stimulus cost: the longest silence in each direction that belongs to it, with its bound and its parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from roamlab.judge.bounds import Handover, explain, handover
from roamlab.judge.evidence import Evidence
from roamlab.judge.parts import NEEDED, Piece
from roamlab.judge.silences import Silence, owner, silences
from roamlab.record.result import Outage, Part, Way
from roamlab.record.stimuli import Attach, Stimulus

DIRECTIONS: Final[tuple[Way, Way]] = ("up", "down")
_DEFECT_NS: Final = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What the stimuli of a session cost it.

    ``outages`` has the longest of each stimulus and direction. ``bounded`` says whether every stimulus has a bound: the node
    moved, got a NIC, or nothing was done to it.
    """

    outages: list[Outage]
    bounded: bool


def cost(evidence: Evidence, every_ns: int, epoch_ns: int, ways: Collection[str] = DIRECTIONS) -> Cost:
    """What the stimuli cost a session whose messages were to be sent ``every_ns``, in the directions ``ways``."""
    stimuli = evidence.stimuli
    effects = [evidence.effect_ns(stimulus) for stimulus in stimuli]
    moves = [handover(evidence, stimulus) for stimulus in stimuli]
    outages = [
        outage
        for direction in DIRECTIONS
        if direction in ways
        for outage in _of(evidence, stimuli, effects, moves, direction, every_ns, epoch_ns)
    ]
    return Cost(outages, all(map(_has_bound, stimuli, moves)))


def defects(outages: Sequence[Outage]) -> list[str]:
    """Outages shorter than their bounds, each as a sentence: no run can be, so the bound is wrong."""
    return [
        f"the outage {outage.direction} of {outage.length_ns / 1e9:.6f} s is shorter than its bound of "
        f"{outage.bound_ns / 1e9:.6f} s, which is impossible: the bound is wrong"
        for outage in outages
        if outage.length_ns is not None
        and outage.bound_ns is not None
        and outage.bound_ns - outage.length_ns > _DEFECT_NS
    ]


def _of(
    evidence: Evidence,
    stimuli: list[Stimulus],
    effects: list[int],
    moves: list[Handover | None],
    direction: Way,
    every_ns: int,
    epoch_ns: int,
) -> list[Outage]:
    undelivered = [
        t for key, t in evidence.sent.items() if key[1] == direction and key not in evidence.delivered
    ]
    shortest = 2 * every_ns
    longest: dict[int, Silence] = {}
    quiet = silences(
        evidence.deliveries(direction),
        effects[0] if effects else epoch_ns,
        max(undelivered, default=None),
        shortest,
        _begun_ns(evidence, direction, effects[0]) if effects else None,
    )
    for silence in quiet:
        place = owner(silence, effects) if effects else 0
        held = longest.get(place)
        if held is None or silence.length_ns is None or silence.length_ns > (held.length_ns or 0):
            longest[place] = silence
    outages = []
    for place, silence in sorted(longest.items()):
        move = _in(silence, place, effects, moves) if effects else None
        if move is None and effects and isinstance(stimuli[place], Attach):
            move = _gone_too(silence, effects[place + 1 :], moves[place + 1 :])
        known = not effects or _has_bound(stimuli[place], move)
        outages.append(
            _outage(evidence, silence, move, direction, every_ns, epoch_ns, bounded=known, place=place)
        )
    return outages


def _begun_ns(evidence: Evidence, direction: Way, since_ns: int) -> int | None:
    """When the first message of a direction could have been delivered, where none was sent until ``since_ns``; else None."""
    sent = {key: t for key, t in evidence.sent.items() if key[1] == direction}
    first_ns = min(sent.values(), default=0)
    if first_ns <= since_ns:
        return None
    least_ns = min(
        (evidence.delivered[key][0] - t for key, t in sent.items() if key in evidence.delivered), default=0
    )
    return first_ns + least_ns


def _has_bound(stimulus: Stimulus, move: Handover | None) -> bool:
    """Whether something is known of how soon data could flow again: at once, where the old path stays."""
    return move is not None or isinstance(stimulus, Attach)


def _in(silence: Silence, place: int, effects: list[int], moves: list[Handover | None]) -> Handover | None:
    """The move that a silence belongs to; where the node was away again before anything could be delivered, the next one."""
    move = moves[place]
    for later in range(place + 1, len(effects)):
        nearest = moves[later]
        if move is None or nearest is None:
            break
        inside = silence.until_ns is None or effects[later] < silence.until_ns
        if not inside or effects[later] >= min(move.least_ns(direction) for direction in DIRECTIONS):
            break
        move = replace(nearest, gone_ns=move.gone_ns)
    return move


def _gone_too(silence: Silence, effects: Sequence[int], moves: Sequence[Handover | None]) -> Handover | None:
    """The move that a new NIC became because the old one went in the same silence; None where the old one stayed."""
    inside = (
        move
        for effect, move in zip(effects, moves, strict=True)
        if silence.until_ns is None or effect < silence.until_ns
    )
    return next(inside, None)


def _outage(
    evidence: Evidence,
    silence: Silence,
    move: Handover | None,
    direction: Way,
    every_ns: int,
    epoch_ns: int,
    *,
    bounded: bool,
    place: int,
) -> Outage:
    pieces: list[Piece] = []
    bound_ns = 0 if bounded else None
    if move is not None:
        since = max(silence.from_ns, move.gone_ns - every_ns)
        bound_ns = max(0, move.least_ns(direction) - since)
        if bound_ns <= 2 * every_ns:
            bound_ns = 0  # it need not have cost a message
    if silence.until_ns is not None and bounded:
        pieces = explain(evidence, move, silence, direction, every_ns)
    return Outage(
        direction=direction,
        from_ns=silence.from_ns - epoch_ns,
        until_ns=None if silence.until_ns is None else silence.until_ns - epoch_ns,
        bound_ns=bound_ns,
        stimulus=place,
        parts=[Part(name=p.name, length_ns=p.length_ns, needed=p.name in NEEDED) for p in pieces],
    )
