"""docs/conformance.md, row by row: what each clause of the RFCs asks for is in the run that the page names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from roamlab.query.decoding import decode
from roamlab.query.signs import Sign, cells, check, signs
from tests.uml.mobile_ip_runs import Player, needs_lab_kernel

DOCS = Path(__file__).parent.parent.parent / "docs"
DEVIATES = "**deviates**"

pytestmark = needs_lab_kernel


@dataclass(frozen=True)
class Row:
    """A clause of the RFC that a part of the page is about, and the signs that show it in a run."""

    part: str
    clause: str
    run: str
    signs: tuple[Sign, ...]
    linux: str

    def __str__(self) -> str:
        return f"{self.part.split(' (')[0]} {self.clause} {self.run}"


def rows() -> list[Row]:
    found, part = [], ""
    for line in (DOCS / "conformance.md").read_text().splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| clause |"):
            clause, _, run, shown, *linux = cells(line)
            found.append(Row(part, clause, run.strip("`"), signs(shown), " ".join(linux)))
    return found


ROWS = rows()


def test_the_page_has_a_part_for_each_protocol_in_the_order_of_its_sections() -> None:
    parts = {row.part: [r.clause for r in ROWS if r.part == row.part] for row in ROWS}
    assert [re.findall(r"RFC (\d+)", part)[0] for part in parts] == ["4895", "5061", "5944"]
    for clauses in parts.values():
        sections = [
            [int(n) for n in c.split(",")[0].split(" ")[0].split(".")] for c in clauses if c[0] != "R"
        ]
        assert sections
        assert all(before <= after for before, after in pairwise(sections))


def test_every_deviation_is_explained_among_the_findings() -> None:
    findings = re.findall(r"^## (\d+)\.", (DOCS / "findings.md").read_text(), re.MULTILINE)
    deviating = [row for row in ROWS if DEVIATES in row.linux]
    assert deviating
    for row in ROWS:
        cited = re.findall(r"findings\.md, (\d+)", row.linux)
        assert set(cited) <= set(findings), row
        assert cited or DEVIATES not in row.linux, row


def test_decode_shows_what_a_filter_names_beside_sctp(mobile_ip: Player) -> None:
    shown = "\n".join(decode(mobile_ip("fig01").capture, "registration-reply code=0 node=mn"))
    assert "\n  mobile-foreign-authentication, mobile-home-authentication, registration-reply\n" in shown
    assert "\n    lifetime: 10800\n" in shown
    assert shown.splitlines()[-1].startswith("1 of ")
    shown = "\n".join(decode(mobile_ip("fig01").capture, "agent-advertisement node=fa"))
    assert "\n      flags: F G T\n      care_of_addresses: 198.51.100.1\n" in shown
    shown = "\n".join(decode(mobile_ip("fig01").capture, "arp-request gratuitous node=ha"))
    assert "\n    sender: 192.0.2.10\n" in shown


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_clause_is_seen_in_its_run(mobile_ip: Player, row: Row) -> None:
    check(row.signs, mobile_ip.shown(row.run), mobile_ip.shown)
