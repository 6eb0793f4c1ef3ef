"""FIG. 5's cookie tried out: `Prober(lab).at(2.0, Echo.WRONG)`."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from roamlab.agents.raw_endpoint import RawEndpoint
from roamlab.lab.request_acts import Anywhere
from roamlab.topologies.addresses import PC16, VISITED

if TYPE_CHECKING:
    from roamlab.lab.lab import Lab

HOST: Final = "pc16"
_SOON_S: Final = 0.5
_STALE_S: Final = 61.0  # Linux's cookies live for 60 s (net.sctp.valid_cookie_life)
_PORT: Final = 5001
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
        self._tell("open", peer=site.correspondent_address)

    def at(self, time_s: float, echo: Echo) -> None:
        """Try a cookie: an INIT now (none for a replay), and the COOKIE-ECHO when it is due."""
        timeline, due_s = self._lab.timeline, time_s
        if echo is not Echo.REPLAYED:
            timeline.at(time_s, self._initiate)
            due_s += _STALE_S if echo is Echo.STALE else _SOON_S
        timeline.at(due_s, partial(self._echo, due_s, echo))

    def _initiate(self) -> None:
        self._port += 1
        self._tell(
            "initiate", port=self._port, peer_port=_PORT, local=self._local, secured=False, echoes=False
        )

    def _echo(self, due_s: float, echo: Echo) -> None:
        self._lab.stimulus("cookie", Anywhere(HOST), echo=echo.value, sets_up=int(echo is Echo.RIGHT))
        self._account()
        self._tell("echo", port=self._port, damaged=echo is Echo.WRONG)
        self._lab.timeline.at(due_s + _SOON_S, self._account)

    def _account(self) -> None:
        self._lab.agents.command(self._lab.correspondent.name, "account", kind="cookie.state")

    def _tell(self, do: str, **arguments: Any) -> None:
        self._lab.agents.command(HOST, do, **arguments)
