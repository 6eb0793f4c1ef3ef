"""FIG. 5's cookie tried out: `lab.at(2.0).try_cookie(Prober(lab), Echo.WRONG)`."""

from __future__ import annotations

from enum import Enum
from typing import Final

from roamlab.agents.raw_endpoint import RawEndpoint
from roamlab.lab.lab import PORT, Lab
from roamlab.record.commands import Account, Command, EchoCookie, Initiate, Open
from roamlab.record.stimuli import Cookie
from roamlab.topologies.addresses import PC16, VISITED

HOST: Final = "pc16"
_SOON_S: Final = 0.5
_STALE_S: Final = 61.0  # Linux's cookies live for 60 s (net.sctp.valid_cookie_life)
_OWN_PORT: Final = 4000  # each probe has one more


class Echo(Enum):
    """A COOKIE-ECHO to try: as it should be, once more, damaged, or after its lifetime."""

    RIGHT = "right"
    REPLAYED = "replayed"
    WRONG = "wrong"
    STALE = "stale"


class Prober:
    """A host that tries cookies on the correspondent node."""

    def __init__(self, lab: Lab[object]) -> None:
        self._lab = lab
        site = lab.site
        site.staff(HOST, RawEndpoint)
        self._local = site.of_family(VISITED.addresses(PC16))
        self._port = _OWN_PORT
        self._tell(Open(lab.correspondent.address))

    @staticmethod
    def initiates(echo: Echo) -> bool:
        """Whether an INIT comes before this COOKIE-ECHO."""
        return echo is not Echo.REPLAYED

    @staticmethod
    def due_s(echo: Echo) -> float:
        """How long after its INIT a COOKIE-ECHO is due (s)."""
        return {Echo.REPLAYED: 0.0, Echo.STALE: _STALE_S}.get(echo, _SOON_S)

    def initiate(self) -> None:
        """Send an INIT from the next port."""
        self._port += 1
        self._tell(Initiate(self._port, PORT, self._local, secured=False, echoes=False))

    def echo(self, due_s: float, echo: Echo) -> None:
        """Send the COOKIE-ECHO that was due at a time, and have the correspondent report before and after it."""
        self._lab.stimulus(HOST, Cookie(echo.value, int(echo is Echo.RIGHT)))
        self._account()
        self._tell(EchoCookie(self._port, echo is Echo.WRONG))
        self._lab.timeline.at(due_s + _SOON_S, self._account)

    def _account(self) -> None:
        self._lab.correspondent.tell(Account("cookie"))

    def _tell(self, command: Command) -> None:
        self._lab.agents.command(HOST, command)
