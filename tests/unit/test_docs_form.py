"""The form of the documentation's pages: lines of one width, and plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from roamlab.where import ROOT

WIDTH: Final = 128
DIALECT: Final = re.compile(r"\b(?:behind it|for good|anew|heed|lest|come about|whom)\b")
PAGES: Final = (
    *(
        "api",
        "architecture",
        "attacks",
        "conformance",
        "exec",
        "figures",
        "findings",
        "index",
        "kernels",
        "lab-kernel",
    ),
    *("limitations", "measures", "mobile-ip", "performance", "pytest", "reports", "scenarios", "topologies"),
    *("tutorial", "variants", "virtual-time"),
)


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page with their numbers; tables and code stay as wide as they are."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("|", "    ")):
            yield number, line


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_wrapped(name: str) -> None:
    lines = list(prose(ROOT / "docs" / f"{name}.md"))
    assert lines
    assert [number for number, line in lines if len(line) > WIDTH] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_in_plain_words(name: str) -> None:
    text = " ".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())
    assert [text[max(0, found.start() - 40) : found.end()] for found in DIALECT.finditer(text)] == []
