"""The matrix of sessions and moves as one picture: a row a move, a column a session, each field its outcome and outage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from roamlab.repeat.matrix import Cell, Plan
from roamlab.reports.svg import element, picture, text
from roamlab.reports.words import MARKS

_LABEL, _HEAD, _WIDTH, _HEIGHT, _FOOT = 372.0, 128.0, 50.0, 24.0, 30.0
_STYLE: Final = """
.paper{fill:#fff} text{font:12px system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#1c2430}
.value{font-size:11px;text-anchor:middle} .head{font-weight:600} .foot{fill:#5b6676;font-size:11px}
rect.survived{fill:#d5efe0} rect.broke{fill:#f6d3cf} rect.mixed,rect.invalid{fill:#f8e6bf}
rect.unsupported{fill:#eef0f3} .surprise{stroke:#1c2430;stroke-width:1.5;stroke-dasharray:3 2}
"""


def svg(plan: Plan, cells: Sequence[Cell], kernel: str) -> str:
    """The picture of one kernel's cells, those that there are."""
    of = {(cell.session, cell.move): cell for cell in cells if cell.kernel == kernel}
    moves = [move for move in plan.moves if any((s.name, move.name) in of for s in plan.sessions)]
    width = _LABEL + _WIDTH * len(plan.sessions) + 40
    height = _HEAD + _HEIGHT * len(moves) + _FOOT
    drawn = [element("rect", class_="paper", width=width, height=height)]
    for column, session in enumerate(plan.sessions):
        x, y = _LABEL + _WIDTH * (column + 0.5) + 4, _HEAD - 8
        drawn.append(text(x, y, session.name, class_="head", transform=f"rotate(-50 {x:.0f} {y:.0f})"))
    for row, move in enumerate(moves):
        y = _HEAD + _HEIGHT * row
        drawn.append(text(8, y + 16, move.words))
        for column, session in enumerate(plan.sessions):
            cell = of.get((session.name, move.name))
            if cell is not None:
                drawn += _field(cell, _LABEL + _WIDTH * column, y)
    drawn.append(
        text(8, height - 10, f"Kernel {kernel}. The longer outage, up or down, in seconds.", class_="foot")
    )
    survived = sum(cell.verdict == "survived" for cell in of.values())
    title = f"Sessions and moves on {kernel}: {survived} of {len(of)} survived"
    return picture(width, height, title, _STYLE, *drawn)


def _field(cell: Cell, x: float, y: float) -> list[Markup]:
    outages = [figure.median for figure in (cell.up, cell.down) if figure.median is not None]
    shown = MARKS.get(cell.verdict, "≈")
    if cell.verdict == "survived" and outages:
        shown = _short(max(outages))
    kind = cell.verdict + ("" if cell.verdict == cell.expected else " surprise")
    words = f"{cell.session}, {cell.move}: {cell.verdict}"
    box = element(
        "rect", element("title", words), x=x + 1, y=y + 1, width=_WIDTH - 2, height=_HEIGHT - 2, class_=kind
    )
    return [box, text(x + _WIDTH / 2, y + 16, shown, class_="value")]


def _short(seconds: float) -> str:
    """Three figures at most: 0.303, 2.30, 30.3."""
    return f"{seconds:.3f}" if seconds < 1 else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def pictures(plan: Plan, cells: Sequence[Cell]) -> Mapping[str, str]:
    """A picture for each kernel, by the name of its file: ``matrix.svg``, then ``matrix-2.svg``."""
    kernels = list(dict.fromkeys(cell.kernel for cell in cells))
    return {
        f"matrix{f'-{n}' if n > 1 else ''}.svg": svg(plan, cells, kernel)
        for n, kernel in enumerate(kernels, 1)
    }
