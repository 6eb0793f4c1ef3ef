"""A run's pictures and measurements as files for papers and slides: SVG, PNG, CSV."""

from __future__ import annotations

import csv
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import resvg_py

from roamlab.errors import BadInput
from roamlab.record import ours
from roamlab.record.run_directory import RunDirectory
from roamlab.reports import figure, ladder_svg, story, svg, timeline_svg
from roamlab.reports.ladder import ladder
from roamlab.reports.story import Story
from roamlab.reports.timeline import timeline

COLUMNS: Final = ("session", "direction", "message", "sent_s", "delivered_s", "duplicates")
MEASURES: Final = ("measure", "value", "unit", "better")
PNG_SIGN: Final = "Software\0roamlab"
_HEADER: Final = 8 + 25  # bytes of a PNG's signature and of its first chunk, IHDR
_ZOOM: Final = 2  # pixels of a PNG to one of the SVG, for print and for dense screens
_FONTS: Final = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")


def ladder_file(read: Story) -> str:
    """The ladder as SVG."""
    return ladder_svg.draw(ladder(read), read)


def timeline_file(read: Story) -> str:
    """The timeline as SVG."""
    return timeline_svg.draw(timeline(read, ladder(read).journeys), read)


PICTURES: Final[dict[str, Callable[[Story], str]]] = {
    "ladder": ladder_file,
    "timeline": timeline_file,
    "figure": figure.draw,
}


def pictures(run: RunDirectory, into: Path, *, png: bool = True) -> list[Path]:
    """Write ladder, timeline and figure of a run into a directory as SVG, and as PNG; return the files' paths.

    Raises BadInput where the directory cannot be made, or where a PNG is asked for and this machine has no fonts; LabError
    where files cannot be written.
    """
    read = story.read(run)
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"pictures cannot go to {into}: {error.strerror}") from None
    written = []
    for name, draw in PICTURES.items():
        content = draw(read)
        written.append(into / f"{name}.svg")
        ours.save(written[-1], content, svg.SIGN)
        if png:
            written.append(into / f"{name}.png")
            ours.save(written[-1], raster(content), PNG_SIGN)
    return written


def raster(picture: str) -> bytes:
    """An SVG picture as PNG on white, two pixels to one. Raises BadInput where no fonts are installed: text would be lost."""
    if not any(next(Path(place).expanduser().rglob("*.[to]tf"), None) for place in _FONTS):
        raise BadInput("a PNG needs fonts, and this machine has none: apt-get install fonts-dejavu-core")
    drawn = resvg_py.svg_to_bytes(
        svg_string=picture, background="#ffffff", zoom=_ZOOM, sans_serif_family="DejaVu Sans"
    )
    return _signed(bytes(drawn))


def _signed(png: bytes) -> bytes:
    """The same picture with a text chunk that says who made it (PNG, 11.3.3.3), behind its header chunk."""
    said = b"tEXt" + PNG_SIGN.encode()
    chunk = struct.pack("!I", len(said) - 4) + said + struct.pack("!I", zlib.crc32(said))
    return png[:_HEADER] + chunk + png[_HEADER:]


def measurements(run: RunDirectory) -> str:
    """A run as CSV, a line a message: direction, number, sent and delivered (s since the run's start), duplicates.

    A message that was never delivered has nothing in its last two columns but 0 duplicates.
    """
    found = story.read(run).messages
    sent, delivered = found.sent, found.delivered
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for key in sorted(sent | delivered):
        times = delivered.get(key, [])
        writer.writerow(
            (*key, _seconds(sent.get(key)), _seconds(next(iter(times), None)), max(0, len(times) - 1))
        )
    return out.getvalue()


def measures(run: RunDirectory) -> str:
    """What a run's kind of scenario measures besides, as CSV: name, value, unit, which way it is better."""
    judgement = story.read(run).judgement
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(MEASURES)
    for measure in judgement.measures if judgement else ():
        writer.writerow((measure.name, f"{measure.value:g}", measure.unit, measure.better))
    return out.getvalue()


def _seconds(time_ns: int | None) -> str:
    return "" if time_ns is None else f"{time_ns / 1e9:.9f}"
