"""Handouts as pages: Markdown with pictures of runs that are played for them, as HTML and, by a browser, as PDF.

A picture stands in a handout as a comment on a line of its own, which other readers of Markdown do not show:

    <!-- picture: fig05 edge_delay_ms=10 from 0 to 0.3: The set-up. -->

It is the ladder of a run of that scenario with these settings, between two times (s), and the words below it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

from roamlab import registry
from roamlab.errors import BadInput, LabError
from roamlab.kernels.job import Kernel
from roamlab.labs import course
from roamlab.record.run_directory import RunDirectory
from roamlab.reports import ladder_svg, story
from roamlab.reports.ladder import ladder
from roamlab.runs import orchestrator

_PICTURE: Final = re.compile(
    r"<!-- picture: (?P<scenario>\S+)(?P<set>(?: \w+=\S+)*) from (?P<from>[\d.]+) to (?P<to>[\d.]+): (?P<words>.+) -->"
)
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root{{color-scheme:light dark;--ink:#1c2430;--paper:#fff;--soft:#f2f4f7;--line:#b6bfca;--link:#0b57d0}}
@media screen and (prefers-color-scheme:dark){{
:root{{--ink:#e6e9ee;--paper:#14181f;--soft:#1f2630;--line:#4a5666;--link:#8ab4f8}}}}
body{{margin:0;background:var(--paper);color:var(--ink)}}
body{{font:16px/1.5 system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif}}
main{{max-width:46rem;margin:0 auto;padding:1.5rem}}
a{{color:var(--link)}}
pre,code{{font:13.5px/1.45 ui-monospace,"DejaVu Sans Mono",monospace;background:var(--soft)}}
pre{{padding:.7rem;overflow-x:auto;border-left:3px solid var(--line)}}
table{{border-collapse:collapse;display:block;overflow-x:auto}}
td,th{{border:1px solid var(--line);padding:.3rem .6rem;text-align:left}}
figure{{margin:1.5rem 0;break-inside:avoid}}
figure svg{{width:100%;height:auto;background:#fff}}
figcaption{{font-size:14px}}
@media print{{main{{max-width:none;padding:0}}pre{{white-space:pre-wrap;break-inside:avoid}}}}
</style></head><body><main>
{body}
</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """The ladder of a run between two times (ns since its start), and the words below it."""

    scenario: str
    settings: dict[str, str]
    window: tuple[int, int]
    words: str


def parts(text: str) -> Iterator[str | Picture]:
    """A handout's stretches of Markdown and its pictures, in order. Raises BadInput for a picture that is written wrong."""
    stretch: list[str] = []
    for line in text.splitlines():
        found = _PICTURE.fullmatch(line.strip())
        if found is None:
            if line.strip().startswith("<!-- picture:"):
                raise BadInput(
                    f"a picture is `SCENARIO NAME=VALUE from SECONDS to SECONDS: WORDS`, not {line.strip()}"
                )
            stretch.append(line)
            continue
        yield "\n".join(stretch)
        stretch.clear()
        settings = dict(word.split("=", 1) for word in found["set"].split())
        window = round(float(found["from"]) * 1e9), round(float(found["to"]) * 1e9)
        yield Picture(found["scenario"], settings, window, found["words"])
    yield "\n".join(stretch)


def page(text: str, draw: Callable[[Picture], str]) -> str:
    """A handout as a page that needs no other file; ``draw`` gives a picture as SVG."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = []
    for part in parts(text):
        if isinstance(part, Picture):
            body.append(f"<figure>{draw(part)}<figcaption>{escape(part.words)}</figcaption></figure>")
        else:
            body.append(markdown.render(part))
    title = next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "A lab")
    return _PAGE.format(title=escape(title), body="\n".join(body))


class Painter:
    """Draws pictures of runs, each of which is played once."""

    def __init__(self, kernel: Kernel, runs: Path, on_line: Callable[[str, str], None]) -> None:
        self._kernel, self._runs, self._on_line = kernel, runs, on_line
        self._played: dict[str, Path] = {}

    def draw(self, picture: Picture) -> str:
        """A picture as SVG. Raises BadInput for a scenario that there is not, LabError where its run came to nothing."""
        key = f"{picture.scenario} {picture.settings}"
        if key not in self._played:
            scenario = registry.find(picture.scenario)
            result = orchestrator.run(
                scenario,
                scenario.complete(picture.settings),
                seed=1,
                kernel=self._kernel,
                runs=self._runs,
                on_line=lambda line: self._on_line(scenario.name, line),
            )
            if result.status >= LabError.status:
                raise LabError(f"the picture of {picture.scenario}: {'; '.join(result.judgement.reasons)}")
            self._played[key] = Path(result.run_dir)
        read = story.read(RunDirectory.open(self._played[key]))
        return ladder_svg.draw(ladder(read), read, window=picture.window)


def write(target: Path, painter: Painter, *, pdf: bool = False) -> list[Path]:
    """Write every lab's handout into a new directory as HTML, and as PDF where that is asked for.

    Raises BadInput where the directory is there already, or where this machine has no browser that makes a PDF.
    """
    browser = _browser() if pdf else ""
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise BadInput(f"{target} is there already; name a new directory") from None
    except OSError as error:
        raise BadInput(f"cannot make {target}: {error.strerror}") from None
    written = []
    for name, folder in course.labs().items():
        file = target / f"{name}.html"
        file.write_text(page((folder / "handout.md").read_text(), painter.draw))
        written.append(file)
        if browser:
            written.append(_print(browser, file))
    return written


def _browser() -> str:
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    raise BadInput("a PDF is made by Chromium, which this machine has not: apt install chromium")


def _print(browser: str, file: Path) -> Path:
    """The page as PDF, beside it. Raises LabError where the browser makes none."""
    made = file.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        words = [
            browser,
            "--headless",
            "--no-sandbox",  # root may not have one; the page is our own, and has no script
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made.absolute()}",
            file.absolute().as_uri(),
        ]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not made.is_file():
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise LabError(f"{Path(browser).name} made no {made.name}: {said[0]}")
    return made
