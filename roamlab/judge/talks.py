"""What became of each service that the mobile node's programs used: carried on, taken up again, or broken off.

A service is what was talked to (a port of a node); its conversations are what one protocol calls one: a connection, an
association. Only the capture is asked, and when the NIC left and came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roamlab.protocols.conversations import Conversation, Moment, Way
from roamlab.record.result import Outage, Talk

WAYS: Final[tuple[Way, Way]] = ("up", "down")
SETS_UP: Final = ("SYN", "INIT", "Initial", "initiation")
_LATE_NS: Final = 200_000_000
_ORDINARY: Final = 20
_REGULAR: Final = 3
_SOON_NS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Absence:
    """When the mobile node's NIC left, and when it was back (ns since the epoch); in general, when things began to change.

    ``begun``, ``back`` and ``after`` say so in words.
    """

    left_ns: int
    back_ns: int
    begun: str = "the NIC left"
    back: str = "the NIC was back"
    after: str = "the move"


@dataclass(frozen=True, slots=True)
class Service:
    """A service with its conversations in the order in which they began."""

    talks: tuple[Conversation, ...]

    @property
    def title(self) -> str:
        """What to call it."""
        return self.talks[0].title

    def heard(self, way: Way) -> list[Moment]:
        """New data as it arrived, over all conversations."""
        return sorted((m for talk in self.talks for m in talk.heard if m.way == way), key=lambda m: m.time_ns)

    def tried(self, way: Way) -> list[Moment]:
        """Data as it left, again or for the first time, over all conversations."""
        return sorted((m for talk in self.talks for m in talk.tried if m.way == way), key=lambda m: m.time_ns)


def services(talks: Sequence[Conversation]) -> list[Service]:
    """Conversations by service, in the order in which the services were first used."""
    grouped: dict[tuple[str, str, int], list[Conversation]] = {}
    for talk in talks:
        grouped.setdefault(talk.service, []).append(talk)
    return [Service(tuple(members)) for members in grouped.values()]


def under_way(service: Service, absence: Absence) -> list[Conversation]:
    """The conversations that the absence fell into: with data before, and not ended in order by then."""
    return [
        talk
        for talk in service.talks
        if any(moment.time_ns <= absence.left_ns for moment in talk.heard)
        and not _closed(talk, absence.left_ns)
    ]


def became(service: Service, absence: Absence, epoch_ns: int) -> Talk | None:
    """What became of a service; None for one that the absence did not fall into, and that nobody used afterwards."""
    before = under_way(service, absence)
    later = [talk for talk in service.talks if talk.first_ns > absence.left_ns]
    used = any(moment.time_ns <= absence.left_ns for talk in service.talks for moment in talk.heard)
    if not used or not (before or later):
        return None
    outages = tuple(found for way in WAYS if (found := outage(service, way, absence, epoch_ns)) is not None)
    carried_on = [talk for talk in before if _both_ways(talk, absence.back_ns)]
    taken_up = [talk for talk in later if _both_ways(talk, absence.left_ns)]
    facts = [*_tries(service, absence, epoch_ns), *_noticed(service, absence, epoch_ns)]
    if carried_on:
        addresses = carried_on[0].addresses
        moved = f" at {addresses[-1]}" if len(addresses) > 1 else ""
        how = f"{service.title}: the same {_noun(carried_on[0])} went on{moved}"
        return Talk(service.title, "survived", how, outages, tuple(facts))
    if taken_up:
        at_s = (taken_up[0].first_ns - epoch_ns) / 1e9
        since = (taken_up[0].first_ns - absence.back_ns) / 1e9
        how = f"{service.title}: a new {_noun(taken_up[0])} took over at {at_s:.2f} s, {since:.2f} s after {absence.back}"
        return Talk(service.title, "recovered", how, outages, tuple(facts))
    how = f"{service.title}: nothing came through after {absence.after}"
    return Talk(service.title, "broke", how, outages, tuple(facts))


def given_up(service: Service) -> Talk | None:
    """What became of a service that was used again and again before the NIC left, and never afterwards."""
    if len(service.talks) < 2 or not any(talk.heard for talk in service.talks):
        return None
    how = f"{service.title}: {len(service.talks)} conversations before the move, and none afterwards"
    return Talk(service.title, "broke", how)


def outage(service: Service, way: Way, absence: Absence, epoch_ns: int) -> Outage | None:
    """The longest silence of one direction that somebody did not want, since the NIC left; None where there was none.

    A silence that the program keeps itself is no outage. That it was none of its own shows by data that left in it and did not
    arrive, or by its ending as soon as it could, where the program had not been silent for half as long before.
    """
    heard = service.heard(way)
    if not any(moment.time_ns <= absence.left_ns for moment in heard):
        return None
    times = [moment.time_ns for moment in heard]
    lost = _blocked(service, way)
    # Where a conversation broke off, opening another is wanting to talk; who had hardly spoken before keeps his own silence.
    spoke = sum(time <= absence.left_ns for time in times)
    opened = [talk.first_ns for talk in service.talks if talk.first_ns > absence.left_ns]
    again = opened if spoke >= _REGULAR and under_way(service, absence) else []
    found: tuple[int, int] | None = None
    for begun, ended in pairwise(times):
        unwanted = _was_wanted(times, begun, ended, [*lost, *again], absence)
        if ended > absence.left_ns and unwanted and (found is None or ended - begun > found[1] - found[0]):
            found = begun, ended
    last = times[-1]
    if any(time > max(last, absence.left_ns - _SOON_NS) for time in lost):
        return Outage(direction=way, from_ns=last - epoch_ns, until_ns=None)
    return (
        None
        if found is None
        else Outage(direction=way, from_ns=found[0] - epoch_ns, until_ns=found[1] - epoch_ns)
    )


def _was_wanted(times: list[int], begun: int, ended: int, lost: list[int], absence: Absence) -> bool:
    if any(begun < time < ended for time in lost):
        return True
    ordinary = [b - a for a, b in pairwise([time for time in times if time <= begun][-_ORDINARY:])]
    usual = max(ordinary, default=0)
    soon = ended - absence.back_ns <= max(_SOON_NS, 2 * usual)
    return begun <= absence.back_ns and soon and bool(ordinary) and ended - begun > 2 * usual


def _blocked(service: Service, way: Way) -> list[int]:
    """When data left that did not arrive within a time in which others did."""
    heard = [moment.time_ns for moment in service.heard(way)]
    tried = [moment.time_ns for moment in service.tried(way)]
    blocked = []
    place = 0
    for time in tried:
        while place < len(heard) and heard[place] < time:
            place += 1
        if place == len(heard) or heard[place] - time > _LATE_NS:
            blocked.append(time)
    return blocked


def _both_ways(talk: Conversation, since_ns: int) -> bool:
    """Whether new data came through after a moment, and packets both ways."""
    news = any(moment.time_ns > since_ns for moment in talk.heard)
    ways = {way for time, way in talk.packets if time > since_ns}
    return news and ways == set(WAYS)


def _closed(talk: Conversation, by_ns: int) -> bool:
    ends = {mark.way for mark in talk.marked("FIN", "SHUTDOWN") if mark.time_ns <= by_ns}
    return len(ends) == 2 or any(mark.time_ns <= by_ns for mark in talk.marked("RST", "ABORT"))


def _noun(talk: Conversation) -> str:
    return {
        "sctp": "association",
        "udp": "exchange of datagrams",
        "icmp": "series of echoes",
        "wireguard": "tunnel",
    }.get(talk.kind, "connection")


def _tries(service: Service, absence: Absence, epoch_ns: int) -> list[str]:
    """What was sent in vain: how often data was repeated, and how long the last wait between two repeats was."""
    facts = []
    for way in WAYS:
        again = [
            moment.time_ns
            for moment in service.tried(way)
            if moment.what == "again" and moment.time_ns > absence.left_ns
        ]
        if len(again) < 2:
            continue
        whose = "mobile node" if way == "up" else "correspondent"
        waits = [b - a for a, b in pairwise(again)]
        grown = f", the waits growing to {max(waits) / 1e9:.2f} s" if max(waits) > 2 * min(waits) else ""
        doubling = " (the retransmission timeout doubles each time)" if grown else ""
        facts.append(f"the {whose} repeated data {len(again)} times{grown}{doubling}")
    opened = [
        m for talk in service.talks for m in talk.marked(*SETS_UP) if m.sent and m.time_ns > absence.left_ns
    ]
    if opened:
        first = (opened[0].time_ns - epoch_ns) / 1e9
        facts.append(
            f"{opened[0].what} first sent at {first:.2f} s"
            + (f", {len(opened)} in all" if len(opened) > 1 else "")
        )
    return facts


def _noticed(service: Service, absence: Absence, epoch_ns: int) -> list[str]:
    """Who ended a conversation, and when."""
    facts = []
    for talk in service.talks:
        ends = [
            m
            for m in talk.marked("RST", "ABORT", "FIN", "SHUTDOWN")
            if m.sent and m.time_ns > absence.left_ns
        ]
        for end in ends[:1]:
            who = "the mobile node" if end.way == "up" else talk.peer[0]
            facts.append(f"{who} sent {end.what} at {(end.time_ns - epoch_ns) / 1e9:.2f} s")
    return facts
