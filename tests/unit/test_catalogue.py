"""The catalogue of real programs, and the row that each becomes."""

from pathlib import Path

from roamlab.record.result import Judgement, Outage, ProgramEnd, Result, Talk
from roamlab.runs.catalogue import Entry, entries, row


def test_every_entry_has_a_name_of_its_own_and_says_what_it_needs() -> None:
    found = entries()
    assert len({entry.name for entry in found}) == len(found) >= 40
    assert all(entry.needs and entry.mn for entry in found)
    assert all(any(Path(need).name in f"{entry.cn} {entry.mn}" for need in entry.needs) for entry in found)


def test_a_row_says_verdict_outages_and_who_gave_up() -> None:
    judgement = Judgement(
        scenario="programs",
        figure="none",
        verdict="broke",
        expected="survived",
        reasons=["TCP with cn:80: nothing came through", "curl gave up at 9.00 s with status 56: a | b"],
        outages=[Outage(direction="up", from_ns=0, until_ns=2_500_000_000)],
        talks=[Talk("TCP with cn:80", "broke", "nothing came through")],
        programs=[ProgramEnd("curl", "mn", "curl", 56, 9_000_000_000)],
    )
    result = Result(judgement=judgement, parameters={}, kernel={}, seed=1, run_dir="", wall_s=0.0, status=1)
    told = row(Entry("curl", "curl", ["curl"]), result)
    assert told == (
        "| curl | broke | 2.50 / \N{EN DASH} | nothing came through; curl gave up at 9.00 s with status 56: a / b |"
    )


def test_what_is_not_installed_is_named() -> None:
    assert (
        row(Entry("x", "x", ["no-such-command"]), None)
        == "| x | not played | | no-such-command not installed |"
    )
