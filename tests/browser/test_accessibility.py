"""axe-core finds nothing serious, on wide and narrow screens, in light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roamlab.repeat.matrix import Plan
from roamlab.reports import matrix, moves, sweep
from roamlab.reports import page as pages
from tests.browser import samples
from tests.browser.conftest import Open
from tests.unit.test_matrix import cell
from tests.unit.test_report_sweep import rows, save

axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)

LOOKS = [
    pytest.param(
        {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}, id=f"{width}-{scheme}"
    )
    for width in (1440, 390)
    for scheme in ("light", "dark")
]


def serious(page: Any) -> list[str]:
    # axe is put into the page by a script, which the page's own policy forbids to all but its own.
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {[node['html'][:120] for node in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_a_report(tmp_path: Path, open_page: Open, look: dict[str, Any]) -> None:
    page = open_page(pages.write(samples.real(tmp_path)), bypass_csp=True, **look).page
    page.click("#move")
    page.focus("#ladder")
    page.keyboard.press("ArrowDown")
    assert serious(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_report_of_a_dead_guest(tmp_path: Path, open_page: Open, look: dict[str, Any]) -> None:
    assert serious(open_page(pages.write(samples.dead(tmp_path)), bypass_csp=True, **look).page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_matrix(tmp_path: Path, open_page: Open, look: dict[str, Any]) -> None:
    runs = [samples.real(tmp_path / "a"), samples.dead(tmp_path / "b")]
    page = open_page(matrix.write(runs, tmp_path / "matrix.html"), bypass_csp=True, **look).page
    assert serious(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_sweep(tmp_path: Path, open_page: Open, look: dict[str, Any]) -> None:
    directory = save(tmp_path / "sweep", rows())
    page = open_page(sweep.write(directory, directory / "sweep.html"), bypass_csp=True, **look).page
    assert serious(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_sessions_and_moves(tmp_path: Path, open_page: Open, look: dict[str, Any]) -> None:
    plan = Plan.parse("sctp,tcp-mip", "one-nic-0,two-nics-0", (1,))
    verdicts = {"one-nic-0": ("survived", 0.3), "two-nics-0": ("unsupported", None)}
    cells = [cell(s.name, m, *verdicts[m], expected="survived") for s in plan.sessions for m in verdicts]
    page = open_page(moves.write(tmp_path, plan, cells, {})[0], bypass_csp=True, **look).page
    assert serious(page) == []
