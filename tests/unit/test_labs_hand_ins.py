"""What is handed in besides plans: pages of results, and patches for the kernel."""

from pathlib import Path
from typing import cast

import pytest

from roamlab import registry
from roamlab.errors import BadInput
from roamlab.kernels.build.recipes import PATCHES, own_variant
from roamlab.labs import course, handouts, pages, repair
from roamlab.record.result import Both, Judgement


def _judged(verdict: str, up: float | None, down: float | None) -> Judgement:
    return Judgement(
        scenario="x", figure="none", verdict=verdict, expected="survived", reasons=[], outage_s=Both(up, down)
    )


SURVIVED, BROKE = _judged("survived", 0.217, 0.303), _judged("broke", None, None)


@pytest.mark.parametrize(
    ("line", "judgement", "right"),
    [
        ("survived | 0.217 | 0.303", SURVIVED, True),
        ("**survived** | 0.218 s | 0.302", SURVIVED, True),
        ("survived | 0.303 | 0.217", SURVIVED, False),
        ("survived | - | 0.303", SURVIVED, False),
        ("broke | - | -", SURVIVED, False),
        ("broke | - | -", BROKE, True),
        ("survived | 1 | 1", BROKE, False),
        ("unsupported | |", None, True),
        ("broke | - | -", None, False),
    ],
)
def test_a_line_of_a_page_is_held_against_its_run(
    line: str, judgement: Judgement | None, right: bool
) -> None:
    page = f"# Results\n\n| session | move | verdict | up | down |\n|---|---|---|---|---|\n| sctp | `one` | {line} |\n"
    ((place, found),) = pages.read(page.encode()).items()
    assert place == ("sctp", "one")
    assert (pages.unlike(found, judgement, 0.002) == "") == right


@pytest.mark.parametrize("content", [b"\xff\xfe", b"| sctp | one | survived | soon | 1 |"])
def test_a_page_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="page of results"):
        pages.read(content)


GOOD = (PATCHES / "asconf-lookup-delete.patch").read_text()


def test_a_patch_is_known_by_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "mine.patch").write_text(f"My own words.\n\n{GOOD[GOOD.index('--- ') :]}")
    assert own_variant(tmp_path / "mine.patch") == "asconf-lookup-delete"
    (tmp_path / "mine.patch").write_text(GOOD.replace("from)", "form)"))
    assert own_variant(tmp_path / "mine.patch").startswith("own-")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no patch", "changes nothing"),
        (GOOD.replace("net/sctp/sm_make_chunk.c", "Makefile"), "may touch files of net/sctp"),
        (GOOD.replace("net/sctp/sm_make_chunk.c", "../../etc/passwd"), "may touch files of net/sctp"),
        (GOOD.replace("net/sctp/sm_make_chunk.c", "net/sctp/Makefile"), "may touch files of net/sctp"),
        (GOOD.replace("+\t\t\tif (!from)", '+/**/ # include "/etc/passwd"'), "neither directives"),
        (GOOD.replace("+\t\t\tif (!from)", '+\t\t\tasm(".incbin");'), "neither directives"),
        (GOOD.replace("+\t\t\tif (!from)", "+\n" * 80), "no more than 60"),
        (f"{GOOD}rename from a\nrename to b\n", "may change files and nothing else"),
    ],
)
def test_a_patch_that_does_what_no_repair_needs_is_refused(content: str, words: str) -> None:
    repair.checked(GOOD.encode())
    with pytest.raises(BadInput, match=words):
        repair.checked(content.encode())


HANDOUT = """# Lab 0: A <title>

| a | b |
|---|---|
| 1 | <b>2</b> |

<!-- picture: fig05 edge_delay_ms=10 gap=a=b from 0.5 to 2: What <it> shows. -->

The end.
"""


def test_a_handout_becomes_a_page_with_its_pictures_in_place() -> None:
    asked: list[handouts.Picture] = []

    def draw(picture: handouts.Picture) -> str:
        asked.append(picture)
        return "<svg></svg>"

    page = handouts.page(HANDOUT, draw)
    settings = {"edge_delay_ms": "10", "gap": "a=b"}
    assert asked == [handouts.Picture("fig05", settings, (500_000_000, 2_000_000_000), "What <it> shows.")]
    assert page.index("<td>1</td>") < page.index("<svg></svg>") < page.index("The end.")
    assert "<title>Lab 0: A &lt;title&gt;</title>" in page
    assert "What &lt;it&gt; shows." in page
    assert "<b>" not in page


def test_a_picture_that_is_written_wrong_is_told() -> None:
    with pytest.raises(BadInput, match="a picture is"):
        list(handouts.parts("<!-- picture: fig05: no times -->"))


def test_every_picture_of_the_course_is_of_a_scenario_that_takes_its_settings() -> None:
    for folder in course.labs().values():
        pictures = [
            part for part in handouts.parts((folder / "handout.md").read_text()) if not isinstance(part, str)
        ]
        assert pictures, folder.name
        for picture in pictures:
            registry.find(picture.scenario).complete(picture.settings)
            assert picture.window[0] < picture.window[1]


def test_a_pdf_without_a_browser_is_refused_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="apt install chromium"):
        handouts.write(tmp_path / "pages", cast("handouts.Painter", None), pdf=True)
    assert not (tmp_path / "pages").exists()
