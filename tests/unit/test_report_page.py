"""The page as text: whole, self-contained, honest about what is missing, and deaf to markup in what it shows."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from roamlab.record.run_directory import VERDICT, RunDirectory
from roamlab.registry import scenarios
from roamlab.reports import matrix, page, story
from roamlab.reports.network import lay_out
from roamlab.reports.packing import script
from roamlab.reports.words import sentence
from tests.browser import samples


class _Elements(HTMLParser):
    """Counts elements and keeps the text of scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.scripts: dict[str | None, str] = {}
        self._script: str | None = None
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self._inside = tag == "script"
        self._script = dict(attrs).get("id")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[self._script] = data
            self._inside = False


def _page(run: RunDirectory) -> str:
    return page.write(run).read_text()


def test_the_verdict_is_a_sentence_with_outages_and_bounds(tmp_path: Path) -> None:
    text = _page(samples.real(tmp_path)).replace("\N{NO-BREAK SPACE}", " ")
    assert (
        "The association survived the move: the correspondent node heard nothing for 717 ms, 6.41 times the bound"
        in text
    )


def test_nothing_is_fetched(tmp_path: Path) -> None:
    text = _page(samples.real(tmp_path))
    assert not re.search(r'(?:src|href)="(?!data:|#|capture|events|verdict|manifest|console)', text)
    assert "default-src 'none'" in text


def test_the_replay_line_and_the_files_are_there(tmp_path: Path) -> None:
    text = _page(samples.real(tmp_path))
    assert "./lab run fig09 --kernel 7.3.4 --seed 1" in text
    assert 'href="capture.pcapng"' in text
    assert 'href="events.jsonl"' in text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (samples.unheard, "Nothing was delivered to an application in either direction."),
        (samples.cut_off, "capture.pcapng is cut off"),
        (samples.dead, "There are no events"),
        (samples.dead, "There is no capture.pcapng"),
        (samples.dead, "Kernel panic"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    assert said in _page(make(tmp_path))


def test_a_run_without_verdict_and_manifest_has_a_page_that_says_so(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    (run.path / "manifest.json").unlink()
    (run.path / VERDICT).write_text("{ damaged")
    text = _page(run)
    assert "There is no manifest.json." in text
    assert "verdict.json is damaged." in text
    assert "no verdict" in text


def test_markup_in_names_adds_no_element_and_no_handler(tmp_path: Path) -> None:
    plain = _Elements(_page(samples.real(tmp_path / "plain")))
    hostile = _Elements(_page(samples.hostile(tmp_path / "hostile")))
    assert hostile.handlers == []
    assert hostile.tags.count("script") == plain.tags.count("script")
    assert "img" not in hostile.tags


def test_hostile_names_come_back_whole_from_the_data(tmp_path: Path) -> None:
    scripts = _Elements(_page(samples.hostile(tmp_path))).scripts
    assert samples.HOSTILE in msgspec.json.decode(scripts["data"])["ladder"]["columns"]


def test_json_in_a_script_cannot_end_it() -> None:
    assert "<" not in script(["</script>", "<!--", "&lt;"])
    assert msgspec.json.decode(str(script(["</script>"]))) == ["</script>"]


def test_a_page_is_whole_or_not_there(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    page.write(run)
    assert not list(run.path.glob(".*.new"))


def test_an_unknown_scenario_still_has_a_page(tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    run.write("plan.json", {"scenario": "of-the-future", "parameters": {"x": 1}, "seed": 2})
    assert story.read(run).topology is None
    assert "of-the-future" in _page(run)


@pytest.mark.parametrize("scenario", sorted(scenarios()))
def test_no_two_nodes_of_a_map_stand_in_the_same_place(tmp_path: Path, scenario: str) -> None:
    run = samples.real(tmp_path)
    run.write("plan.json", {"scenario": scenario, "parameters": {}, "seed": 1})
    drawn = lay_out(story.read(run))
    assert drawn is not None
    places = [(place.column, place.row) for place in drawn.places.values()]
    assert all(math.dist(one, other) > 0.4 for number, one in enumerate(places) for other in places[:number])
    assert min(p.column for p in drawn.places.values() if p.role == "segment") == 1, "no column is empty"


def test_a_sentence_without_a_verdict_claims_nothing() -> None:
    assert sentence(None) == "This run has no verdict."


def test_the_matrix_says_in_words_what_each_cell_is(tmp_path: Path) -> None:
    good, bad = samples.real(tmp_path / "a"), samples.dead(tmp_path / "b")
    bad.write("plan.json", {"scenario": "fig09", "parameters": {"gap": 2.0}, "seed": 1})
    page.write(good)
    text = matrix.write([good, bad], tmp_path / "matrix.html").read_text()
    assert "survived" in text
    assert "invalid" in text
    assert "expected survived" in text
    assert 'href="a/fig09/20260101-000000/report.html"' in text
