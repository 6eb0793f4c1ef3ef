"""A run's report: one HTML file that needs nothing else, neither a network nor a server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from roamlab.record import guarded, ours
from roamlab.record.result import longest
from roamlab.record.run_directory import (
    CAPTURE,
    CONSOLE,
    EVENTS,
    MANIFEST,
    REPORT,
    VERDICT,
    RunDirectory,
    disk_error,
)
from roamlab.registry import scenarios
from roamlab.reports import ladder_svg, map_svg, packing, story, words
from roamlab.reports.ladder import Ladder, ladder
from roamlab.reports.network import lay_out
from roamlab.reports.story import Story
from roamlab.reports.timeline import timeline
from roamlab.runs import collector

SIGN: Final = "· roamlab</title>"
"""What every page of ours has near its start."""
_PRINTED: Final = 400  # rows of a ladder on paper
_TEMPLATES: Final = Path(__file__).parent / "templates"
_SCRIPTS: Final = ("core.js", "layout.js", "ladder.js", "curves.js", "timeline.js", "network.js", "main.js")
_FILES: Final = {
    CAPTURE: "every packet at every NIC, for Wireshark and tshark",
    EVENTS: "what the lab and its agents did and saw",
    VERDICT: "verdict, measurements, causal chain",
    MANIFEST: "kernel, versions, parameters",
    CONSOLE: "the kernel's console",
}


def write(run: RunDirectory) -> Path:
    """Write ``report.html`` into a run directory and return its path. What the run lacks, the page says.

    Raises LabError when the file cannot be written.
    """
    target = run.path / REPORT
    with collector.off():
        content = render(story.read(run))
    try:
        guarded.write(run.path, REPORT, content.encode())
    except OSError as error:
        raise disk_error(error, run.path) from None
    return target


def save(target: Path, content: str) -> None:
    """Write a page whole. Raises BadInput in place of a file that roamlab did not make, LabError when that is not possible."""
    ours.save(target, content, SIGN)


def render(read: Story) -> str:
    """The page of a story."""
    judgement = read.judgement
    drawn, laid_out = ladder(read), lay_out(read)
    over_time = timeline(read, drawn.journeys)
    chain = judgement.chain if judgement else []
    steps = judgement.steps if judgement else []
    where = packing.places(chain, drawn, read.epoch_ns)
    numbers: dict[int, list[int]] = {}
    for step in steps:
        if step.place is not None:
            numbers.setdefault(step.place, []).append(step.number)
    known = scenarios().get(read.scenario)
    window = _printable(drawn, read)
    data = {
        "ladder": packing.pack_ladder(drawn, read.epoch_ns, laid_out),
        "timeline": packing.pack_timeline(over_time),
        "stays": packing.pack_stays(laid_out),
        "marks": packing.marks(steps, where),
        "mobile": read.mobile,
        "correspondent": read.correspondent,
    }
    return fill(
        "report.html",
        story=read,
        judgement=judgement,
        longest=longest,
        sentence=words.sentence(judgement, read.actions, carrier=read.carrier),
        verdict=judgement.verdict if judgement else "none",
        summary=known.summary if known else "",
        kernel=msgspec.to_builtins(read.manifest.kernel) if read.manifest else {},
        settings=_settings(read),
        versions=_versions(read),
        network=map_svg.draw(laid_out) if laid_out else None,
        still=Markup(ladder_svg.draw(drawn, read, window=window)) if drawn.rows else None,  # noqa: S704 - SVG, escaped
        still_is_part=window is not None,
        has_rows=bool(drawn.rows),
        packets=len(drawn.journeys),
        steps=steps,
        chain=[
            (link, numbers.get(number, []), place)
            for number, (link, place) in enumerate(zip(chain, where, strict=True))
        ],
        files=[(name, what) for name, what in _FILES.items() if guarded.exists(read.run.path, name)],
        data=packing.script(data),
        fields=packing.script(packing.pack_fields(drawn.journeys)),
        scripts=_SCRIPTS,
    )


def fill(template: str, **values: object) -> str:
    """A page from its template; every value is escaped but for what the templates themselves mark as safe."""
    return _environment().get_template(template).render(words=words, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inline"] = _inline
    return environment


def _inline(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - a file of this package


def _printable(drawn: Ladder, read: Story) -> tuple[int, int] | None:
    """The stretch (ns since the run's start) that is printed of a ladder too long for paper; None for all of it."""
    rows = list(drawn.folded())
    if len(rows) <= _PRINTED:
        return None
    start = read.stimuli[0].t - 10**8 if read.stimuli else 0
    shown = [row.time_ns - read.epoch_ns for row in rows if row.time_ns - read.epoch_ns >= start]
    return start, shown[min(_PRINTED, len(shown)) - 1] if shown else start


def _versions(read: Story) -> dict[str, str]:
    """What identity holds over that a person may want to know: versions and the processor, no hashes."""
    known = read.manifest.identity if read.manifest else {}
    return {name: value for name, value in known.items() if not name.endswith("sha256")}


def _settings(read: Story) -> str:
    """What was set other than by default, as far as the scenario of today has such parameters."""
    known = scenarios().get(read.scenario)
    asked = read.plan.get("parameters", {})
    if known is None:
        return ""
    there = {name: value for name, value in asked.items() if name in known.parameters()}
    return " ".join(f"{name}={value}" for name, value in known.changed(there).items())
