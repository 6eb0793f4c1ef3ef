"""A verdict in a sentence, and numbers as people write them."""

from __future__ import annotations

from typing import Final

from roamlab.record.result import Judgement

MARKS: Final = {
    "survived": "✓",
    "recovered": "↻",
    "broke": "✗",
    "no session": "∅",
    "unsupported": "\N{EN DASH}",
    "invalid": "?",
}
"""A mark for each verdict, so that none relies on colour alone."""
_ACTS: Final = {"move": "the move", "attach": "the added NIC", "reconnect": "the reconnection"}
_HEARERS: Final = (("up", "the correspondent node"), ("down", "the mobile node"))


def sentence(
    judgement: Judgement | None, actions: tuple[str, ...] = (), *, carrier: str = "association"
) -> str:
    """The outcome of the session, in a sentence or two.

    ``actions`` are those of the stimuli, in order; ``carrier`` is what carried the session: an association, a connection.
    """
    if judgement is None:
        return "This run has no verdict."
    act = _ACTS.get(actions[0], f"the {actions[0]}") if actions else "the run"
    if len(actions) > 1:
        act = f"all {len(actions)} changes to its NICs"
    reason = "; ".join(judgement.reasons).rstrip(".")
    match judgement.verdict:
        case "survived" | "recovered" | "broke" if judgement.talks:
            return f"{reason}."
        case "survived":
            return f"The {carrier} survived {act}{_silences(judgement)}."
        case "broke":
            return f"The session broke on {act}: {reason}."
        case "no session":
            return f"There was no session to move: {reason}."
        case "unsupported":
            return f"This kernel cannot play the scenario: {reason}."
    return f"This run proves nothing: {reason}."


def seconds(value: float | None) -> str:
    """A duration in the unit that suits it; a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    if value < 0.001:
        return f"{value * 1e6:.0f}\N{NO-BREAK SPACE}µs"
    if value < 0.01:
        return f"{value * 1e3:.1f}\N{NO-BREAK SPACE}ms"
    if value < 1:
        return f"{value * 1e3:.0f}\N{NO-BREAK SPACE}ms"
    return f"{value:.2f}\N{NO-BREAK SPACE}s"


def ratio(outage: float | None, bound: float | None, none: str = "\N{EN DASH}") -> str:
    """An outage as a multiple of its bound; where that is 0, how much longer it was (s). ``none`` where there is neither."""
    if outage is None or bound is None:
        return none
    if bound:
        return f"{outage / bound:.2f}"
    return f"+{outage:.2f}" if outage else "1.00"


def _silences(judgement: Judgement) -> str:
    parts = []
    for direction, hearer in _HEARERS:
        outage = getattr(judgement.outage_s, direction)
        bound = getattr(judgement.lower_bound_s, direction)
        if outage:
            times = f", {ratio(outage, bound)} times the bound" if bound else ""
            parts.append(f"{hearer} heard nothing for {seconds(outage)}{times}")
    if not parts:
        return " without a pause that either end could hear" if judgement.delivered.up else ""
    return ": " + "; ".join(parts)
