"""The rows and columns of a matrix: kinds of session, and moves that any of them can play.

A row follows from a transport, or from a transport over Mobile IP; a new transport is a row by itself. A column is a scenario
with its settings. Which row has no part in which column follows from the move's ``kinds`` and the transport's ``lacks``:
nothing here tells transports apart by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from roamlab.errors import BadInput
from roamlab.registry import Scenario, find, nearest
from roamlab.transports import find as find_transport
from roamlab.transports import names

_MOBILE_IP: Final = "-mip"
_OVER_MOBILE_IP: Final = ("tcp", "udp")
_NO_AGENTS: Final = "roamlab plays this move without mobility agents"
_MOBILE_IP_LACKS: Final[Mapping[str, str]] = {
    "two-nics": "roamlab's Mobile IP client keeps one NIC's care-of address",
    "readdress": "an address that changes on the home network is the home address itself",
    **dict.fromkeys(("nat", "router", "both-ends"), _NO_AGENTS),
}


_NO_PACKAGE: Final = "Debian 12 has no package of it"
ABSENT: Final[Mapping[str, str]] = {
    "masque": f"{_NO_PACKAGE}, and aioquic has neither CONNECT-UDP (RFC 9298) nor CONNECT-IP (RFC 9484)",
    "mp-dccp": "no released kernel has Multipath DCCP, and 7.3.4 has no DCCP at all",
    "hip": f"{_NO_PACKAGE}: neither hipl nor openhip, nor another daemon of RFC 7401",
    "lisp": f"{_NO_PACKAGE}: neither oor nor another router of RFC 9300",
    "mobile-ipv6": f"{_NO_PACKAGE}: the kernel has its part (CONFIG_IPV6_MIP6), umip, the daemon, is gone",
    "mobike": "strongSwan is there, but the lab kernel has no ESP (CONFIG_INET_ESP)",
}
"""Rows that nothing here can play, each with its reason."""


@dataclass(frozen=True, slots=True)
class SessionKind:
    """A row: a transport, over Mobile IP or not, or one of those that nothing here can play (`ABSENT`)."""

    name: str
    transport: str
    mobile_ip: bool = False

    @classmethod
    def named(cls, name: str) -> SessionKind:
        """The row of a name: a transport's, with ``-mip`` over Mobile IP. Raises BadInput where there is no such transport."""
        if name in ABSENT:
            return cls(name, "")
        transport = name.removesuffix(_MOBILE_IP)
        find_transport(transport)
        return cls(name, transport, name != transport)

    @property
    def stack(self) -> str:
        """Which implementation it is, with its version."""
        return (find_transport(self.transport).stack or "the kernel's") if self.transport else "none"

    @property
    def settings(self) -> str:
        """What was configured, in a sentence; nothing where all is as it comes."""
        if not self.transport:
            return ABSENT[self.name]
        own = find_transport(self.transport).settings
        over = "over Mobile IPv4 with foreign agents (RFC 5944)" if self.mobile_ip else ""
        return "; ".join(filter(None, (own, over)))

    def lacks(self, move: Move) -> str:
        """Why it has no part in a move; empty where it has."""
        if not self.transport:
            return "nothing here can play it"
        reasons = {**find_transport(self.transport).lacks, **(_MOBILE_IP_LACKS if self.mobile_ip else {})}
        return next((reasons[kind] for kind in move.kinds if kind in reasons), "")

    def parameters(self, move: Move) -> dict[str, Any]:
        """All parameters of the move's scenario, as this kind of session plays it."""
        over = {"mobile_ip": "true"} if self.mobile_ip else {}
        return move.found.complete({"transport": self.transport, **over, **move.settings})


@cache
def sessions() -> tuple[str, ...]:
    """The rows, unless others are asked for: every transport, what Mobile IP carries, and what is absent."""
    return (*names(), *(f"{name}{_MOBILE_IP}" for name in _OVER_MOBILE_IP), *ABSENT)


@dataclass(frozen=True, slots=True)
class Move:
    """A column: a scenario that any transport can play, with its settings.

    ``kinds`` are what a session must be able to take part in: ``two-nics``, ``readdress``, ``both-ends``, ``nat``, ``router``
    (something happens on the way), ``large`` (messages that fill a packet), ``idle``, ``bulk``, ``requests``.
    """

    name: str
    words: str
    scenario: str
    settings: dict[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()

    @property
    def found(self) -> Scenario:
        """The scenario."""
        return find(self.scenario)

    @property
    def command(self) -> str:
        """The scenario and its settings, as `./lab run` takes them."""
        return " ".join([self.scenario, *(f"--set {name}={value}" for name, value in self.settings.items())])


def _all() -> tuple[Move, ...]:
    one, two, worse = "move-one-nic", "move-two-nics", "move-to-worse"
    gaps = ("0", "0.05", "0.5", "2", "10", "30", "90")
    return (
        *(Move(f"one-nic-{gap}", f"one NIC, gap {gap} s", one, {"gap": gap}) for gap in gaps),
        *(
            Move(f"two-nics-{lap}", f"two NICs, overlap {lap} s", two, {"overlap": lap}, ("two-nics",))
            for lap in ("1", "0.1", "0")
        ),
        Move(
            "silent",
            "the old path dies untold, a second NIC comes 0.5 s later",
            "move-silent",
            {},
            ("two-nics", "router"),
        ),
        Move("slower", "to a link of 0.25 Mbit/s", worse, {"visited_bw": "0.25"}, ("router",)),
        Move("lossy", "to a link that loses 5 %", worse, {"visited_loss": "5"}, ("router",)),
        Move(
            "asymmetric",
            "to a link of 60 ms up, 5 ms down",
            worse,
            {"visited_up_delay_ms": "60"},
            ("router",),
        ),
        Move(
            "black-hole",
            "to where more than 1280 octets are swallowed",
            "move-black-hole",
            {},
            ("router", "large"),
        ),
        Move("into-nat", "to behind a NAT", "move-nat", {"old": "open"}, ("nat",)),
        Move("between-nats", "from behind a NAT to behind another", "move-nat", {"old": "nat"}, ("nat",)),
        Move("rebinding", "its NAT forgets it", "nat-rebinding", {}, ("nat",)),
        Move("both-ends", "both ends at once", "move-both-ends", {}, ("both-ends",)),
        Move("one-by-one", "one end, 2 s later the other", "move-both-ends", {"apart": "2"}, ("both-ends",)),
        Move(
            "ping-pong",
            "ping-pong, 6 moves, one a second",
            "move-back-and-forth",
            {"moves": "6", "every": "1"},
        ),
        Move("return", "away, and back after 5 s", "move-back-and-forth", {"moves": "2", "every": "5"}),
        Move("address", "the address changes where the NIC is", "move-address", {}, ("readdress",)),
        *(
            Move(kind, f"one NIC, gap 0.5 s: {words}", one, {"gap": "0.5", "traffic": kind}, (kind,))
            for kind, words in (
                ("idle", "idle until 5 s later"),
                ("bulk", "a download of 4.8 Mbit/s"),
                ("requests", "ten requests a second, and answers"),
            )
        ),
    )


MOVES: Final = {move.name: move for move in _all()}
"""The columns, by name. Where nothing else is said, each end sends 50 messages of 200 octets a second."""


def chosen_sessions(text: str) -> tuple[SessionKind, ...]:
    """The rows that a text names with commas between them; all of them for an empty one. Raises BadInput."""
    wanted = dict.fromkeys(text.split(",")) if text else sessions()
    return tuple(SessionKind.named(name) for name in wanted)


def chosen_moves(text: str) -> tuple[Move, ...]:
    """The columns that a text names with commas between them; all of them for an empty one. Raises BadInput.

    A name before a dash stands for all that begin so: ``one-nic`` for every gap.
    """
    if not text:
        return tuple(MOVES.values())
    found: dict[str, Move] = {}
    for name in text.split(","):
        those = {n: move for n, move in MOVES.items() if name and (n == name or n.startswith(f"{name}-"))}
        if not those:
            raise BadInput(f"there is no move {name!r}{nearest(name, MOVES)}")
        found |= those
    return tuple(found.values())
