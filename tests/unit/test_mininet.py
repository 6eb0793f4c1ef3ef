"""Stock Mininet's own tests, and the row that each becomes."""

from pathlib import Path

import pytest

from roamlab.runs import mininet
from roamlab.runs.command import Ran
from roamlab.runs.mininet import Entry, entries, row


def ran(place: Path, status: int, said: str, reason: str = "") -> Ran:
    (place / "stderr").write_text(said)
    return Ran(place, status, reason, 1.0, {})


def test_every_entry_is_named_once_and_says_why_it_is_left_out() -> None:
    found = entries()
    assert len({entry.name for entry in found}) == len(found) > 30
    assert {"test_nets", "test_hifi", "test_walkthrough"} <= {e.name for e in found if not e.example}


@pytest.mark.parametrize(
    ("status", "said", "reason", "outcome", "sum_", "why"),
    [
        (0, "ok\nRan 3 tests in 27.331s\n\nOK (skipped=1)\n", "", "pass", "3 in 27 s, skipped=1", ""),
        (
            1,
            "\x1b[mIOError: cgroups not mounted\r\nRan 1 test in 2.0s\n\nFAILED (errors=1)\n",
            "",
            "fail",
            "1 in 2 s, errors=1",
            "IOError: cgroups not mounted",
        ),
        (0, "nothing was tested\n", "", "fail", "", "exit status 0"),
        (3, "", "not finished within 9 s", "fail", "", "not finished within 9 s"),
    ],
)
def test_a_row_follows_from_output_and_exit_status(
    tmp_path: Path, status: int, said: str, reason: str, outcome: str, sum_: str, why: str
) -> None:
    made = row(Entry("x"), ran(tmp_path, status, said, reason))
    assert (made.outcome, made.said, made.why) == (outcome, sum_, why)


def test_what_is_known_of_a_failure_stands_in_its_row(tmp_path: Path) -> None:
    known = Entry("x", why="it wants cgroup v1 | x")
    assert row(known, ran(tmp_path, 1, "FAILED (errors=1)\n")).text == (
        "| x | fail | errors=1 | it wants cgroup v1 / x |"
    )


def test_a_link_in_place_of_the_output_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Error: secret\n")
    (tmp_path / "stderr").symlink_to(secret)
    assert "secret" not in row(Entry("x"), Ran(tmp_path, 1, "", 1.0, {})).text


def test_a_folder_without_mininets_tests_is_refused(tmp_path: Path) -> None:
    from roamlab.errors import BadInput
    from roamlab.kernels.choose import lab_kernels
    from roamlab.runs.command import Request

    if not lab_kernels():
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    from roamlab.kernels.choose import select

    with pytest.raises(BadInput, match="no checkout of Mininet"):
        next(mininet.table(select("uml"), Request(argv=()), sources=tmp_path, runs=tmp_path))
