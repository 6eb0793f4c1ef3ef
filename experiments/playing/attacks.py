"""Attacks in a scenario: who attacks from where and knows what.

    attacker = Attacker(lab, "on-path")
    session = lab.mobile.connect(lab.correspondent)
    attacker.at(4.0).forge(Request(Verb.ADD, attacker.address), source=attacker.address)

Everything stays within the run's namespaces and the documentation prefixes of the address plan.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from experiments.playing.lab import Lab, Nic
from experiments.playing.request_acts import Request
from nodes.attacker import AttackerNode
from protocols.forging import Signing
from topologies.addresses import ATTACKER, VICTIM, VISITED
from topologies.attacked import OFF_PATH, ON_PATH, VICTIM_NODE

Position = Literal["off-path", "on-path", "inside"]
Sign = Literal["none", "junk", "key"]
_NAME: Final = "attacker"
_INFORMANT: Final = "informant"


def by_kernel(known: Mapping[str, Sequence[str]], otherwise: Sequence[str] = ()) -> Sequence[str]:
    """What the kernel that runs this is known to let an attacker have, by the beginnings of versions (docs/findings.md)."""
    release = platform.release()
    return next(
        (
            kinds
            for version, kinds in known.items()
            if release == version or release.startswith((f"{version}.", f"{version}-"))
        ),
        otherwise,
    )


class Attacker:
    """An attacker off the path, who is told addresses and ports and guesses the rest; on it; or inside the mobile node.

    To be made before the session, so that it sees the set-up. It plays for its own address (by default) or a victim's, and
    attacks ``target``, by default the correspondent node. ``concedes`` is what this kernel is expected to let it have
    (``experiments.judging.gains.KINDS``).
    """

    def __init__(
        self,
        lab: Lab,
        position: Position,
        *,
        concedes: Iterable[str] = (),
        victim: bool = False,
        target: str = "",
    ) -> None:
        self._lab = lab
        self._acts = 0
        self._target = target or lab.site.correspondent
        site = lab.site
        self.node = {"off-path": OFF_PATH, "on-path": ON_PATH, "inside": site.mobile}[position]
        self.address = str(VISITED.host4(VICTIM).ip) if victim else str(ATTACKER.host4(1).ip)
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
        return AttackAt(self._lab, self.node, self._target, time_s, self._acts)

    def _tell(self, details: dict[str, Any]) -> None:
        self._lab.agents.command(_NAME, "learn", **details)


@dataclass(frozen=True, slots=True)
class AttackAt:
    """The verbs of an attacker."""

    lab: Lab
    node: str
    target: str
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

    def replay_cookie(self, *, source: str) -> None:
        """Send the overheard COOKIE-ECHO once more."""
        self._do(f"COOKIE-ECHO from {source}, again", "cookie", source=source)

    def register(self, *, care_of: str, lifetime: int, authenticated: bool) -> None:
        """Register a care-of address for the mobile node, or with lifetime 0 deregister all, without its key."""
        home = self.lab.home
        self._do(
            f"Registration Request, {care_of} for {lifetime} s",
            "register",
            source=care_of if lifetime else str(ATTACKER.host4(1).ip),
            home_address=self.lab.site.address_on(home),
            home_agent=str(home.subnet.gateway4),
            care_of=care_of,
            lifetime=lifetime,
            authenticated=authenticated,
        )

    def replay_registration(self, *, deregistration: bool) -> None:
        """Send the last overheard Registration Request that registers, or deregisters, once more."""
        what = "deregistration" if deregistration else "registration"
        self._do(f"{what} of before, again", "again", deregistration=deregistration)

    def _do(self, what: str, do: str, **arguments: Any) -> None:
        lab = self.lab

        def act() -> None:
            lab.stimulus(
                "attack",
                self.time_s,
                Nic(self.node, ""),
                what=what,
                act=self.act,
                target=self.target,
            )
            lab.agents.command(_NAME, do, act=self.act, **arguments)

        lab.timeline.at(self.time_s, act)


def _plain(wanted: Iterable[Request]) -> list[dict[str, str]]:
    return [{"verb": str(request.plain(0)["verb"]), "address": request.address} for request in wanted]
