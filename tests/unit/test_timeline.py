"""Things happen at their times; what agents report is read a while later, many at a time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from experiments.playing.clock import SystemClock, Timeline


class Scripted:
    """A clock that stands still but for waiting; sources become readable at set times (ns)."""

    def __init__(self, readable: Mapping[int, str]) -> None:
        self.now = 0
        self.pauses: list[int] = []
        self._readable = dict(readable)

    def now_ns(self) -> int:
        return self.now

    def wait(self, sources: Iterable[Any], until_ns: int) -> list[Any]:
        due = [when for when in self._readable if when <= max(self.now, until_ns)]
        self.now = max(self.now, min(due, default=until_ns))
        return [name for when, name in self._readable.items() if when <= self.now]

    def pause(self, sources: Iterable[Any], until_ns: int) -> None:
        self.now = max(self.now, until_ns)
        self.pauses.append(until_ns)

    def take(self, name: str) -> None:
        self._readable = {when: other for when, other in self._readable.items() if other != name}


def play(clock: Scripted, actions: Mapping[float, Callable[[], None]], taken: list[tuple[int, str]]) -> None:
    def reader(name: str) -> Callable[[], None]:
        def read() -> None:
            taken.append((clock.now, name))
            clock.take(name)

        return read

    timeline = Timeline(clock, 0)
    for when, action in actions.items():
        timeline.at(when, action)
    timeline.play(1.0, lambda: {"mn": reader("mn"), "cn": reader("cn")}, nullcontext)


def test_actions_happen_in_the_order_of_their_times() -> None:
    happened: list[str] = []
    play(Scripted({}), {0.5: lambda: happened.append("b"), 0.2: lambda: happened.append("a")}, [])
    assert happened == ["a", "b"]


def test_reports_wait_for_more_and_are_read_together() -> None:
    taken: list[tuple[int, str]] = []
    play(Scripted({10_000_000: "mn", 60_000_000: "cn"}), {}, taken)
    assert taken == [(110_000_000, "mn"), (110_000_000, "cn")]


def test_an_action_is_not_late_for_reports() -> None:
    clock = Scripted({190_000_000: "mn"})
    when: list[int] = []
    play(clock, {0.2: lambda: when.append(clock.now)}, [])
    assert clock.pauses == [200_000_000]
    assert when == [200_000_000]


def test_what_is_read_together_is_one_batch() -> None:
    batches: list[str] = []

    @contextmanager
    def batch() -> Iterator[None]:
        batches.append("begin")
        yield
        batches.append("end")

    clock = Scripted({10_000_000: "mn"})
    Timeline(clock, 0).play(1.0, lambda: {"mn": lambda: clock.take("mn")}, batch)
    assert batches == ["begin", "end"]


def test_a_pause_ends_when_the_other_end_closes() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    before = time.monotonic()
    SystemClock().pause([ours], time.time_ns() + 5 * 10**9)
    assert time.monotonic() - before < 2
    ours.close()


def test_a_pause_goes_on_when_there_is_something_to_read() -> None:
    ours, theirs = socket.socketpair()
    theirs.send(b"an event\n")
    before = time.time_ns()
    SystemClock().pause([ours], before + 50_000_000)
    assert time.time_ns() - before >= 49_000_000
    ours.close()
    theirs.close()
