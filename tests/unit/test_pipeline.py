"""A list of runs for a CI job, and the text of its comment."""

from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.record.result import Both, Judgement, Outage, ProgramEnd, Result
from roamlab.reports.comment import comment
from roamlab.runs.pipeline import Line, Played, read


def test_lines_are_words_as_a_shell_makes_them_without_comments() -> None:
    found = read("# all\n\nrun fig09 --set gap=2\n./lab try --mn 'ping cn' # once\n")
    assert [(one.number, one.words) for one in found] == [
        (3, ("run", "fig09", "--set", "gap=2")),
        (4, ("try", "--mn", "ping cn")),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no line to play"),
        ("run fig09\nsweep fig09", "line 2 begins with 'sweep'"),
        ("run 'fig09", "line 1: no closing quotation"),
        ("run fig09 --runs=elsewhere", "line 1 has --runs=elsewhere"),
    ],
)
def test_what_cannot_be_played_is_said_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read(text)


def result(folder: Path, status: int = 1, reasons: tuple[str, ...] = ()) -> Result:
    run = folder / "runs" / "programs" / "20260101-000000"
    run.mkdir(parents=True, exist_ok=True)
    (run / "report.html").touch()
    judgement = Judgement(
        scenario="programs",
        figure="none",
        verdict="broke",
        expected="survived",
        reasons=list(reasons),
        outage_s=Both(up=2.0),
        outages=[Outage(direction="up", from_ns=4_000_000_000, until_ns=6_000_000_000)],
        programs=[ProgramEnd("curl", "mn", "curl", 56, 9_500_000_000)],
    )
    return Result(
        judgement=judgement,
        parameters={"mn": "curl"},
        kernel={"kind": "uml"},
        seed=2,
        run_dir=str(run),
        wall_s=1.0,
        status=status,
    )


def test_a_result_is_read_back_from_what_it_prints(tmp_path: Path) -> None:
    one = result(tmp_path, reasons=("a",))
    assert Result.of(one.as_dict()) == one


def test_a_programs_words_are_no_markup_of_the_comment(tmp_path: Path) -> None:
    words = ("curl: ```\n@everyone <img src=x> [x](http://evil.example) | `", "\x1b[2Jgone")
    played = Played(Line(1, "try --mn 'a | b `c`'", ("try",)), result(tmp_path, reasons=words))
    told = comment([played], tmp_path, "https://pages.example/")
    assert "| ✗ | `` try --mn 'a \\| b `c`' `` |" in told
    fence = "````"
    inside = told.split(f"{fence}text\n")[1].split(f"\n{fence}\n")[0]
    assert "@everyone" in inside
    assert "@everyone" not in told.replace(inside, "")
    assert "\x1b" not in told
    page = "https://pages.example/runs/programs/20260101-000000/report.html"
    assert f"[first after the silence up, 6.000 s]({page}#t=6.000000)" in told
    assert f"[program 1 ends, 9.500 s]({page}#t=9.500000)" in told


def test_without_an_address_pages_are_named_by_their_path(tmp_path: Path) -> None:
    told = comment([Played(Line(1, "run x", ("run",)), result(tmp_path))], tmp_path)
    assert "`runs/programs/20260101-000000/report.html`" in told
    assert "](" not in told


def test_a_comment_has_a_size_that_forges_take(tmp_path: Path) -> None:
    one = Played(Line(1, "run x", ("run",)), result(tmp_path, reasons=("y" * 399,) * 12))
    told = comment([one] * 40, tmp_path, "https://pages.example")
    assert len(told) < 65_000
    assert told.count("<details>") == told.count("</details>")
    assert told.rstrip().endswith("More stands in the summary of the job.")
