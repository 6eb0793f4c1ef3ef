"""A run's result as a notebook shows it: the verdict, why, the figures, and the ladder of packets."""

from __future__ import annotations

import base64

from markupsafe import Markup

from roamlab.errors import LabError
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.reports import ladder_svg, story
from roamlab.reports.ladder import ladder

_COLOURS = {"survived": "#1a7f37", "broke": "#b3261e", "unsupported": "#8a6100", "invalid": "#7a3e9d"}


def html(result: Result) -> str:
    """The result as HTML without scripts; without the ladder where the run directory is gone or has no capture."""
    judgement = result.judgement
    settings = "".join(f" {name}={value}" for name, value in result.parameters.items())
    expected = "" if judgement.verdict == judgement.expected else f", expected {judgement.expected}"
    colour = _COLOURS.get(judgement.verdict, "inherit")
    rows = [
        (f"outage {each.direction}", _seconds(each.length_ns), f"at least {_seconds(each.bound_ns)}")
        for each in judgement.outages
    ]
    rows += [(measure.title, measure.text, "") for measure in judgement.measures]
    parts = [
        Markup('<p><b>{}</b>: <b style="color:{}">{}</b>{}</p>').format(
            judgement.scenario + settings, colour, judgement.verdict, expected
        ),
        Markup("<ul>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(r) for r in judgement.reasons)
        ),
        Markup("<table>{}</table>").format(
            Markup("").join(
                Markup("<tr>{}</tr>").format(
                    Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
                )
                for row in rows
            )
        ),
        _picture(result),
        Markup("<p><small>{}</small></p>").format(result.run_dir),
    ]
    return str(Markup("").join(parts))


def _picture(result: Result) -> Markup:
    try:
        read = story.read(RunDirectory.open(result.directory))
    except LabError:
        return Markup("")
    if read.trace is None:
        return Markup("")
    drawn = base64.b64encode(ladder_svg.draw(ladder(read), read).encode()).decode()
    # As an image, so that its style sheet stays its own.
    return Markup(
        '<div style="max-height:40em;overflow:auto"><img alt="{}" src="data:image/svg+xml;base64,{}"></div>'
    ).format(f"{result.judgement.scenario}: packets between the nodes", drawn)


def _seconds(ns: int | None) -> str:
    return "-" if ns is None else f"{ns / 1e9:.3f} s"
