"""A page of results that was handed in: its tables, held against what the runs say.

A line is ``| session | move | verdict | up | down |``, up and down in seconds, and a dash where a silence did not end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from roamlab.errors import BadInput
from roamlab.record.result import Both, Judgement

_NO_END: Final = ("-", "\N{EN DASH}", "\N{EM DASH}", "")
_CELLS: Final = 5
UNSUPPORTED: Final = "unsupported"


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says of a session in a move: a verdict and silences (s), None where they have no end."""

    verdict: str
    up: float | None
    down: float | None

    def __str__(self) -> str:
        return f"{self.verdict}, silences {_text(self.up)} / {_text(self.down)}"


Lines = dict[tuple[str, str], Line]


def read(content: bytes) -> Lines:
    """The lines of a page's tables, by session and move. Raises BadInput for what is no text, or a cell that is no number."""
    try:
        text = content.decode()
    except ValueError as error:
        raise BadInput(f"the page of results is no text: {error}") from None
    found: Lines = {}
    for number, row in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip("`*").lower() for cell in row.strip().strip("|").split("|")]
        if not row.lstrip().startswith("|") or len(cells) < _CELLS or set(row) <= set("|-: "):
            continue
        session, move, verdict, up, down = cells[:_CELLS]
        if (session, move) == ("session", "move"):
            continue
        found[session, move] = Line(verdict, _seconds(up, number), _seconds(down, number))
    return found


def unlike(line: Line, judgement: Judgement | None, within: float) -> str:
    """What a line says that the run does not, in a sentence that does not tell the figure; empty where all is right.

    ``judgement`` is None where the session has no part in the move.
    """
    verdict = judgement.verdict if judgement else UNSUPPORTED
    if line.verdict != verdict:
        return f"{line.verdict or 'nothing'} is not what the run shows"
    if judgement is None or verdict != "survived":
        return ""
    outages: Both = judgement.outage_s
    for way, said, real in (("up", line.up, outages.up), ("down", line.down, outages.down)):
        if (said is None) != (real is None) or (
            said is not None and real is not None and abs(said - real) > within + 1e-9
        ):
            return f"{way}, {_text(said)} is not what the run shows"
    return ""


def _seconds(cell: str, line: int) -> float | None:
    text = re.sub(r"\s*s$", "", cell)
    if text in _NO_END:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadInput(
            f"line {line} of the page of results: {cell[:40]!r} is neither seconds nor a dash"
        ) from None


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
