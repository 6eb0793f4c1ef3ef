"""Large runs stay usable because the page's elements are those in view, however many packets there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roamlab.reports import page as pages
from tests.browser import samples
from tests.browser.conftest import Open

ROWS = 400
"""More than what fits on any screen, with what is kept ready above and below it."""

# The most rows that there are at once while the ladder scrolls by a screen a frame, and how far it came.
_SCROLL = """() => new Promise((done) => {
  const ladder = document.querySelector('#ladder');
  let most = 0, frames = 0;
  const step = () => {
    most = Math.max(most, ladder.querySelectorAll('[role=option]').length);
    ladder.scrollTop += 700;
    if (++frames < 60) requestAnimationFrame(step); else done([most, ladder.scrollTop]);
  };
  requestAnimationFrame(step);
})"""


def _packets(page: Any) -> int:
    return int(page.inner_text("#count").split()[0].replace(",", ""))


@pytest.mark.parametrize("packets", [5_000, 100_000])
def test_a_large_run_scrolls_and_jumps_with_no_more_rows_than_are_in_view(
    tmp_path: Path, open_page: Open, packets: int
) -> None:
    page = open_page(pages.write(samples.crowded(tmp_path, packets))).page
    assert _packets(page) >= packets
    page.click("#fold")
    page.wait_for_function("() => document.querySelectorAll('#ladder .fold').length === 0")
    most, scrolled = page.evaluate(_SCROLL)
    assert 0 < most < ROWS
    assert scrolled >= 59 * 700
    page.focus("#ladder")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert "verification tag" in page.inner_text("#fields")
    assert page.locator("#ladder [role=option]").count() < ROWS
