"""What an attacker does at one instant: verbs of ``roamlab.lab.acts.At``. Who attacks is in ``roamlab/lab/attacks.py``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from roamlab.record import commands
from roamlab.record.attack_events import AttackSession
from roamlab.record.stimuli import Attack

if TYPE_CHECKING:
    from roamlab.lab.attacks import Attacker
    from roamlab.lab.lab import Lab
    from roamlab.lab.request_acts import Request

Sign = Literal["none", "junk", "key"]
"""How a forged ASCONF is signed; the values of ``roamlab.protocols.forging.Signing``."""
Flood = Literal["heartbeats", "unknown chunks"]
"""What a packet of many chunks holds."""
AGENT: Final = "attacker"
_SESSION: Final = 2000  # none of the mobile node's
_HELLO_S: Final = 0.4  # until the correspondent knows whose the session is
_STOP_S: Final = 1.0  # before the end, so that every packet of an attack arrives


class AttackActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def forge(self, attacker: Attacker, *wanted: Request, source: str, signing: Sign = "none") -> None:
        """Send an ASCONF with these requests in the mobile node's name."""
        self._attack(
            attacker,
            f"forged ASCONF from {source}, AUTH {signing}",
            commands.ForgeAsconf(0, source, _plain(wanted), signing),
        )

    def restart(self, attacker: Attacker, *, source: str, addresses: list[str]) -> None:
        """Send an INIT from the mobile node's port that lists these addresses."""
        what = f"INIT from {source} with {', '.join(addresses)}"
        self._attack(attacker, what, commands.Restart(0, source, tuple(addresses)))

    def camp(self, attacker: Attacker, *, source: str, addresses: list[str]) -> None:
        """Set up an association from the mobile node's port that claims these addresses."""
        what = f"set-up from {source} with {', '.join(addresses)}"
        self._attack(attacker, what, commands.Camp(0, source, tuple(addresses)))

    def claim(self, attacker: Attacker, *wanted: Request, source: str) -> None:
        """Send an ASCONF in the attacker's own association."""
        self._attack(attacker, f"ASCONF from {source}", commands.Claim(0, source, _plain(wanted)))

    def subscribe(self, attacker: Attacker, *, every: float, size: int) -> None:
        """Have the correspondent send a stream of messages down the attacker's own association until the scenario's end.

        The stream is no part of what the verdict counts as the session's.
        """
        lab = self.lab
        self._attack(attacker, "a stream for itself", commands.Subscribe(0, attacker.own_address, _SESSION))

        def stream() -> None:
            lab.record(AttackSession(_SESSION))
            begin_ns, end_ns = lab.timeline.ns(self.time_s + _HELLO_S), lab.timeline.ns(lab.end_s)
            asked = commands.Stream(_SESSION, round(every * 1e9), size, begin_ns, end_ns)
            lab.agents.command(attacker.target, asked)

        lab.timeline.at(self.time_s + _HELLO_S / 2, stream)

    def feed(self, attacker: Attacker, *, source: str, every: float, most: int) -> None:
        """Send SACKs for what went elsewhere, from ``source`` and ``every`` so many seconds: each for up to ``most`` chunks."""
        lab, act = self.lab, attacker.next_act()

        def feed() -> None:
            self._attacked(attacker, act, f"SACKs from {source} for what it never got")
            every_ns, end_ns = round(every * 1e9), lab.timeline.ns(lab.end_s - _STOP_S)
            lab.agents.command(AGENT, commands.Feed(act, source, every_ns, most, end_ns))

        lab.timeline.at(self.time_s, feed)

    def reflect(self, attacker: Attacker, *, source: str) -> None:
        """Send an INIT from ``source`` and the mobile node's port."""
        self._attack(attacker, f"INIT from {source}", commands.Restart(0, source, (source,)))

    def probe(self, attacker: Attacker, *, source: str) -> None:
        """Send an INIT from the mobile node's port, and keep the cookie that comes back."""
        self._attack(attacker, f"INIT from {source}, for its cookie", commands.Probe(0, source))

    def echo(self, attacker: Attacker, *, source: str, sport_shift: int = 0, dport_shift: int = 0) -> None:
        """Send the cookie of the attacker's own INIT, to or from other ports than the INIT's where wanted."""
        echo = commands.Echo(0, source, sport_shift, dport_shift)
        self._attack(attacker, f"COOKIE-ECHO from {source}", echo)

    def quit(self, attacker: Attacker, *, source: str) -> None:
        """End the attacker's own association with ABORT."""
        self._attack(attacker, f"ABORT from {source}", commands.Quit(0, source))

    def hijack(self, attacker: Attacker, *wanted: Request, source: str) -> None:
        """Send these requests in the mobile node's association, with the tie-tags that a cookie tells for tags."""
        what = f"ASCONFs from {source} with tie-tags"
        self._attack(attacker, what, commands.Hijack(0, source, _plain(wanted)))

    def flood(self, attacker: Attacker, *, source: str, what: Flood, count: int) -> None:
        """Send one packet with many chunks that call for an answer each, in the attacker's own association."""
        said = f"{count} {what} in a packet from {source}"
        self._attack(attacker, said, commands.Flood(0, source, what, count))

    def replay_cookie(self, attacker: Attacker, *, source: str) -> None:
        """Send the overheard COOKIE-ECHO once more."""
        self._attack(attacker, f"COOKIE-ECHO from {source}, again", commands.ReplayCookie(0, source))

    def register(self, attacker: Attacker, *, care_of: str, lifetime: int, authenticated: bool) -> None:
        """Register a care-of address for the mobile node, or with lifetime 0 deregister all, without its key."""
        home = self.lab.site.home
        self._attack(
            attacker,
            f"Registration Request, {care_of} for {lifetime} s",
            commands.ForgeRegistration(
                0,
                care_of if lifetime else attacker.own_address,
                self.lab.mobile.address_on(home),
                str(home.subnet.gateway4),
                care_of,
                lifetime,
                authenticated,
            ),
        )

    def tunnel(self, attacker: Attacker, *, outer: str, inner: str, destination: str) -> None:
        """Send the home agent a datagram as a reverse tunnel would bring it (RFC 3024, 6.1)."""
        self._attack(
            attacker,
            f"datagram from {inner} in a tunnel from {outer}",
            commands.ForgeTunnel(0, outer, str(self.lab.site.home.subnet.gateway4), inner, destination),
        )

    def replay_registration(self, attacker: Attacker, *, deregistration: bool) -> None:
        """Send the last overheard Registration Request that registers, or deregisters, once more."""
        what = "deregistration" if deregistration else "registration"
        self._attack(attacker, f"{what} of before, again", commands.ReplayRegistration(0, deregistration))

    def _attack(self, attacker: Attacker, what: str, command: commands.AttackCommand) -> None:
        """Have the attacker do this, as its next act."""
        lab, command.act = self.lab, attacker.next_act()

        def act() -> None:
            self._attacked(attacker, command.act, what)
            lab.agents.command(AGENT, command)

        lab.timeline.at(self.time_s, act)

    def _attacked(self, attacker: Attacker, act: int, what: str) -> None:
        self.lab.stimulus(attacker.node, Attack(what, act, attacker.target))


def _plain(wanted: Iterable[Request]) -> tuple[commands.Request, ...]:
    return tuple(request.command(0) for request in wanted)
