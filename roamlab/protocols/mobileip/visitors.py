"""The foreign agent's visitor list (RFC 5944, 3.7.1), and the routes and tunnel ends that follow from it."""

from dataclasses import dataclass
from ipaddress import IPv4Address

from roamlab.protocols.mobileip.actions import Action, AddVisitor, Decapsulate, Encapsulation, RemoveVisitor
from roamlab.protocols.mobileip.policy import Reception
from roamlab.protocols.mobileip.registration import RegistrationRequest


@dataclass(frozen=True, slots=True)
class Pending:
    """A Registration Request relayed to the home agent and not yet answered; `deadline` in ns."""

    request: RegistrationRequest
    arrival: Reception
    deadline: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """A registered mobile node: `expires` in ns, or None for an infinite lifetime; `lifetime` as granted, in seconds.

    One with a co-located care-of address is only listed: its datagrams don't come through this agent.
    """

    home_address: IPv4Address
    link: bytes
    home_agent: IPv4Address
    care_of_address: IPv4Address
    lifetime: int
    expires: int | None
    identification: int
    encapsulation: Encapsulation = Encapsulation.IPIP
    co_located: bool = False
    reverse: bool = False

    @property
    def route(self) -> AddVisitor | None:
        """What serves this visitor, or None when it needs nothing from here."""
        if self.co_located:
            return None
        return AddVisitor(
            self.home_address,
            self.link,
            self.home_agent,
            self.care_of_address,
            self.encapsulation,
            self.reverse,
        )


class VisitorList:
    """Visitors by home address; each change returns the actions it needs."""

    def __init__(self) -> None:
        self._visitors: dict[IPv4Address, Visitor] = {}

    def __len__(self) -> int:
        """How many visitors there are."""
        return len(self._visitors)

    def all(self) -> list[Visitor]:
        """Return the visitors in the order they came."""
        return list(self._visitors.values())

    def get(self, home_address: IPv4Address) -> Visitor | None:
        """Return the visitor with that home address."""
        return self._visitors.get(home_address)

    def next_expiry(self) -> int | None:
        """Return when the next visitor expires, in ns, or None."""
        return min((v.expires for v in self.all() if v.expires is not None), default=None)

    def put(self, visitor: Visitor) -> list[Action]:
        """Add or renew a visitor."""
        before = self._ends()
        old = self._visitors.get(visitor.home_address)
        self._visitors[visitor.home_address] = visitor
        was, becomes = old.route if old else None, visitor.route
        actions = self._changed(before)
        if becomes and becomes != was:
            actions.append(becomes)
        elif was and not becomes:
            actions.append(RemoveVisitor(visitor.home_address))
        return actions

    def remove(self, home_address: IPv4Address) -> list[Action]:
        """Remove a visitor; one that isn't there doesn't matter."""
        before = self._ends()
        visitor = self._visitors.pop(home_address, None)
        actions: list[Action] = [RemoveVisitor(home_address)] if visitor and visitor.route else []
        return actions + self._changed(before)

    def _ends(self) -> set[tuple[IPv4Address, Encapsulation]]:
        """Return the tunnel ends that the visitors need."""
        return {(v.care_of_address, v.encapsulation) for v in self.all() if v.route}

    def _changed(self, before: set[tuple[IPv4Address, Encapsulation]]) -> list[Action]:
        after = self._ends()
        opened = [Decapsulate(address, how, on=True) for address, how in sorted(after - before)]
        closed = [Decapsulate(address, how, on=False) for address, how in sorted(before - after)]
        return [*opened, *closed]
