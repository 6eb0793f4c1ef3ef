"""The matrix of sessions and moves sorts by a column, and shows what is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from roamlab.repeat.matrix import Plan
from roamlab.reports import moves
from tests.browser.conftest import Open
from tests.unit.test_matrix import cell


def test_the_matrix_sorts_and_filters(tmp_path: Path, open_page: Open) -> None:
    plan = Plan.parse("tcp,sctp,mptcp", "one-nic-0,two-nics-0", (1,))
    cells = [
        cell("tcp", "one-nic-0", "broke"),
        cell("tcp", "two-nics-0", "broke"),
        cell("sctp", "one-nic-0", "survived", 0.4),
        cell("sctp", "two-nics-0", "broke", expected="survived"),
        cell("mptcp", "one-nic-0", "survived", 0.3),
        cell("mptcp", "two-nics-0", "survived", 0.3),
    ]
    page = open_page(moves.write(tmp_path, plan, cells, {})[0]).page

    def order() -> list[str]:
        names: list[str] = page.locator("tbody th:visible").all_inner_texts()
        return names

    assert order() == ["tcp", "sctp", "mptcp"]
    heading = page.get_by_role("button", name="one NIC, gap 0 s")
    heading.click()
    assert order() == ["mptcp", "sctp", "tcp"]
    heading.click()
    assert order() == ["tcp", "sctp", "mptcp"]
    page.get_by_label("Outcome").select_option("survived")
    assert order() == ["sctp", "mptcp"]
    assert page.locator("#shown").inner_text() == "3 cells"
    page.get_by_label("Sessions and moves that contain").fill("two nics")
    assert order() == ["mptcp"]
    page.get_by_label("Outcome").select_option("")
    page.get_by_label("Sessions and moves that contain").fill("tcp")
    assert order() == ["tcp", "mptcp"]


def test_each_kernel_has_a_tab(tmp_path: Path, open_page: Open) -> None:
    plan = Plan.parse("tcp", "one-nic-0", (1,))
    old = cell("tcp", "one-nic-0", "broke")
    new = replace(old, kernel="7.3.4 mended", verdict="survived", expected="survived")
    page = open_page(moves.write(tmp_path, plan, [old, new], {})[0]).page
    first, second = (page.get_by_role("tab", name=name, exact=True) for name in ("7.3.4", "7.3.4 mended"))
    assert page.locator("table:visible .word").inner_text().endswith("broke")
    first.focus()
    page.keyboard.press("ArrowRight")
    assert second.get_attribute("aria-selected") == "true"
    assert page.locator("table:visible .word").inner_text().endswith("survived")
    first.click()
    assert page.locator("table:visible .word").inner_text().endswith("broke")
