"""Headless Chromium for the tests of pages. Debian's packages: chromium; from PyPI: playwright, axe-playwright-python."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)"
)

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser; its profile is a new one in a temporary directory that goes with it."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install --no-install-recommends chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser, and what went wrong in it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Open]:
    """Opens a file; keyword arguments are those of a browser context. At the end no page may have had an error."""
    contexts, opened = [], []

    def opener(path: Path, **options: Any) -> Opened:
        context = chromium.new_context(
            **{"viewport": {"width": 1440, "height": 1000}, "offline": True, **options}
        )
        contexts.append(context)
        made = Opened(context.new_page())
        opened.append(made)
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        made.page.on("console", lambda said: made.errors.append(said.text) if said.type == "error" else None)
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.goto(path.as_uri())
        if path.name == "report.html":
            made.page.wait_for_selector("body[data-ready]")
        return made

    yield opener
    for context in contexts:
        context.close()
    assert [made.errors for made in opened if made.errors] == []
