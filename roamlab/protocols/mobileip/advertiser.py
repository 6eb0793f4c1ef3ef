"""When a mobility agent advertises itself, and what (RFC 5944, 2.3).

The sequence number starts at 0 when the agent starts, and 0xffff is followed by 256, so that a number below 256 tells
a mobile node that the agent has started again. No more than one advertisement a second goes out, solicited or not.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from roamlab.protocols.mobileip.advertisement import (
    ALL_HOSTS,
    AgentAdvertisement,
    AgentFlags,
    MobilityAgentExtension,
    Router,
)
from roamlab.protocols.mobileip.identification import SECOND

MIN_INTERVAL = SECOND
AFTER_ROLLOVER = 256
LAST_SEQUENCE = 0xFFFF


@dataclass(frozen=True, slots=True)
class Advertising:
    """How an agent advertises.

    `interface` is its address on the link with the prefix length, `interval` in ns (at least a second), `lifetime` in
    seconds (at least three intervals), `registration_lifetime` in seconds (0xffff: infinite). `sequence` is the first
    sequence number: 0 after a start, another for an agent that has been advertising for long.
    """

    interface: IPv4Interface
    flags: AgentFlags
    registration_lifetime: int
    care_of_addresses: tuple[IPv4Address, ...] = ()
    interval: int = SECOND
    lifetime: int = 3
    destination: IPv4Address = ALL_HOSTS
    sequence: int = 0

    def __post_init__(self) -> None:
        """Hold RFC 5944, 2.1.1 and 2.3."""
        if self.interval < MIN_INTERVAL:
            raise ValueError("more than one advertisement a second")
        if self.lifetime * SECOND < 3 * self.interval:
            raise ValueError("the lifetime is shorter than three intervals")
        if AgentFlags.F in self.flags and not self.care_of_addresses:
            raise ValueError("a foreign agent without a care-of address")
        if not 0 <= self.sequence <= LAST_SEQUENCE:
            raise ValueError(f"{self.sequence} is not a sequence number")


def following(sequence: int) -> int:
    """Return the sequence number after `sequence` (RFC 5944, 2.3.2)."""
    return AFTER_ROLLOVER if sequence == LAST_SEQUENCE else sequence + 1


class Advertiser:
    """The schedule of one agent's advertisements; the first is due at once."""

    def __init__(self, advertising: Advertising, now: int) -> None:
        self._advertising = advertising
        self._sequence = advertising.sequence
        self._last: int | None = None
        self._due = now

    def solicited(self, now: int) -> None:
        """Bring the next advertisement forward, as far as the rate allows."""
        earliest = now if self._last is None else max(now, self._last + MIN_INTERVAL)
        self._due = min(self._due, earliest)

    def timer(self) -> int:
        """Return when the next advertisement is due, in ns."""
        return self._due

    def due(self, now: int, *, busy: bool = False) -> AgentAdvertisement | None:
        """Return the advertisement to send now, or None when it isn't time."""
        if now < self._due:
            return None
        a = self._advertising
        mobility = MobilityAgentExtension(
            self._sequence,
            a.registration_lifetime,
            a.flags | AgentFlags.B if busy else a.flags,
            a.care_of_addresses,
        )
        self._sequence = following(self._sequence)
        self._last = now
        self._due = now + a.interval
        return AgentAdvertisement(
            a.lifetime,
            (Router(a.interface.ip),),
            mobility,
            (a.interface.network.prefixlen,),
        )
