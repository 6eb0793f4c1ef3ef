"""The steps that a design figure draws, and where a run's causal chain shows each of them.

The numbers are the order of the steps in the figure. A step that the chain lacks is shown as not taken: kernels send in two
messages what a figure draws in one, or refuse a part of it, and the picture must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roamlab.record.result import Link


@dataclass(frozen=True, slots=True)
class Block:
    """A step of a figure: the first link of the chain with this step and this word in its text takes it.

    ``request`` is the word that a refusal of it names in an ASCONF-ACK.
    """

    says: str
    step: str
    word: str = ""
    request: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A figure's step with its number, and the place in the chain of the link that shows it; None for a step not taken.

    ``refused`` says that what the step asked for was refused.
    """

    number: int
    says: str
    link: int | None
    refused: bool

    @property
    def outcome(self) -> str:
        """What became of the step, in a word or two."""
        return "not taken" if self.link is None else "refused" if self.refused else "taken"


_ADD: Final = (
    Block(
        "The mobile node asks for its new address to be added: ASCONF with ADD IP",
        "ASCONF sent",
        "ADD ",
        "ADD ",
    ),
    Block("The correspondent node answers: ASCONF-ACK", "ASCONF-ACK arrives"),
)
_PRIMARY: Final = Block(
    "It asks for the new address as primary path: SET PRIMARY", "ASCONF sent", "SET PRIMARY ", "SET PRIMARY "
)
_DELETE: Final = Block(
    "It asks for its old address to be removed: DELETE IP", "ASCONF sent", "DELETE ", "DELETE "
)
_DATA: Final = (
    Block("Data goes up on the new path", "first DATA up"),
    Block("Data comes down on the new path", "first DATA down"),
)
FIGURES: Final[dict[str, tuple[Block, ...]]] = {
    "FIG. 5": (
        Block("The mobile node sends INIT with its addresses", "INIT sent"),
        Block(
            "The correspondent node answers with its own and a cookie: INIT-ACK", "INIT-ACK sent", "cookie"
        ),
        Block("The mobile node sends the cookie back: COOKIE-ECHO", "COOKIE-ECHO sent"),
        Block("The association is set up: COOKIE-ACK", "COOKIE-ACK arrives"),
    ),
    "FIG. 6": (
        Block("The mobile node ends its association", "stimulus", "reconnect"),
        Block("It gets a new NIC, with an address of another subnet", "address.up"),
        Block("It sets up another association", "association.up"),
        *_DATA,
    ),
    "FIG. 7": (
        Block("A second NIC is added in service", "stimulus", "attach"),
        Block("It gets an address of its subnet", "address.up"),
        *_ADD,
        _PRIMARY,
        _DELETE,
        *_DATA,
    ),
    "FIG. 8": (
        Block("A second base station is heard: a second NIC attaches", "stimulus", "attach"),
        Block("It gets an address of its subnet", "address.up"),
        *_ADD,
        Block("The second signal is better", "radio.prefer"),
        _PRIMARY,
        *_DATA,
        Block("The first signal has faded", "radio.remove"),
        _DELETE,
    ),
    "FIG. 9": (
        Block("The only NIC moves to another subnet", "stimulus", "move"),
        Block("Its old address is gone", "address.down"),
        Block("It gets an address of the new subnet", "address.up"),
        *_ADD,
        _PRIMARY,
        _DELETE,
        *_DATA,
    ),
    "FIG. 10": (
        Block("The mobile node, away, has registered its care-of address", "Reply arrives", "accepted"),
        Block("The correspondent node sends INIT to the home address", "INIT sent"),
        Block("The home agent's tunnel brings it", "INIT arrives", "tunnel"),
        Block(
            "The mobile node answers: INIT-ACK with SET PRIMARY of its care-of address",
            "INIT-ACK sent",
            "SET PRIMARY",
        ),
        Block("The cookie comes through the tunnel: COOKIE-ECHO", "COOKIE-ECHO arrives", "tunnel"),
        Block("The association is set up: COOKIE-ACK", "COOKIE-ACK arrives"),
        Block("Data comes directly to the care-of address", "first DATA on the path"),
        Block("The direct path dies", "stimulus", "block"),
        Block("The home address is used: data comes through the tunnel", "DATA another way", "tunnel"),
    ),
}


def blocks(figure: str, chain: Sequence[Link]) -> list[Taken]:
    """The steps of a figure in a chain; nothing for a figure that has no table, or a run without a chain."""
    if not chain:
        return []
    return [_taken(number, block, chain) for number, block in enumerate(FIGURES.get(figure, ()), start=1)]


def _taken(number: int, block: Block, chain: Sequence[Link]) -> Taken:
    place = next(
        (n for n, link in enumerate(chain) if link.step == block.step and block.word in link.text), None
    )
    answer = next(
        (link.text for link in chain[place or 0 :] if block.request and link.step == "ASCONF-ACK arrives"), ""
    )
    _, failed, causes = answer.partition("FAILED")
    return Taken(number, block.says, place, bool(failed) and block.request in causes)
