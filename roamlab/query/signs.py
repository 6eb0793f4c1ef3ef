"""Pages whose tables say what shows something in a run: their signs, read and looked for.

A *sign* is one of

    packet: WORDS              a packet fits these words for `./lab decode --filter`
    packet: WORDS; 2 s later   ... so long after the sign before it, to the millisecond
    event: KIND WORDS          an event of that kind, or a kind below it (stimulus: stimulus.move), holds these words
    none: WORDS                no packet fits, from the sign before it to that behind it, or to the run's end
    none: WORDS; but in RUN    ... whereas one does in another run

Signs follow one another, or come together. In a packet's words a capital letter stands for one number throughout (``tsn=N``,
and then ``serial=N``, ``serial=N+1``).

That something is absent shows only where it might have been there: before ``none`` comes the packet that would have called
for it, or a stimulus (whose verdict wants it in the capture); a twentieth of a second at least is looked at; and a packet must
fit its words at another time of that run, or in the run that is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from roamlab.protocols.trace import Trace
from roamlab.query.filtering import Facts, Filter, facts
from roamlab.record.event import Event
from roamlab.record.events import RunStart

_LEAST_NS: Final = 50_000_000
_EXACT_NS: Final = 1_000_000
_WORD: Final = re.compile(r"(\S+=)([A-Z])(?:\+(\d+))?")
_SIGN: Final = re.compile(r"(packet|event|none): ([^;]+)(?:; (?:([\d.]+) s later|but in `(.+)`))?")
_SERIALS: Final = 1 << 32

Numbers = Mapping[str, int]


@dataclass
class Run:
    """What a run left: events as they stand in its file, packets, and its beginning in ns (CLOCK_REALTIME)."""

    events: list[Event]
    trace: Trace

    def __post_init__(self) -> None:
        self.start = next(event.epoch_ns for event in self.events if isinstance(event, RunStart))
        self.end = max((s.time_ns for s in self.trace.sightings), default=self.start) - self.start
        self._facts: dict[int, Facts] = {}

    def fitting(self, wanted: Filter) -> Iterator[tuple[int, Facts]]:
        """The packets that fit, by their time in ns since the run's start."""
        for packet in wanted.candidates(self.trace):
            said = self._facts.get(packet.index)
            if said is None:
                said = self._facts[packet.index] = facts(packet)
            if wanted.fits(said):
                yield packet.time_ns - self.start, said


@dataclass(frozen=True)
class Sign:
    """One thing that a run must show, or must not."""

    kind: str
    words: str
    later_s: float | None = None
    but_in: str = ""

    @classmethod
    def parse(cls, text: str) -> Sign:
        """Read a sign. ValueError where it is none."""
        found = _SIGN.fullmatch(text)
        if found is None:
            raise ValueError(f"not a sign: {text}")
        kind, words, later, other = found.groups()
        if (later and kind != "packet") or (other and kind != "none"):
            raise ValueError(f"a packet may be later, and what is none may be in another run: {text}")
        return cls(kind, words, float(later) if later else None, other or "")

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"

    def seen(self, run: Run, numbers: Numbers) -> Iterator[tuple[int, Numbers]]:
        """When a run shows it, in ns since its start and in order, and what its letters stand for then."""
        if self.kind == "event":
            yield from ((time, numbers) for time in self._events(run))
            return
        known, unknown = [], {}
        for word in self.words.split(" "):
            letter = _WORD.fullmatch(word)
            if letter is None:
                known.append(word)
            elif letter[2] in numbers:
                number = numbers[letter[2]]
                known.append(f"{letter[1]}{(number + int(letter[3])) % _SERIALS if letter[3] else number}")
            else:
                unknown[letter[2]] = letter[1].rstrip("=")
        for time, said in run.fitting(Filter.parse(" ".join(known))):
            choices: list[Numbers] = [numbers]
            for letter_, field in unknown.items():
                choices = [{**c, letter_: int(value)} for c in choices for value in sorted(said.of(field))]
            yield from ((time, choice) for choice in choices)

    def _events(self, run: Run) -> Iterator[int]:
        kind, *details = self.words.split(" ")
        for event in run.events:
            text = msgspec.json.encode(event).decode()
            of_kind = event.kind == kind or event.kind.startswith(f"{kind}.")
            if of_kind and (" ".join(details) in text or all(word in text for word in details)):
                yield event.t


def cells(line: str) -> list[str]:
    """What stands in a line of a table."""
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def signs(cell: str) -> tuple[Sign, ...]:
    """The signs of a cell. ValueError where one of them is none."""
    return tuple(Sign.parse(sign) for sign in cell.split("<br>"))


class Unshown(Exception):
    """What a page promises is not in the run; or its signs could not have failed."""


def check(signs: Sequence[Sign], run: Run, other: Callable[[str], Run]) -> None:
    """Look for all signs in a run. ``other`` plays the runs that they name. Raises Unshown with the first that is missing."""
    shown = [(n, sign) for n, sign in enumerate(signs) if sign.kind != "none"]
    times, numbers = _follow([sign for _, sign in shown], run, 0, {})
    positions = [n for n, _ in shown]
    ends = [*times, run.end]
    for n, sign in enumerate(signs):
        if sign.kind == "none":
            before = sum(position < n for position in positions)
            if before == 0 or not _calls(signs[positions[before - 1]]):
                raise Unshown(f"{sign}: before it there is no packet that could have called for it")
            _absent(sign, run, (ends[before - 1], ends[before]), numbers, other)


def _calls(sign: Sign) -> bool:
    return sign.kind == "packet" or sign.words.startswith("stimulus ")


def _follow(signs: list[Sign], run: Run, since: int, numbers: Numbers) -> tuple[list[int], Numbers]:
    """When each sign is shown, behind the one before it."""
    if not signs:
        return [], numbers
    sign, *rest = signs
    problem = Unshown(f"{sign} is not in the run after {since / 1e9} s")
    tried: list[Numbers] = []
    for time, chosen in sign.seen(run, numbers):
        due = time >= since if sign.later_s is None else abs(time - since - sign.later_s * 1e9) <= _EXACT_NS
        if not due or chosen in tried:
            continue
        tried.append(chosen)  # of what differs in nothing else, the first leaves most room for what follows
        try:
            times, found = _follow(rest, run, time, chosen)
        except Unshown as further:
            problem = further
        else:
            return [time, *times], found
    raise problem


def _absent(
    sign: Sign, run: Run, window: tuple[int, int], numbers: Numbers, other: Callable[[str], Run]
) -> None:
    since, until = window
    if until - since < _LEAST_NS:
        raise Unshown(f"{sign}: only {(until - since) / 1e9} s are looked at")
    times = [time for time, _ in sign.seen(run, numbers)]
    within = [time for time in times if since <= time < until]
    if within:
        raise Unshown(f"{sign}: there is one at {within[0] / 1e9} s")
    if not (any(True for _ in sign.seen(other(sign.but_in), numbers)) if sign.but_in else times):
        raise Unshown(f"{sign}: nowhere is there a packet that fits, so that this shows nothing")
