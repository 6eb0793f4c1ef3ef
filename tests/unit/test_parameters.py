"""Parameters are read as their types and refused out of their ranges, before anything boots."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from roamlab import parameters
from roamlab.errors import BadInput
from roamlab.parameters import bounds, file_content, shown
from roamlab.registry import Scenario, find, scenarios
from roamlab.where import PACKAGE, inside_files

SCENARIOS = scenarios()
BORDER = PACKAGE / "experiments" / "traces" / "border.csv"

NONSENSE = [
    *(
        "edge_bw=1e-6",
        "edge_bw=0",
        "edge_bw=-1",
        "edge_bw=9e8",
        "edge_bw=nan",
        "edge_bw=inf",
        "edge_bw=1e400",
    ),
    *("edge_loss=150", "edge_loss=-1", "edge_loss=100.001", "edge_delay_ms=1e8", "edge_delay_ms=-0.1"),
    *(
        "core_delay_ms=60001",
        "site_delay_ms=nan",
        "visited_delay_ms=-1",
        "visited2_delay_ms=1e9",
        "edge_jitter_ms=1e6",
    ),
    *(
        "gap=30",
        "gap=15",
        "gap=-1",
        "gap=1e308",
        "length=5",
        "length=0",
        "length=1e9",
        "cadence=0",
        "cadence=-1",
    ),
    *(
        "cadence=1e-9",
        "cadence=61",
        "family=5",
        "family=",
        "family=4.0",
        "family=true",
        "way=sock",
        "way=\udcff",
    ),
    *("gap=1,5", "gap=0x10", "gap=1e", "gap=two", "gap=[/x]", "gap=\x1b[2J", "gap=" + "9" * 5000, "gap=True"),
]


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_one_sentence_about_its_parameter(text: str) -> None:
    name, _, value = text.partition("=")
    with pytest.raises(BadInput) as refused:
        SCENARIOS["fig09"].complete({name: value})
    assert name in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("scenario", "texts"),
    [
        ("pingpong", {"moves": "0"}),
        ("pingpong", {"moves": "-5"}),
        ("pingpong", {"moves": "100001"}),
        ("pingpong", {"moves": "1.5"}),
        ("pingpong", {"every": "0"}),
        ("pingpong", {"cadence": "0"}),
        ("fig08", {"speed": "0"}),
        ("fig08", {"speed": "-1"}),
        ("fig08", {"apart": "0"}),
        ("fig08", {"hysteresis": "1000"}),
        ("fig06", {"pause": "7"}),
        ("fig09-fixed", {"gap": "15"}),
        ("return-home", {"gap": "5"}),
        ("mip-move", {"gap": "7", "onward": "true"}),
        ("fa-failure", {"back": "16"}),
        ("lifetime-expiry", {"lifetime": "-1"}),
        ("lifetime-expiry", {"lifetime": "65536"}),
        ("fig01", {"granted": "0"}),
        ("fig01", {"skew": "-1"}),
        ("mip-replay", {"after": "1e9"}),
    ],
)
def test_other_scenarios_have_ranges_of_their_own(scenario: str, texts: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        SCENARIOS[scenario].complete(texts)


def test_ends_of_a_range_are_in_it_and_values_that_fit_together_are_taken() -> None:
    fig09 = SCENARIOS["fig09"]
    assert fig09.complete({"edge_loss": "100", "edge_bw": "0.001"})["edge_loss"] == 100
    assert fig09.complete({"gap": "30", "length": "60"})["gap"] == 30
    assert fig09.complete({"edge_bw": "null"})["edge_bw"] is None
    assert SCENARIOS["mip-move"].complete({"gap": "7"})["gap"] == 7


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_defaults_are_within_their_ranges(scenario: Scenario) -> None:
    for name, parameter in scenario.parameters().items():
        parameters.check(name, parameter.default, parameter)
        low, high = bounds(parameter.annotation)
        assert low < high
    assert scenario.checked({}) == scenario.complete({})


def test_what_a_record_says_is_checked_as_well() -> None:
    fig09 = SCENARIOS["fig09"]
    assert fig09.checked({"gap": 2, "gone": 1})["gap"] == 2.0
    for wrong in ({"gap": "2"}, {"gap": -1}, {"family": 5}, {"gap": [1]}, {"gap": 30.0}):
        with pytest.raises(BadInput):
            fig09.checked(wrong)


def test_a_trace_is_read_where_the_command_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "walk.csv").write_bytes(BORDER.read_bytes())
    monkeypatch.chdir(tmp_path)
    value = find("fig08").complete({"trace": "walk.csv"})["trace"]
    assert file_content(value) == BORDER.read_text()
    assert str(shown(value)).startswith("walk.csv@")
    assert msgspec.json.decode(msgspec.json.encode(value)) == value
    assert find("fig08").checked({"trace": value})["trace"] == value


def test_another_content_is_another_value_of_the_same_name(tmp_path: Path) -> None:
    trace = tmp_path / "walk.csv"
    values = []
    for level in (-60, -61):
        trace.write_text(f"time_s,nic,dbm\n2,wlan0,{level}\n")
        values.append(find("fig08").complete({"trace": str(trace)})["trace"])
    assert values[0] != values[1]
    assert shown(values[0]) != shown(values[1])


def test_what_is_no_trace_is_refused_outside(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "not-a-trace").write_text("a,b")
    (tmp_path / "not-utf8").write_bytes(b"\xff\xfe")
    (tmp_path / "nul").write_bytes(b"time_s,nic,dbm\n\0")
    (tmp_path / "too-long").write_bytes(b" " * ((1 << 20) + 1))
    os.mkfifo(tmp_path / "pipe")
    names = [str(path) for path in tmp_path.iterdir()]
    for name in [*names, "missing", "/dev/zero", "x" * 1500, "\0", "\udcff"]:
        with pytest.raises(BadInput, match="trace="):
            find("fig08").complete({"trace": name})


def test_data_that_comes_along_is_part_of_the_code() -> None:
    assert BORDER in set(inside_files())
    assert not any("__pycache__" in path.parts for path in inside_files())
