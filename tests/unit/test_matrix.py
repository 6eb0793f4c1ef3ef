"""Which combinations a matrix has, what its cells say over seeds, and its page and Markdown file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.repeat.matrix import Cell, Plan, Spread
from roamlab.repeat.moves import MOVES, sessions
from roamlab.reports import moves

NOTHING = Spread(None, None, None)


def cell(session: str, move: str, verdict: str, outage: float | None = None, expected: str = "") -> Cell:
    figure = Spread.of([outage])
    bound = Spread.of([None if outage is None else 0.2])
    reason = f"why <{session}>"
    return Cell(
        session, move, "7.3.4", verdict, expected or verdict, reason, 1, figure, figure, bound, bound, (0, 0)
    )


def test_every_combination_is_played_or_has_its_reason() -> None:
    plan = Plan.parse("", "", (1, 2))
    places = [place for _, some in plan.grids() for place in some]
    without = [(s.name, m.name) for s in plan.sessions for m in MOVES.values() if s.lacks(m)]
    assert len(places) == len({(s, m.name) for s, m in places}) == len(sessions()) * len(MOVES) - len(without)
    assert ("tcp-mip", "two-nics-0") in without
    assert len(plan) == 2 * len(places)
    for grid, some in plan.grids():
        for parameters, (session, move) in zip(grid.combinations, some, strict=True):
            assert parameters["transport"] == session.name.removesuffix("-mip")
            assert parameters.get("mobile_ip", False) == session.name.endswith("-mip")
            assert {name: f"{parameters[name]}".removesuffix(".0") for name in move.settings} == move.settings


def test_a_name_that_there_is_not_is_said_with_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"no transport 'mptpc' .*'mptcp'"):
        Plan.parse("mptpc", "", (1,))
    with pytest.raises(BadInput, match=r"no move 'one-nicc' .*'one-nic-"):
        Plan.parse("", "one-nicc", (1,))


def test_a_name_before_a_dash_stands_for_all_of_its_kind() -> None:
    plan = Plan.parse("sctp", "two-nics,address", (1,))
    assert [move.name for move in plan.moves] == ["two-nics-1", "two-nics-0.1", "two-nics-0", "address"]


def test_a_figure_without_an_end_is_the_most() -> None:
    assert Spread.of([0.3, 0.1, 0.2]) == Spread(0.1, 0.2, 0.3)
    assert Spread.of([0.3, None]) == Spread(0.3, None, None)
    assert moves.spread(Spread(0.1, 0.2, 0.3)) == "0.200 (0.100 to 0.300)"
    assert moves.spread(Spread(0.2, 0.2, 0.2)) == "0.200"
    assert moves.spread(NOTHING) == "-"


def test_the_page_and_the_table_hold_every_cell(tmp_path: Path) -> None:
    plan = Plan.parse("sctp,tcp,tcp-mip", "one-nic-0,two-nics-0", (1,))
    cells = [
        cell("sctp", "one-nic-0", "survived", 0.3),
        cell("sctp", "two-nics-0", "broke", expected="survived"),
        cell("tcp", "one-nic-0", "broke"),
        cell("tcp", "two-nics-0", "broke"),
        cell("tcp-mip", "one-nic-0", "survived", 1.2),
        cell("tcp-mip", "two-nics-0", "unsupported"),
    ]
    cells[2] = replace(cells[2], told=(("cn", Spread.of([5.6])), ("mn", Spread.of([4.9]))))
    page, text, drawn = moves.write(tmp_path, plan, cells, {"7.3.4": {"kernel_sha256": "47de81940c99"}})
    content = page.read_text()
    assert content.count("<td ") == len(cells)
    assert content.count(' surprise"') == 1
    assert "why &lt;tcp-mip&gt;" in content
    assert "why <" not in content
    table = text.read_text().splitlines()
    assert table[4] == "| sctp | survived 0.300 / 0.300 [1.50/1.50] | broke (!) |"
    assert table[5].startswith("| tcp | broke, cn told after 5.600 s, mn told after 4.900 s |")
    assert table[6].endswith("| unsupported: why <tcp-mip> |")
    assert "* kernel_sha256: 47de81940c99" in table
    assert "mn told after 4.900 s" in content
    assert "47de81940c99" in content
    picture = drawn.read_text()
    assert (picture.count('class="survived'), picture.count("surprise")) == (2, 2)  # a field, and the style
    assert ">0.300<" in picture
    assert ">1.20<" in picture
    assert 'role="tablist"' not in content.partition("<main>")[2]
