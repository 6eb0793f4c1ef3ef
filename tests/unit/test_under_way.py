"""What of a session is under way when its scenario ends."""

from __future__ import annotations

from experiments.playing.under_way import RECEIVED, SENT, UnderWay

SINCE = 50


def seen(*events: tuple[int, str, int], session: int = 1) -> UnderWay:
    under_way = UnderWay()
    for time_ns, kind, sequence in events:
        under_way.noticed(time_ns, kind, {"session": session, "dir": "up", "seq": sequence})
    return under_way


def test_what_was_sent_and_has_not_come_is_under_way_until_it_comes() -> None:
    under_way = seen((60, SENT, 1), (61, RECEIVED, 1), (62, SENT, 2))
    assert under_way.any({1}, SINCE)
    under_way.noticed(63, RECEIVED, {"session": 1, "dir": "up", "seq": 2})
    assert not under_way.any({1}, SINCE)


def test_a_gap_before_the_last_that_came_is_lost_and_not_under_way() -> None:
    assert not seen((60, SENT, 1), (61, SENT, 2), (62, RECEIVED, 2)).any({1}, SINCE)


def test_nothing_is_under_way_where_nothing_came_of_late_or_ever() -> None:
    assert not seen((40, SENT, 1), (41, RECEIVED, 1), (60, SENT, 2)).any({1}, SINCE)
    assert not seen((60, SENT, 1)).any({1}, SINCE)


def test_only_the_sessions_asked_for_count() -> None:
    assert not seen((60, SENT, 1), (61, RECEIVED, 1), (62, SENT, 2), session=2000).any({1}, SINCE)
