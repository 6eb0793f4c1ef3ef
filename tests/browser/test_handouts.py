"""A handout's page as PDF."""

from pathlib import Path

import pytest

from roamlab.labs import course, handouts

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4"/></svg>'


class _Still(handouts.Painter):
    """Draws the same for every picture, and plays nothing."""

    def __init__(self) -> None:
        pass

    def draw(self, picture: handouts.Picture) -> str:
        del picture
        return PICTURE


def test_a_handout_is_written_as_page_and_as_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, folder = next(iter(course.labs().items()))
    monkeypatch.setattr(course, "labs", lambda: {name: folder})
    page, pdf = handouts.write(tmp_path / "handouts", _Still(), pdf=True)
    assert PICTURE in page.read_text()
    assert pdf.read_bytes().startswith(b"%PDF-")
