"""What stands on a terminal that is narrow, and what is left of it in a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from roamlab.record.result import Both, Count, Judgement, Result
from roamlab.registry import scenarios
from roamlab.reports import terminal

RESULT = Result(
    judgement=Judgement(
        scenario="fig09",
        figure="FIG. 9",
        verdict="survived",
        expected="survived",
        reasons=["the same association delivered every message sent before and after the move"],
        outage_s=Both(2.717, 3.155),
        lower_bound_s=Both(2.625, 2.711),
        lost=Count(0, 0),
    ),
    parameters={"gap": 2.0},
    kernel={"kind": "uml", "version": "7.3.4", "variant": "", "virtual_time": True},
    seed=1,
    run_dir="/runs/fig09/1",
    wall_s=1.5,
    status=0,
)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of sixty columns."""
    screen = io.StringIO()
    made = Console(file=screen, width=60, force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr("roamlab.reports.terminal.console", lambda **_: made)
    return screen


def test_every_scenario_is_named_in_full_on_a_narrow_terminal(narrow: io.StringIO) -> None:
    terminal.show_scenarios(scenarios())
    said = narrow.getvalue()
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 60
    for name, scenario in scenarios().items():
        assert f"{name} (" in said
        assert all(word in said for word in scenario.summary.split())


def test_a_narrow_table_has_verdict_and_outages_and_no_bound(narrow: io.StringIO) -> None:
    terminal.show_result(RESULT)
    said = narrow.getvalue()
    assert "…" not in said
    assert "fig09 gap=2.0 survived 2.717/3.155  0/0" in said
    assert "2.625" not in said
    assert said.splitlines()[2].startswith("  ")


def test_a_table_in_a_file_has_all_columns_and_no_spaces_behind(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table([RESULT])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "scenario",
        "expected",
        "verdict",
        "outage",
        "s",
        "lost",
        "dup.",
        "bound",
        "s",
        "ratio",
    ]
    assert lines[1].endswith("2.625/2.711 1.04/1.16")
    assert [line.rstrip() for line in lines] == lines
