"""The home agent's mobility binding table (RFC 5944, 3.8.1), and what a change of it asks of the node.

A home address is at home or away; it is away while it has a binding. `TRANSITIONS` says what a change of that state,
or of a binding, means for tunnels and ARP.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from roamlab.protocols.mobileip.actions import (
    Action,
    AddTunnel,
    Encapsulation,
    GratuitousArp,
    ProxyArp,
    RemoveTunnel,
)


@dataclass(frozen=True, slots=True)
class Binding:
    """A mobility binding: `expires` in ns, or None for an infinite lifetime; `lifetime` as granted, in seconds."""

    home_address: IPv4Address
    care_of_address: IPv4Address
    lifetime: int
    expires: int | None
    identification: int
    encapsulation: Encapsulation = Encapsulation.IPIP
    co_located: bool = False
    reverse: bool = False
    broadcast: bool = False

    @property
    def tunnel(self) -> AddTunnel:
        """The tunnel that serves this binding."""
        return AddTunnel(
            self.home_address, self.care_of_address, self.encapsulation, self.reverse, self.broadcast
        )


class Whereabouts(StrEnum):
    """Where a home address is, as the home agent knows it."""

    AT_HOME = "at home"
    AWAY = "away"


class BindingCause(StrEnum):
    """Why a binding comes or goes."""

    REGISTERED = "registered"
    RETURNED = "returned home"
    DEREGISTERED = "deregistered from afar"
    EXPIRED = "expired"


class ArpAct(StrEnum):
    """What is done with ARP on the home network."""

    ANNOUNCE_SELF = "proxy ARP on, gratuitous ARP with the home agent's link-layer address"
    ANNOUNCE_MOBILE_NODE = "proxy ARP off, gratuitous ARP with the mobile node's link-layer address"
    SILENCE = "proxy ARP off"
    NOTHING = "nothing"


_HOME, _AWAY = Whereabouts.AT_HOME, Whereabouts.AWAY

TRANSITIONS: dict[tuple[Whereabouts, BindingCause, Whereabouts], ArpAct] = {
    (_HOME, BindingCause.REGISTERED, _AWAY): ArpAct.ANNOUNCE_SELF,
    (_AWAY, BindingCause.REGISTERED, _AWAY): ArpAct.NOTHING,
    (_AWAY, BindingCause.RETURNED, _HOME): ArpAct.ANNOUNCE_MOBILE_NODE,
    (_HOME, BindingCause.RETURNED, _HOME): ArpAct.ANNOUNCE_MOBILE_NODE,
    (_AWAY, BindingCause.DEREGISTERED, _AWAY): ArpAct.NOTHING,
    (_AWAY, BindingCause.DEREGISTERED, _HOME): ArpAct.SILENCE,
    (_HOME, BindingCause.DEREGISTERED, _HOME): ArpAct.NOTHING,
    (_AWAY, BindingCause.EXPIRED, _AWAY): ArpAct.NOTHING,
    (_AWAY, BindingCause.EXPIRED, _HOME): ArpAct.SILENCE,
}
"""Before, why, after -> ARP (RFC 5944, 4.6). A mobile node may return home twice: its first reply may be lost."""


class BindingTable:
    """Bindings by home address, in the order they were made; each change returns the actions it needs."""

    def __init__(self) -> None:
        self._bindings: dict[IPv4Address, dict[IPv4Address, Binding]] = {}

    def __iter__(self) -> Iterator[Binding]:
        """All bindings."""
        for bound in self._bindings.values():
            yield from bound.values()

    def of(self, home_address: IPv4Address) -> tuple[Binding, ...]:
        """Return the bindings of one home address."""
        return tuple(self._bindings.get(home_address, {}).values())

    def whereabouts(self, home_address: IPv4Address) -> Whereabouts:
        """Tell whether `home_address` has a binding."""
        return _AWAY if home_address in self._bindings else _HOME

    def away(self) -> int:
        """Return how many home addresses have a binding."""
        return len(self._bindings)

    def next_expiry(self) -> int | None:
        """Return when the next binding expires, in ns, or None."""
        return min((b.expires for b in self if b.expires is not None), default=None)

    def register(self, binding: Binding, *, simultaneous: bool) -> list[Action]:
        """Make or renew a binding; without `simultaneous` it replaces all others of its home address."""
        home = binding.home_address
        before = self.whereabouts(home)
        bound = self._bindings.setdefault(home, {})
        old = bound.get(binding.care_of_address)
        gone = [] if simultaneous else [a for a in bound if a != binding.care_of_address]
        for address in gone:
            del bound[address]
        bound[binding.care_of_address] = binding
        actions: list[Action] = [RemoveTunnel(home, address) for address in gone]
        if old is None or old.tunnel != binding.tunnel:
            actions.append(binding.tunnel)
        return actions + self._arp(home, before, BindingCause.REGISTERED)

    def remove(
        self,
        home_address: IPv4Address,
        care_of: tuple[IPv4Address, ...],
        cause: BindingCause,
        link: bytes = b"",
    ) -> list[Action]:
        """Remove the bindings to these care-of addresses; those that aren't there don't matter."""
        before = self.whereabouts(home_address)
        bound = self._bindings.get(home_address, {})
        gone = [a for a in care_of if bound.pop(a, None) is not None]
        if not bound:
            self._bindings.pop(home_address, None)
        actions: list[Action] = [RemoveTunnel(home_address, address) for address in gone]
        return actions + self._arp(home_address, before, cause, link)

    def _arp(
        self, home: IPv4Address, before: Whereabouts, cause: BindingCause, link: bytes = b""
    ) -> list[Action]:
        match TRANSITIONS[before, cause, self.whereabouts(home)]:
            case ArpAct.ANNOUNCE_SELF:
                return [ProxyArp(home, on=True), GratuitousArp(home)]
            case ArpAct.ANNOUNCE_MOBILE_NODE:
                return [ProxyArp(home, on=False), GratuitousArp(home, of_mobile_node=True, link=link)]
            case ArpAct.SILENCE:
                return [ProxyArp(home, on=False)]
            case ArpAct.NOTHING:
                return []
