"""Two runs side by side: whether they are the same to the last bit; if not, where they part and what came of it.

Two runs of one kernel and seed are compared byte by byte. Across kernels, variants, seeds or parameters hardly a time stamp
agrees; there the first event that differs in more than its time is what to read, then the causal chains side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Final

import msgspec

from roamlab.errors import LabError
from roamlab.protocols import pcapng, trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp.describe import describe
from roamlab.protocols.trace import SctpPacket, Sighting
from roamlab.record import guarded, verified
from roamlab.record.event import Event
from roamlab.record.events import Data, PathState
from roamlab.record.identity import SAME_BITS, differences
from roamlab.record.result import CausalStep, Judgement
from roamlab.record.run_directory import CAPTURE, EVENTS, VERDICT, RunDirectory

_NOTHING: Final = "(nothing more)"
_TIMED: Final = (Data, PathState)  # what follows from times
# Numbers drawn from the random source: in two seeds or kernels they differ without meaning anything.
_DRAWN: Final = re.compile(r"\b(serial|correlation)=\d+|\btags [0-9a-f]{8} and [0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two runs part: ``where`` in words, and what each of the two has there."""

    where: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class ChainLine:
    """One line of two causal chains laid over each other; a time (s) is None where that run has no such step."""

    a_s: float | None
    b_s: float | None
    node: str
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs have and have not in common.

    conditions   what identity holds over and differs: (name, a, b)
    differing    the files that are not the same, of events, capture and verdict
    first        the first event that differs in anything
    happened     the first event that differs in what happened and not only in when
    packet       the first packet that differs, looked for when no event does
    measurements what of the two verdicts differs: (name, a, b)
    chain        the causal chains, a step a line, where they differ; empty when they don't
    """

    conditions: tuple[Difference, ...]
    differing: tuple[str, ...]
    first: Difference | None
    happened: Difference | None
    packet: Difference | None
    measurements: tuple[Difference, ...]
    chain: tuple[ChainLine, ...]

    @property
    def identical(self) -> bool:
        """Whether events, capture and verdict are the same to the last bit."""
        return not self.differing


def compare(a: RunDirectory, b: RunDirectory) -> Comparison:
    """Compare two runs. Raises BadInput when one of them has no manifest or verdict."""
    differing = tuple(name for name in SAME_BITS if _bytes(a, name) != _bytes(b, name))
    first = _first_event(a, b) if EVENTS in differing else None
    verdicts = a.judgement(), b.judgement()
    return Comparison(
        conditions=tuple(_conditions(a, b)),
        differing=differing,
        first=first,
        happened=_first_happening(a, b) if first else None,
        packet=_first_packet(a, b) if CAPTURE in differing and not first else None,
        measurements=tuple(_measurements(*verdicts)),
        chain=_chains(*verdicts) if VERDICT in differing else (),
    )


def _bytes(run: RunDirectory, name: str) -> bytes | None:
    try:
        return guarded.read(run.path, name, guarded.FILE_LIMIT)
    except FileNotFoundError:
        return None


def _conditions(a: RunDirectory, b: RunDirectory) -> Iterator[Difference]:
    one, other = verified.plan(a), verified.plan(b)
    yield from _named(
        differences(
            {"scenario": one.scenario, "seed": one.seed}, {"scenario": other.scenario, "seed": other.seed}
        )
    )
    yield from _named(differences(one.parameters, other.parameters))
    yield from _named(differences(*(verified.manifest(run).identity for run in (a, b))))


def _named(found: Iterable[tuple[str, str, str]]) -> Iterator[Difference]:
    return (Difference(*parts) for parts in found)


# -- events ------------------------------------------------------------------------------------------------------------


def _first_event(a: RunDirectory, b: RunDirectory) -> Difference:
    pairs = zip_longest(a.events(), b.events())
    for number, (one, other) in enumerate(pairs):
        if one != other:
            return Difference(f"event {number}", _event(one), _event(other))
    return Difference("end of the events", "one of the two is cut off in its last line", "")


def _first_happening(a: RunDirectory, b: RunDirectory) -> Difference | None:
    """The first event that differs in more than times; per node, since times decide how nodes' events interleave.

    Messages and samples of paths are left out: which of them there are when something happens follows from times too, and the
    measurements count the messages.
    """
    streams = _by_node(a), _by_node(b)
    found: list[tuple[int, Difference]] = []
    for node in dict.fromkeys([*streams[0], *streams[1]]):
        for one, other in zip_longest(streams[0].get(node, []), streams[1].get(node, [])):
            if _untimed(one) != _untimed(other):
                when = min(event.t for event in (one, other) if event)
                found.append((when, Difference(f"what {node} reports", _event(one), _event(other))))
                break
    return min(found, key=lambda entry: entry[0])[1] if found else None


def _by_node(run: RunDirectory) -> dict[str, list[Event]]:
    streams: dict[str, list[Event]] = {}
    for event in run.events():
        if not isinstance(event, _TIMED):
            streams.setdefault(event.node, []).append(event)
    return streams


def _untimed(event: Event | None) -> tuple[str, str, dict[str, Any]] | None:
    if event is None:
        return None
    details = {name: value for name, value in event.details().items() if name != "epoch_ns"}
    return event.node, event.kind, details


def _event(event: Event | None) -> str:
    if event is None:
        return _NOTHING
    details = (f"{name}={_text(value)}" for name, value in event.details().items())
    return " ".join([f"{event.t / 1e9:.9f} s", event.node, event.kind, *details])


# -- packets -----------------------------------------------------------------------------------------------------------


def _first_packet(a: RunDirectory, b: RunDirectory) -> Difference | None:
    try:
        captures = [guarded.read(run.path, CAPTURE, guarded.FILE_LIMIT) for run in (a, b)]
        packets = [pcapng.decode(capture).packets for capture in captures]
        for number, (one, other) in enumerate(zip_longest(*packets)):
            if one != other:
                seen = [trace.read(capture).sightings for capture in captures]
                sides = [_packet(each[number]) if number < len(each) else _NOTHING for each in seen]
                return Difference(f"packet {number}", *sides)
    except (OSError, DecodeError, LabError) as error:
        return Difference(CAPTURE, f"cannot be compared: {error}", "")
    return None


def _packet(seen: Sighting) -> str:
    where = f"{seen.time_ns / 1e9:.9f} s {seen.node}.{seen.nic} {seen.direction.name.lower()}"
    if isinstance(seen, SctpPacket):
        chunks = ", ".join(describe(chunk) for chunk in seen.chunks)
        return f"{where} {seen.source} to {seen.destination} tag={seen.tag:08x} {chunks}"
    return f"{where} {type(seen).__name__}"


# -- verdicts ----------------------------------------------------------------------------------------------------------


def _measurements(a: Judgement, b: Judgement) -> Iterator[Difference]:
    sides = [_flat(_figures(verdict)) for verdict in (a, b)]
    for name, one, other in differences(*sides):
        if _DRAWN.sub("", one) != _DRAWN.sub("", other):
            yield Difference(name, one, other)


def _figures(verdict: Judgement) -> dict[str, Any]:
    """What is compared one by one: the rest follows from it, or is compared as a chain."""
    plain = msgspec.to_builtins(verdict)
    for name in ("chain", "steps", "outages", "measures"):
        del plain[name]
    sessions = {f"session {session.pop('number')}": session for session in plain.pop("sessions")}
    for session in sessions.values():
        del session["outages"]
    several = sessions if len(sessions) > 1 else {}  # one has the same figures as the run
    return {**plain, **several, "waits_s": verdict.waits_s, "measures": verdict.figures}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name} ")
        else:
            flat[prefix + name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


def _chains(a: Judgement, b: Judgement) -> tuple[ChainLine, ...]:
    chains = a.chain, b.chain
    keys = [[(step.node, step.step, _DRAWN.sub("", step.text)) for step in chain] for chain in chains]
    lines: list[ChainLine] = []
    for verb, a0, a1, b0, b1 in SequenceMatcher(a=keys[0], b=keys[1], autojunk=False).get_opcodes():
        if verb == "equal":
            pairs = zip(chains[0][a0:a1], chains[1][b0:b1], strict=True)
            lines += [_line(one, one.t, other.t) for one, other in pairs]
        else:
            lines += [_line(step, step.t, None) for step in chains[0][a0:a1]]
            lines += [_line(step, None, step.t) for step in chains[1][b0:b1]]
    return tuple(lines)


def _line(step: CausalStep, a_s: float | None, b_s: float | None) -> ChainLine:
    text = " ".join(_DRAWN.sub("", step.text).split())
    return ChainLine(a_s, b_s, step.node, step.step, text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
