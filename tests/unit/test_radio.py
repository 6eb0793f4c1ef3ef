"""FIG. 8 in memory: the radio, and what signals decide."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from roamlab.protocols import radio
from roamlab.protocols.radio import Model, Sample, Station
from roamlab.protocols.signals import Decision, SignalPolicy, Thresholds

STATIONS = [Station("wlan0", 0.0), Station("wlan1", 90.0)]
BORDER = Path(__file__).parent.parent.parent / "experiments" / "traces" / "border.csv"
SECOND = 1_000_000_000


def walk(seed: int, **changes: float) -> list[Sample]:
    return radio.walk(
        Model(**changes), STATIONS, start_s=0, end_s=30, every_s=0.1, speed=5.0, random=Random(seed)
    )


def decide(samples: Sequence[Sample], **limits: float) -> list[tuple[Decision, str]]:
    policy = SignalPolicy("wlan0", Thresholds(**limits))  # type: ignore[arg-type]
    return [d for s in samples for d in policy.heard(s.levels, round(s.time_s * SECOND))]


CROSSING = [(Decision.ATTACH, "wlan1"), (Decision.PREFER, "wlan1"), (Decision.REMOVE, "wlan0")]


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_walk_from_one_station_to_the_other_changes_over_once(seed: int) -> None:
    """No ping-pong at the border, whatever the shadowing."""
    assert decide(walk(seed))[:3] == CROSSING


def test_without_hysteresis_and_dwell_time_shadowing_makes_it_go_to_and_fro() -> None:
    """What the two are for: the same walks without them."""
    changes = [
        sum(decision is Decision.PREFER for decision, _ in decide(walk(seed), hysteresis=0.0, dwell_ns=0))
        for seed in range(1, 21)
    ]
    assert max(changes) > 3


def test_the_same_seed_gives_the_same_signals() -> None:
    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_without_shadowing_signals_follow_the_distance_alone() -> None:
    samples = walk(1, shadowing=0.0)
    level = [sample.levels["wlan0"] for sample in samples]
    assert level == sorted(level, reverse=True)
    assert samples[0].levels["wlan0"] == -60.0  # -30 dBm at 1 m, 30 dB less a decade: at 10 m


def test_shadowing_has_the_deviation_that_was_asked_for() -> None:
    still = [Station("wlan0", 0.0, offset=1.0)]
    samples = radio.walk(
        Model(power=0.0, exponent=0.0, shadowing=4.0, correlation=0.5),
        still,
        start_s=0,
        end_s=2000,
        every_s=0.1,
        speed=5.0,
        random=Random(3),
    )
    levels = [sample.levels["wlan0"] for sample in samples]
    deviation = (sum(level * level for level in levels) / len(levels)) ** 0.5
    assert 3.5 < deviation < 4.5


def test_weaker_signals_lose_more_and_carry_less() -> None:
    links = [radio.link(float(level)) for level in range(-40, -110, -5)]
    assert [link.loss for link in links] == sorted(link.loss for link in links)
    assert [link.rate for link in links] == sorted((link.rate for link in links), reverse=True)
    assert links[0].loss < 0.01
    assert links[-1].loss > 99


def level(time_s: float, **levels: float) -> Sample:
    return Sample(time_s, levels)


def test_a_nic_that_is_heard_well_for_a_moment_is_not_attached() -> None:
    samples = [level(0, wlan0=-60, wlan1=-70), level(0.4, wlan0=-60, wlan1=-95)]
    assert decide(samples) == []


def test_the_nic_in_use_is_not_removed_while_there_is_no_other() -> None:
    assert decide([level(t / 10, wlan0=-100) for t in range(50)]) == []


def test_a_removed_nic_that_comes_back_is_attached_again() -> None:
    away = [level(t / 10, wlan0=-100, wlan1=-60) for t in range(30)]
    back = [level(3 + t / 10, wlan0=-60, wlan1=-60) for t in range(30)]
    assert decide([*away, *back])[-1] == (Decision.ATTACH, "wlan0")


def test_the_trace_that_comes_along_crosses_its_border_once() -> None:
    assert decide(radio.read_csv(BORDER.read_text())) == CROSSING


def test_a_nic_keeps_its_level_until_its_next_line() -> None:
    samples = radio.read_csv("nic,dbm,time_s\nwlan0,-60,0\nwlan1,-90,0\nwlan1,-70,1.5\n")
    assert samples == [
        Sample(0.0, {"wlan0": -60.0, "wlan1": -90.0}),
        Sample(1.5, {"wlan0": -60.0, "wlan1": -70.0}),
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "time_s,nic,dbm"),
        ("a,b\n", "time_s,nic,dbm"),
        ("time_s,nic,dbm\n", "empty"),
        ("time_s,nic,dbm\n1,wlan0,loud\n", "line 2"),
        ("time_s,nic,dbm\n1,wlan0,nan\n", "line 2"),
        ("time_s,nic,dbm\n2,wlan0,-60\n1,wlan0,-60\n", "line 3"),
        ("time_s,nic,dbm\n2\n", "line 2"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        radio.read_csv(text)
