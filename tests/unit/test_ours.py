"""What is removed and replaced carries roamlab's own mark; everything else stays as it is."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from roamlab.errors import BadInput, LabError
from roamlab.record import ours
from roamlab.reports import export, outputs, page, svg
from tests.unit.test_outputs import result  # noqa: F401 - a fixture

SIGN = "made by us"
FILES = re.compile("plan[.]json")


def made(place: Path, maker: str = "me") -> Path:
    place.mkdir()
    ours.mark(place, maker)
    (place / "plan.json").write_text("{}")
    return place


def test_what_we_marked_is_removed(tmp_path: Path) -> None:
    place = made(tmp_path / "run")
    (place / ".verdict.json.0123.new").write_text("")
    (place / ".uml").mkdir()
    (place / ".uml" / "pid").write_text("1")
    assert ours.remove(place, "me", FILES, (".uml",))
    assert not place.exists()


@pytest.mark.parametrize(
    "mark",
    [None, b"", b"{}", b"[]", b"\xff", b'{"maker":"you","name":"run"}', b'{"maker":"me","name":"other"}'],
)
def test_without_our_mark_nothing_is_removed(tmp_path: Path, mark: bytes | None) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "plan.json").write_text("{}")
    if mark is not None:
        (place / ours.MARK).write_bytes(mark)
    assert not ours.remove(place, "me", FILES)
    assert (place / "plan.json").is_file()


def test_links_and_pipes_are_no_marks(tmp_path: Path) -> None:
    real = made(tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "run").symlink_to(real)
    assert not ours.remove(tmp_path / "elsewhere" / "run", "me", FILES)
    mark = (real / ours.MARK).rename(tmp_path / "mark")
    (real / ours.MARK).symlink_to(mark)
    assert not ours.remove(real, "me", FILES)
    (real / ours.MARK).unlink()
    os.mkfifo(real / ours.MARK)
    assert not ours.remove(real, "me", FILES)
    assert (real / "plan.json").is_file()


@pytest.mark.parametrize("name", ["notes.txt", "plan.json~", ".hidden", "folder/file", ".uml/pid"])
def test_a_directory_with_anything_else_in_it_stays_whole(tmp_path: Path, name: str) -> None:
    place = made(tmp_path / "run")
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text("mine")
    assert not ours.remove(place, "me", FILES)
    assert (place / "plan.json").is_file()
    assert (place / name).read_text() == "mine"


def test_a_link_in_it_is_no_file_of_ours(tmp_path: Path) -> None:
    place = made(tmp_path / "run")
    (place / "plan.json").unlink()
    (place / "plan.json").symlink_to(tmp_path)
    assert not ours.remove(place, "me", FILES)


def test_a_directory_is_marked_once(tmp_path: Path) -> None:
    place = made(tmp_path / "run")
    with pytest.raises(LabError):
        ours.mark(place, "you")
    assert ours.maker_of(place) == "me"


def test_a_file_of_ours_is_replaced_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    ours.save(target, f"{SIGN} 1", SIGN)
    ours.save(target, f"{SIGN} 2", SIGN)
    assert target.read_text() == f"{SIGN} 2"
    target.write_text("a thesis")
    with pytest.raises(BadInput, match="was not made by roamlab"):
        ours.save(target, f"{SIGN} 3", SIGN)
    assert target.read_text() == "a thesis"
    assert list(tmp_path.iterdir()) == [target]


def test_an_empty_file_may_be_filled(tmp_path: Path) -> None:
    target = tmp_path / "summary.md"
    target.touch()
    ours.save(target, SIGN, SIGN)
    assert target.read_text() == SIGN


def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    ours.save(link, SIGN, SIGN)
    assert link.is_symlink()
    assert target.read_text() == SIGN
    target.write_text("a thesis")
    with pytest.raises(BadInput):
        ours.save(link, SIGN, SIGN)


def test_devices_and_pipes_are_written_to_and_stay(tmp_path: Path) -> None:
    ours.save(Path("/dev/null"), SIGN, SIGN)
    assert Path("/dev/null").is_char_device()
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    ours.save(pipe, SIGN, SIGN)
    reader.join()
    assert heard == [SIGN]
    assert pipe.is_fifo()


def test_names_that_cannot_be_written_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(SIGN)
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in (".", "file/below", "missing/below", "circle", "x" * 300):
        with pytest.raises(LabError):
            ours.save(tmp_path / name, SIGN, SIGN)


def test_what_lacks_its_sign_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks its own sign"):
        ours.save(tmp_path / "file", "anything", SIGN)


def test_outputs_never_replace_a_file_of_somebody_else(tmp_path: Path, result) -> None:  # noqa: F811
    for option in ("junit", "summary"):
        target = tmp_path / option
        for _ in range(2):
            outputs.Outputs(pages=False, **{option: str(target)}).write([result])
        target.write_text("a thesis")
        with pytest.raises(BadInput, match="was not made by roamlab"):
            outputs.Outputs(pages=False, **{option: str(target)}).write([result])
        assert target.read_text() == "a thesis"


def test_pages_and_pictures_carry_their_signs(tmp_path: Path) -> None:
    page.save(tmp_path / "page.html", page.fill("sweep.html", maps=[], charts=[], runs=0))
    picture = svg.picture(10, 10, "title", "")
    ours.save(tmp_path / "a.svg", picture, svg.SIGN)
    ours.save(tmp_path / "a.png", export.raster(picture), export.PNG_SIGN)
    again = export.raster(picture)
    ours.save(tmp_path / "a.png", again, export.PNG_SIGN)
    assert (tmp_path / "a.png").read_bytes() == again
