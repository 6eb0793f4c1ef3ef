"""Things happen at their times, and what agents report is read when it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from roamlab.lab.clock import Timeline


class Scripted:
    """A clock that stands still but for waiting; sources become readable at set times (ns)."""

    def __init__(self, readable: Mapping[int, str]) -> None:
        self.now = 0
        self._readable = dict(readable)

    def now_ns(self) -> int:
        return self.now

    def wait(self, sources: Iterable[Any], until_ns: int) -> list[Any]:
        due = [when for when in self._readable if when <= max(self.now, until_ns)]
        self.now = max(self.now, min(due, default=until_ns))
        return [name for when, name in self._readable.items() if when <= self.now]

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


def test_a_report_is_read_when_it_comes() -> None:
    taken: list[tuple[int, str]] = []
    play(Scripted({10_000_000: "mn", 60_000_000: "cn"}), {}, taken)
    assert taken == [(10_000_000, "mn"), (60_000_000, "cn")]


def test_an_action_is_not_late_for_reports() -> None:
    clock = Scripted({190_000_000: "mn"})
    when: list[int] = []
    play(clock, {0.2: lambda: when.append(clock.now)}, [])
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


def test_a_plan_whose_first_act_is_overdue_moves_on_by_whole_seconds() -> None:
    clock = Scripted({})
    clock.now = 3_200_000_000
    when: list[int] = []
    timeline = Timeline(clock, 0)
    for time_s in (1.0, 5.0):
        timeline.at(time_s, lambda: when.append(clock.now))
    timeline.postpone()
    timeline.play(6.0, dict)
    assert when == [4_000_000_000, 8_000_000_000]
    assert clock.now == 9_000_000_000


def test_a_plan_that_is_on_time_stays_and_what_is_not_yet_in_it_counts() -> None:
    clock = Scripted({})
    clock.now = 500_000_000
    timeline = Timeline(clock, 0)
    timeline.at(1.0, lambda: None)
    timeline.postpone()
    assert timeline.ns(1.0) == 1_000_000_000
    timeline.postpone([0.4])
    assert timeline.ns(1.0) == 2_000_000_000
