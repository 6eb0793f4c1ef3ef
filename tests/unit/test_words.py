"""What the words of a command line become before invoke reads them."""

from __future__ import annotations

import pytest
from invoke.exceptions import ParseError
from invoke.parser import ParserContext

from roamlab.cli.collection import TASKS
from roamlab.cli.words import prepare


@pytest.fixture(scope="module")
def known() -> dict[str, ParserContext]:
    return {context.name: context for context in TASKS.to_contexts()}


@pytest.mark.parametrize(
    ("words", "prepared"),
    [
        ([], []),
        (["list"], ["list"]),
        (["run", "fig09"], ["run", "--scenario=fig09"]),
        (["run", "--seed", "2", "fig09", "--json"], ["run", "--seed=2", "--json", "--scenario=fig09"]),
        (["run", "--scenario", "fig09"], ["run", "--scenario=fig09"]),
        (["run", "run"], ["run", "--scenario=run"]),
        (
            ["run", "fig09", "--set", "gap=2", "--set=family=6", "--no-report"],
            ["run", "--set=gap=2", "--set=family=6", "--no-report", "--scenario=fig09"],
        ),
        (["diff", "a", "b"], ["diff", "--one=a", "--other=b"]),
        (["diff", "b", "--one", "a"], ["diff", "--one=a", "--other=b"]),
        (["report", "a", "b"], ["report", "--run=a", "--run=b"]),
        (["report", "--matrix", "m.html", "a"], ["report", "--matrix=m.html", "--run=a"]),
        (["report", "a", "--matrix"], ["report", "--matrix", "--run=a"]),
        (["report", "--matrix", "--export", "x", "a"], ["report", "--matrix", "--export=x", "--run=a"]),
        (["report", "--run", "a", "b"], ["report", "--run=a", "--run=b"]),
        (["decode", "c", "--filter", "!heartbeat"], ["decode", "--filter=!heartbeat", "--capture=c"]),
        (["show", "--", "--follow"], ["show", "--run=--follow"]),
    ],
)
def test_plain_words_go_under_their_options_names(
    words: list[str], prepared: list[str], known: dict[str, ParserContext]
) -> None:
    assert prepare(words, known) == prepared


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["shwo"], "there is no task 'shwo' (did you mean 'show'?); `./lab --list` shows all"),
        (["--junk", "run"], "--junk cannot stand before a task"),
        (["run"], "SCENARIO is missing; write ./lab run SCENARIO [--options]"),
        (["diff"], "ONE and OTHER are missing; write ./lab diff ONE OTHER"),
        (["diff", "a", "b", "c"], "'c' is one word too many; write ./lab diff ONE OTHER"),
        (["run", "fig09", "control"], "'control' is one word too many"),
        (["doctor", "now"], "'now' is one word too many; write ./lab doctor"),
        (["run", "fig09", "--seeds", "2"], "run has no option '--seeds' (did you mean '--seed'?)"),
        (["run", "fig09", "--seed"], "--seed needs a value"),
        (["run", "fig09", "--seed", "--json"], "--seed needs a value"),
        (["run", "fig09", "--seed", "two"], "--seed two is not a whole number"),
        (["run", "fig09", "--seed", "2", "--seed=3"], "--seed is given twice"),
        (["run", "fig09", "--scenario", "control"], "is one word too many"),
        (["run", "fig09", "--json=yes"], "--json takes no value"),
        (["run", "fig09", "--no-report=yes"], "--no-report takes no value"),
    ],
)
def test_what_fits_nothing_is_a_sentence(
    words: list[str], sentence: str, known: dict[str, ParserContext]
) -> None:
    with pytest.raises(ParseError) as error:
        prepare(words, known)
    assert sentence in str(error.value)
