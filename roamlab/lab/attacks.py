"""Attacks in a scenario: who attacks from where and knows what.

    attacker = Attacker(lab, "on-path")
    session = lab.mobile.connect(lab.correspondent)
    attacker.at(4.0).forge(Request(Verb.ADD, attacker.address), source=attacker.address)

Everything stays within the run's namespaces and the documentation prefixes of the address plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from roamlab.lab.lab import Family, Lab, Nic
from roamlab.lab.request_acts import Request
from roamlab.nodes.attacker import AttackerNode
from roamlab.protocols.forging import Signing
from roamlab.topologies.addresses import ATTACKER, VICTIM, VISITED
from roamlab.topologies.attacked import OFF_PATH, ON_PATH, VICTIM_NODE

if TYPE_CHECKING:
    from roamlab.lab.contracts import HasHome

Position = Literal["off-path", "on-path", "inside"]
Sign = Literal["none", "junk", "key"]
_NAME: Final = "attacker"
_INFORMANT: Final = "informant"
_SESSION: Final = 2000  # none of the mobile node's
_HELLO_S: Final = 0.4  # until the correspondent knows whose the session is
_STOP_S: Final = 1.0  # before the end, so that every packet of an attack arrives


class Attacker:
    """An attacker off the path, who is told addresses and ports and guesses the rest; on it; or inside the mobile node.

    To be made before the session, so that it sees the set-up, for sessions of one ``family``. It plays for its own address
    (by default) or a victim's, and attacks ``target``, by default the correspondent node. ``concedes`` is what this kernel
    is expected to let it have (``roamlab.judge.gains.KINDS``).
    """

    def __init__(
        self,
        lab: Lab[HasHome],
        position: Position,
        *,
        family: Family = 4,
        concedes: Iterable[str] = (),
        victim: bool = False,
        target: str = "",
    ) -> None:
        self._lab = lab
        self._acts = 0
        self._target = target or lab.site.correspondent
        site = lab.site
        self.node = {"off-path": OFF_PATH, "on-path": ON_PATH, "inside": site.mobile}[position]
        site.family = family
        self.own_address = site.of_family(ATTACKER.addresses(1))
        self.address = site.of_family(VISITED.addresses(VICTIM)) if victim else self.own_address
        lab.record(
            "attack.stakes",
            addresses=[self.address],
            where=VICTIM_NODE if victim else OFF_PATH,
            target=self._target,
            concedes=list(concedes),
            position=position,
        )
        site.staff(_NAME, AttackerNode, self.node)
        if position == "off-path":
            site.staff(_INFORMANT, AttackerNode, ON_PATH)
            lab.on_event("attack.overheard", self._tell)
        lab.agents.await_ready()
        lab.agents.command(_INFORMANT if position == "off-path" else _NAME, "overhear")
        if not victim:
            lab.agents.command(_NAME, "own", addresses=[self.address])

    def own(self, address: str) -> None:
        """Answer for one more address, such as one that the mobile node has left."""
        self._lab.agents.command(_NAME, "own", addresses=[address])

    def at(self, time_s: float) -> AttackAt:
        """What it does at a time, in seconds since the run's start."""
        self._acts += 1
        return AttackAt(self._lab, self.node, self._target, self.own_address, time_s, self._acts)

    def _tell(self, details: dict[str, Any]) -> None:
        self._lab.agents.command(_NAME, "learn", **details)


@dataclass(frozen=True, slots=True)
class AttackAt:
    """The verbs of an attacker."""

    lab: Lab[HasHome]
    node: str
    target: str
    own_address: str
    time_s: float
    act: int

    def forge(self, *wanted: Request, source: str, signing: Sign = "none") -> None:
        """Send an ASCONF with these requests in the mobile node's name."""
        self._do(
            f"forged ASCONF from {source}, AUTH {signing}",
            "asconf",
            source=source,
            requests=_plain(wanted),
            signing=Signing(signing).value,
        )

    def restart(self, *, source: str, addresses: list[str]) -> None:
        """Send an INIT from the mobile node's port that lists these addresses."""
        self._do(
            f"INIT from {source} with {', '.join(addresses)}", "restart", source=source, addresses=addresses
        )

    def camp(self, *, source: str, addresses: list[str]) -> None:
        """Set up an association from the mobile node's port that claims these addresses."""
        self._do(
            f"set-up from {source} with {', '.join(addresses)}", "camp", source=source, addresses=addresses
        )

    def claim(self, *wanted: Request, source: str) -> None:
        """Send an ASCONF in the attacker's own association."""
        self._do(f"ASCONF from {source}", "claim", source=source, requests=_plain(wanted))

    def subscribe(self, *, every: float, size: int) -> None:
        """Have the correspondent send a stream of messages down the attacker's own association until the scenario's end.

        The stream is no part of what the verdict counts as the session's.
        """
        lab = self.lab
        self._do("a stream for itself", "subscribe", source=self.own_address, session=_SESSION)

        def stream() -> None:
            lab.record("attack.session", session=_SESSION)
            lab.agents.command(
                self.target,
                "stream",
                session=_SESSION,
                every_ns=round(every * 1e9),
                size=size,
                start_ns=lab.timeline.ns(self.time_s + _HELLO_S),
                end_ns=lab.timeline.ns(lab.end_s),
            )

        lab.timeline.at(self.time_s + _HELLO_S / 2, stream)

    def feed(self, *, source: str, every: float, most: int) -> None:
        """Send SACKs for what went elsewhere, from ``source`` and ``every`` so many seconds: each for up to ``most`` chunks."""
        lab = self.lab

        def feed() -> None:
            what = f"SACKs from {source} for what it never got"
            self._record(what)
            times = {"every_ns": round(every * 1e9), "end_ns": lab.timeline.ns(lab.end_s - _STOP_S)}
            lab.agents.command(_NAME, "feed", act=self.act, source=source, most=most, **times)

        lab.timeline.at(self.time_s, feed)

    def replay_cookie(self, *, source: str) -> None:
        """Send the overheard COOKIE-ECHO once more."""
        self._do(f"COOKIE-ECHO from {source}, again", "cookie", source=source)

    def register(self, *, care_of: str, lifetime: int, authenticated: bool) -> None:
        """Register a care-of address for the mobile node, or with lifetime 0 deregister all, without its key."""
        home = self.lab.home
        self._do(
            f"Registration Request, {care_of} for {lifetime} s",
            "register",
            source=care_of if lifetime else self.own_address,
            home_address=self.lab.site.address_on(home),
            home_agent=str(home.subnet.gateway4),
            care_of=care_of,
            lifetime=lifetime,
            authenticated=authenticated,
        )

    def tunnel(self, *, outer: str, inner: str, destination: str) -> None:
        """Send the home agent a datagram as a reverse tunnel would bring it (RFC 3024, 6.1)."""
        self._do(
            f"datagram from {inner} in a tunnel from {outer}",
            "tunnel",
            outer=outer,
            home_agent=str(self.lab.home.subnet.gateway4),
            inner=inner,
            destination=destination,
        )

    def replay_registration(self, *, deregistration: bool) -> None:
        """Send the last overheard Registration Request that registers, or deregisters, once more."""
        what = "deregistration" if deregistration else "registration"
        self._do(f"{what} of before, again", "again", deregistration=deregistration)

    def _do(self, what: str, do: str, **arguments: Any) -> None:
        lab = self.lab

        def act() -> None:
            self._record(what)
            lab.agents.command(_NAME, do, act=self.act, **arguments)

        lab.timeline.at(self.time_s, act)

    def _record(self, what: str) -> None:
        nic = Nic(self.node, "")
        self.lab.stimulus("attack", nic, what=what, act=self.act, target=self.target)


def _plain(wanted: Iterable[Request]) -> list[dict[str, str]]:
    return [{"verb": str(request.plain(0)["verb"]), "address": request.address} for request in wanted]
