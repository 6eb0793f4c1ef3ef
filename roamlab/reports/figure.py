"""A figure of the design beside the wire: its steps in order with when they were taken, and the packets that took them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from roamlab.record.result import CausalStep, FigureStep
from roamlab.reports import ladder_svg, packing, svg
from roamlab.reports.ladder import ladder
from roamlab.reports.story import Story
from roamlab.reports.words import seconds, sentence

_STYLE: Final = (
    ladder_svg.STYLE
    + """
.paper{fill:#fff}
.f{font:12px system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1c2430}
.f .title{font-size:19px;font-weight:700}.f .under{font-size:12.5px;fill:#5b6676}.f .column{font-size:13px;font-weight:700}
.f .step rect{fill:#f7f8fa;stroke:#b6bfca}.f .not-taken rect{stroke-dasharray:4 3;fill:#fff}
.f .refused rect{stroke:#b3261e}.f .when{fill:#5b6676;font-size:11px}
.f .refused .when,.f .not-taken .when{fill:#b3261e;font-weight:600}
.f .flow{stroke:#b6bfca;stroke-width:1.4}.f .disc{fill:#1c2430}.f .digit{fill:#fff;font-weight:700;font-size:11px}
"""
)
_MARGIN: Final = 28
_STEPS: Final = 400
_WIRE: Final = 830
_TOP: Final = 104
_STEP: Final = 58
_LINE: Final = 46  # letters to a line of a step
_BEFORE_NS: Final = 60_000_000
_AFTER_NS: Final = 120_000_000


def draw(story: Story) -> str:
    """The picture of a run: left the figure's steps, right the ladder from just before the first to just after the last."""
    judgement = story.judgement
    chain = judgement.chain if judgement else []
    steps = judgement.steps if judgement else []
    drawn = ladder(story)
    where = packing.places(chain, drawn, story.epoch_ns)
    marks: dict[tuple[str, int, bool], list[int]] = {}
    for number, what, row, arrival in packing.marks(steps, where):
        marks.setdefault((what, row, arrival), []).append(number)
    window = (round(chain[0].t * 1e9) - _BEFORE_NS, round(chain[-1].t * 1e9) + _AFTER_NS) if chain else None
    wire, wire_height = ladder_svg.content(drawn, story.epoch_ns, width=_WIRE, window=window, marks=marks)
    width = _MARGIN * 2 + _STEPS + _WIRE
    height = max(_TOP + 30 + _STEP * len(steps), _TOP + wire_height) + _MARGIN
    figure = judgement.figure if judgement else "A run"
    said = sentence(judgement, story.actions, carrier=story.carrier)
    return svg.picture(
        width,
        height,
        f"{figure}: its steps, and the packets that took them. {said}",
        _STYLE,
        svg.element("rect", x=0, y=0, width=width, height=height, class_="paper"),
        svg.element(
            "g",
            svg.text(_MARGIN, 38, f"{figure}, as drawn and as the wire showed it", class_="title"),
            svg.text(_MARGIN, 60, said, class_="under"),
            svg.text(_MARGIN, _TOP - 8, "its steps, in order", class_="column"),
            svg.text(_MARGIN + _STEPS + 12, _TOP - 8, f"the wire, {_where(story)}", class_="column"),
            *_column(steps, chain),
            class_="f",
        ),
        svg.element("g", wire, transform=f"translate({_MARGIN + _STEPS} {_TOP})"),
    )


def _where(story: Story) -> str:
    kernel = story.manifest.kernel if story.manifest else None
    time = "virtual time" if kernel and kernel.virtual_time else "real time"
    return f"Linux {kernel.version if kernel else 'unknown'}, {time}, in s"


def _column(steps: Sequence[FigureStep], chain: Sequence[CausalStep]) -> list[Markup]:
    parts = []
    for place, step in enumerate(steps):
        top = _TOP + 8 + _STEP * place
        if place:
            parts.append(svg.line(_MARGIN + 11, top - 12, _MARGIN + 11, top, class_="flow"))
        when = "not taken"
        if step.place is not None:
            cause = chain[step.place]
            when = f"{cause.t:.6f} s, {seconds(cause.t - chain[0].t)} after the first"
            when += ", refused" if step.refused else ""
        lines = _wrap(step.says)
        text = [svg.text(_MARGIN + 32, top + 17 + 14 * n, line) for n, line in enumerate(lines)]
        parts.append(
            svg.element(
                "g",
                svg.element("rect", x=_MARGIN, y=top, width=_STEPS - 24, height=_STEP - 12, rx=7),
                svg.element("circle", cx=_MARGIN + 16, cy=top + (_STEP - 12) / 2, r=9.5, class_="disc"),
                svg.text(
                    _MARGIN + 16,
                    top + (_STEP - 12) / 2 + 4,
                    str(step.number),
                    class_="digit",
                    text_anchor="middle",
                ),
                *text,
                svg.text(_MARGIN + 32, top + 24 + 14 * (len(lines) - 1) + 8, when, class_="when"),
                class_=f"step {step.outcome.replace(' ', '-')}",
            )
        )
    return parts


def _wrap(words: str) -> list[str]:
    """At most one line, cut at a colon first: what follows is the message's name and stands in the ladder too."""
    head = words.partition(":")[0]
    return [words if len(words) <= _LINE else head]
