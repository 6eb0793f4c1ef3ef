"""Silences, whose they are, and how an outage is cut: the parts add up to it, whatever the cuts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roamlab.judge.parts import UNEXPLAINED, Cut, partition
from roamlab.judge.silences import Silence, owner, silences

TIMES = st.integers(0, 10**10)
CUTS = st.lists(st.builds(Cut, st.sampled_from(["a", "b", "c"]), TIMES), max_size=8)


def deliveries(*times: int) -> list[tuple[int, tuple[int, str, int]]]:
    return [(time, (1, "up", number)) for number, time in enumerate(times)]


@given(TIMES, TIMES, CUTS)
def test_the_parts_add_up_to_the_outage(one: int, other: int, cuts: list[Cut]) -> None:
    start, end = sorted((one, other))
    parts = partition(start, end, cuts)
    assert sum(part.length_ns for part in parts) == end - start
    assert all(part.length_ns > 0 for part in parts)


def test_a_cut_before_the_one_before_it_takes_nothing() -> None:
    parts = partition(0, 100, [Cut("a", 60), Cut("b", 40), Cut("c", 80)])
    assert [(part.name, part.length_ns) for part in parts] == [("a", 60), ("c", 20), (UNEXPLAINED, 20)]


def test_a_silence_up_to_the_shortest_is_none() -> None:
    heard = deliveries(0, 10, 20, 60, 70)
    assert [(s.from_ns, s.until_ns) for s in silences(heard, 0, None, 20)] == [(20, 60)]


def test_a_silence_that_was_over_before_the_stimulus_is_left_out() -> None:
    heard = deliveries(0, 50, 60, 110)
    assert [(s.from_ns, s.until_ns) for s in silences(heard, 55, None, 20)] == [(60, 110)]


def test_a_message_that_never_came_makes_a_silence_without_an_end() -> None:
    (silence,) = silences(deliveries(0, 10), 5, 90, 20)
    assert (silence.from_ns, silence.until_ns, silence.length_ns) == (10, None, None)


def test_one_lost_message_behind_the_last_delivery_is_no_silence() -> None:
    assert list(silences(deliveries(0, 10), 5, 20, 20)) == []


def test_a_silence_belongs_to_the_stimulus_in_it_or_to_the_last_before_it() -> None:
    effects = [100, 200, 300]
    assert owner(Silence(90, 150), effects) == 0
    assert owner(Silence(195, 250), effects) == 1
    assert owner(Silence(210, 260), effects) == 1
    assert owner(Silence(290, None), effects) == 2
    assert owner(Silence(400, 500), effects) == 2
