"""docs/variants.md, row by row: each patch that a finding suggests does what it says; the kernel as it is does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from roamlab.kernels.build import cached, variants
from roamlab.query.signs import Sign, Unshown, cells, check, signs
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

PAGE = Path(__file__).parent.parent.parent / "docs/variants.md"

pytestmark = needs_lab_kernel


@dataclass(frozen=True)
class Row:
    """A variant, the finding that suggests it, and the signs that show it in a run."""

    variant: str
    finding: str
    run: str
    signs: tuple[Sign, ...]
    verdict: str

    def __str__(self) -> str:
        return f"{self.variant} {self.run}"


def rows() -> list[Row]:
    found = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            variant, finding, run, shown, verdict = cells(line)
            found.append(Row(variant.strip("`"), finding, run.strip("`"), signs(shown), verdict))
    return found


ROWS = rows()


@pytest.fixture
def on_variant(tmp_path: Path) -> Callable[[str], Player]:
    """Plays on the variant of the kernel that is the default."""

    def player(variant: str) -> Player:
        kernel = cached(variant)
        if kernel is None:
            pytest.skip(f"no variant {variant} in the cache: build it with ./lab kernel --all")
        return Player(tmp_path, kernel.name, as_expected=False)

    return player


def test_every_variant_is_on_the_page_with_a_finding_that_names_it() -> None:
    assert {row.variant for row in ROWS} == set(variants())
    findings = re.split(r"^## (?=\d+\.)", (PAGE.parent / "findings.md").read_text(), flags=re.MULTILINE)
    for row in ROWS:
        for number in row.finding.split(", "):
            (finding,) = [text for text in findings if text.startswith(f"{number}.")]
            assert f"`{row.variant}`" in finding or f"{row.variant}.patch" in finding, row


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_variant_does_what_its_finding_suggests(
    row: Row, on_variant: Callable[[str], Player], mobile_ip: Player
) -> None:
    played = on_variant(row.variant).named(row.run)
    assert played.judgement.verdict == row.verdict, played.judgement.reasons
    check(row.signs, played.shown, mobile_ip.shown)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_kernel_as_it_is_does_not(row: Row, mobile_ip: Player) -> None:
    with pytest.raises(Unshown):
        check(row.signs, mobile_ip.shown(row.run), mobile_ip.shown)
