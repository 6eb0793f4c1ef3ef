"""Large runs: 5,000 packets open within 2 s and scroll smoothly, 100,000 stay usable."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reports import page as pages
from tests.browser import samples
from tests.browser.conftest import Open

# The times between frames while the ladder scrolls by a screen a frame, in ms, sorted.
_SCROLL = """() => new Promise((done) => {
  const ladder = document.querySelector('#ladder'), times = [];
  let before = performance.now();
  const step = (now) => {
    times.push(now - before);
    before = now;
    ladder.scrollTop += 700;
    if (times.length < 60) requestAnimationFrame(step); else done(times.slice(1).sort((a, b) => a - b));
  };
  requestAnimationFrame(step);
})"""


def _opened(report: Path, open_page: Open) -> tuple[Any, float]:
    begun = time.monotonic()
    opened = open_page(report)
    return opened.page, time.monotonic() - begun


def _packets(page: Any) -> int:
    return int(page.inner_text("#count").split()[0].replace(",", ""))


def test_5000_packets_open_within_2_seconds_and_scroll_smoothly(tmp_path: Path, open_page: Open) -> None:
    page, took = _opened(pages.write(samples.crowded(tmp_path, 5_000)), open_page)
    assert _packets(page) >= 5_000
    assert took < 2
    page.click("#fold")
    frames = page.evaluate(_SCROLL)
    assert frames[len(frames) // 2] < 34, "the middle frame while scrolling, ms"


def test_100000_packets_stay_usable(tmp_path: Path, open_page: Open) -> None:
    page, took = _opened(pages.write(samples.crowded(tmp_path, 100_000)), open_page)
    assert _packets(page) >= 100_000
    assert took < 5
    begun = time.monotonic()
    page.click("#fold")
    page.wait_for_function("() => document.querySelectorAll('#ladder .fold').length === 0")
    assert time.monotonic() - begun < 5
    frames = page.evaluate(_SCROLL)
    assert frames[len(frames) // 2] < 100, "the middle frame while scrolling, ms"
    assert page.locator("#ladder [role=option]").count() < 400
    page.focus("#ladder")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert "verification tag" in page.inner_text("#fields")
