"""What of a session is under way when its scenario ends."""

from __future__ import annotations

from roamlab.lab.under_way import UnderWay
from roamlab.record.events import AssociationLost, Data, DataReceived, DataSent

SENT, RECEIVED = DataSent, DataReceived


def seen(*events: tuple[type[Data], int], session: int = 1, stimulus_after: int = 0) -> UnderWay:
    under_way = UnderWay()
    for number, (kind, sequence) in enumerate(events):
        if number == stimulus_after:
            under_way.stimulated(number - 1)
        under_way.noticed(kind(session, "up", sequence, t=number))
    return under_way


def test_what_was_sent_and_has_not_come_is_under_way_until_it_comes() -> None:
    under_way = seen((SENT, 1), (RECEIVED, 1), (SENT, 2))
    assert under_way.any({1})
    under_way.noticed(RECEIVED(1, "up", 2, t=9))
    assert not under_way.any({1})


def test_a_gap_before_the_last_that_came_is_lost_and_not_under_way() -> None:
    assert not seen((SENT, 1), (SENT, 2), (RECEIVED, 2)).any({1})


def test_nothing_is_under_way_where_nothing_came_that_is_younger_than_the_last_stimulus() -> None:
    assert not seen((SENT, 1), (SENT, 2)).any({1})
    assert not seen((SENT, 1), (RECEIVED, 1), (SENT, 2), stimulus_after=1).any({1})
    assert seen((SENT, 1), (SENT, 2), (SENT, 3), (RECEIVED, 2), stimulus_after=1).any({1})


def test_what_was_sent_before_the_stimulus_may_be_told_after_it() -> None:
    under_way = seen((RECEIVED, 1), (SENT, 2))
    under_way.stimulated(50)
    under_way.noticed(SENT(1, "up", 3, t=40))
    under_way.noticed(SENT(1, "up", 4, t=60))
    under_way.noticed(RECEIVED(1, "up", 3, t=61))
    assert not under_way.any({1})


def test_a_lost_association_has_nothing_under_way() -> None:
    under_way = seen((SENT, 1), (RECEIVED, 1), (SENT, 2))
    under_way.noticed(AssociationLost(session=1, t=9))
    assert not under_way.any({1})


def test_only_the_sessions_asked_for_count() -> None:
    assert not seen((SENT, 1), (RECEIVED, 1), (SENT, 2), session=2000).any({1})
