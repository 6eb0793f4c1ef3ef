"""What a node keeps for a session that moves and moves."""

import pytest

from roamlab.agents.sctp_state import local_addresses
from roamlab.judge.evidence import Evidence
from roamlab.judge.growth import growth, measures
from roamlab.protocols.trace import Trace
from roamlab.record.events import SctpState
from roamlab.record.result import Measure


def evidence(*samples: tuple[int, int]) -> Evidence:
    """Evidence with samples (associations, peer addresses) of one node."""
    events = [
        SctpState(associations, peers, 1, t=number, node="cn")
        for number, (associations, peers) in enumerate(samples)
    ]
    return Evidence(Trace((), (), truncated=False), events)


def test_two_addresses_in_the_middle_of_a_move_are_no_growth() -> None:
    assert growth(evidence((1, 1), (1, 2), (1, 1))) == []


@pytest.mark.parametrize(
    ("last", "word"),
    [((1, 3), "3 peer addresses"), ((2, 1), "2 associations")],
)
def test_what_grows_is_named(last: tuple[int, int], word: str) -> None:
    (reason,) = growth(evidence((1, 1), last))
    assert word in reason


def test_a_run_without_samples_has_nothing_to_say() -> None:
    assert growth(evidence()) == []
    assert measures(evidence()) == []


def test_the_most_is_measured() -> None:
    assert measures(evidence((1, 2), (1, 1))) == [
        Measure("state_cn_addresses", 3.0, "", "less"),
    ]


def test_local_addresses_stand_before_the_arrow_of_proc() -> None:
    row = "ffff 0 2 1 3 1 1 0 0 0 1234 50000 5001   *192.0.2.10 198.51.100.10 <-> *203.0.113.10 \t 7500 10 10 2 0 0"
    assert local_addresses(row) == ["198.51.100.10", "192.0.2.10"]
    assert local_addresses("0 5001  2001:db8::1 <-> 2001:db8::2 1") == ["2001:db8::1"]
