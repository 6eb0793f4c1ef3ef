"""The steps that a design figure draws, and where a run's causal chain shows each of them.

The numbers are the order of the steps in the figure. A step that the chain lacks was not taken: kernels send in two messages
what a figure draws in one, or refuse a part of it, and the result must say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from roamlab.record.result import (
    Answered,
    Asked,
    Carried,
    CausalStep,
    Detail,
    FigureStep,
    Happened,
    Registered,
    SetUp,
)

Shows = Callable[[Detail], bool]


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A step of a figure: the first step of the chain that ``shows`` it takes it.

    ``request`` is what it asks the peer for, where that can be refused.
    """

    says: str
    shows: Shows
    request: str = ""


def _event(kind: str) -> Shows:
    return lambda detail: detail == Happened(kind)


def _stimulus(action: str) -> Shows:
    return _event(f"stimulus.{action}")


def _asks(verb: str) -> Shows:
    return lambda detail: isinstance(detail, Asked) and not detail.arrives and verb in detail.verbs


def _set_up(
    message: str, *, arrives: bool, tunnelled: bool = False, cookie: bool = False, prefers: bool = False
) -> Shows:
    return lambda detail: (
        isinstance(detail, SetUp)
        and (detail.message, detail.arrives) == (message, arrives)
        and detail.tunnelled >= tunnelled
        and detail.cookie >= cookie
        and bool(detail.prefers) >= prefers
    )


def _answer(detail: Detail) -> bool:
    return isinstance(detail, Answered) and detail.arrives


def _data(path: str, direction: str, *, tunnelled: bool = False) -> Shows:
    return lambda detail: (
        isinstance(detail, Carried)
        and (detail.path, detail.direction) == (path, direction)
        and detail.tunnelled >= tunnelled
    )


def _accepted(detail: Detail) -> bool:
    return detail == Registered(arrives=True, accepted=True)


_ADD: Final = (
    _Drawn(
        "The mobile node asks for its new address to be added: ASCONF with ADD IP", _asks("ADD IP"), "ADD IP"
    ),
    _Drawn("The correspondent node answers: ASCONF-ACK", _answer),
)
_PRIMARY: Final = _Drawn(
    "It asks for the new address as primary path: SET PRIMARY", _asks("SET PRIMARY"), "SET PRIMARY"
)
_DELETE: Final = _Drawn(
    "It asks for its old address to be removed: DELETE IP", _asks("DELETE IP"), "DELETE IP"
)
_DATA: Final = (
    _Drawn("Data goes up on the new path", _data("new", "up")),
    _Drawn("Data comes down on the new path", _data("new", "down")),
)
_FIGURES: Final[dict[str, tuple[_Drawn, ...]]] = {
    "FIG. 5": (
        _Drawn("The mobile node sends INIT with its addresses", _set_up("INIT", arrives=False)),
        _Drawn(
            "The correspondent node answers with its own and a cookie: INIT-ACK",
            _set_up("INIT-ACK", arrives=False, cookie=True),
        ),
        _Drawn("The mobile node sends the cookie back: COOKIE-ECHO", _set_up("COOKIE-ECHO", arrives=False)),
        _Drawn("The association is set up: COOKIE-ACK", _set_up("COOKIE-ACK", arrives=True)),
    ),
    "FIG. 6": (
        _Drawn("The mobile node ends its association", _stimulus("reconnect")),
        _Drawn("It gets a new NIC, with an address of another subnet", _event("address.up")),
        _Drawn("It sets up another association", _event("association.up")),
        *_DATA,
    ),
    "FIG. 7": (
        _Drawn("A second NIC is added in service", _stimulus("attach")),
        _Drawn("It gets an address of its subnet", _event("address.up")),
        *_ADD,
        _PRIMARY,
        _DELETE,
        *_DATA,
    ),
    "FIG. 8": (
        _Drawn("A second base station is heard: a second NIC attaches", _stimulus("attach")),
        _Drawn("It gets an address of its subnet", _event("address.up")),
        *_ADD,
        _Drawn("The second signal is better", _event("radio.prefer")),
        _PRIMARY,
        *_DATA,
        _Drawn("The first signal has faded", _event("radio.remove")),
        _DELETE,
    ),
    "FIG. 9": (
        _Drawn("The only NIC moves to another subnet", _stimulus("move")),
        _Drawn("Its old address is gone", _event("address.down")),
        _Drawn("It gets an address of the new subnet", _event("address.up")),
        *_ADD,
        _PRIMARY,
        _DELETE,
        *_DATA,
    ),
    "FIG. 10": (
        _Drawn("The mobile node, away, has registered its care-of address", _accepted),
        _Drawn("The correspondent node sends INIT to the home address", _set_up("INIT", arrives=False)),
        _Drawn("The home agent's tunnel brings it", _set_up("INIT", arrives=True, tunnelled=True)),
        _Drawn(
            "The mobile node answers: INIT-ACK with SET PRIMARY of its care-of address",
            _set_up("INIT-ACK", arrives=False, prefers=True),
        ),
        _Drawn(
            "The cookie comes through the tunnel: COOKIE-ECHO",
            _set_up("COOKIE-ECHO", arrives=True, tunnelled=True),
        ),
        _Drawn("The association is set up: COOKIE-ACK", _set_up("COOKIE-ACK", arrives=True)),
        _Drawn("Data comes directly to the care-of address", _data("dying", "down")),
        _Drawn("The direct path dies", _stimulus("block")),
        _Drawn(
            "The home address is used: data comes through the tunnel", _data("other", "down", tunnelled=True)
        ),
    ),
}


def steps(figure: str, chain: Sequence[CausalStep]) -> list[FigureStep]:
    """The steps of a figure in a chain; nothing for a figure that has no table, or a run without a chain."""
    if not chain:
        return []
    return [_taken(number, drawn, chain) for number, drawn in enumerate(_FIGURES.get(figure, ()), start=1)]


def _taken(number: int, drawn: _Drawn, chain: Sequence[CausalStep]) -> FigureStep:
    place = next((n for n, step in enumerate(chain) if drawn.shows(step.detail)), None)
    answer = next(
        (s.detail for s in chain[place or 0 :] if isinstance(s.detail, Answered) and s.detail.arrives), None
    )
    refused = bool(drawn.request and answer and drawn.request in answer.refused)
    return FigureStep(number, drawn.says, place, refused)
