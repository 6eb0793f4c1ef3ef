"""What a mobile node hears, and where it decides to attach (RFC 5944, 2.4).

`HeardAgents` remembers agents for as long as their advertisements are valid. `choose` compares them with the current
attachment under one of three policies:

- LIFETIME, the RFC's algorithm 1: stay while the current agent's advertisement is valid. Home, when heard, wins.
- PREFIX, algorithm 2: an agent heard more recently, on a network known to be another one, means that the node moved.
- EAGER: an agent heard more recently means that the node moved.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from roamlab.protocols.mobileip.advertisement import AgentAdvertisement, AgentFlags, MobilityAgentExtension
from roamlab.protocols.mobileip.identification import SECOND
from roamlab.protocols.mobileip.registration import INFINITE_LIFETIME

FIRST_AFTER_START = 256
"""Sequence numbers below this one are used only after an agent started (RFC 5944, 2.3.2)."""


class Movement(StrEnum):
    """How the mobile node concludes that it has moved."""

    LIFETIME = "lifetime"
    PREFIX = "prefix"
    EAGER = "eager"


class AttachmentKind(StrEnum):
    """What an attachment is good for."""

    HOME = "home"
    FOREIGN_AGENT = "foreign agent"
    CO_LOCATED = "co-located"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A way to be reached: the care-of address (at home: the home address) and who the requests go to.

    `agent` is the foreign agent to register through, None to register with the home agent directly; `gateway` and
    `link` are the default router's addresses. `most` is the longest lifetime the agent registers, in seconds.
    """

    place: AttachmentKind
    interface: str
    care_of_address: IPv4Address
    gateway: IPv4Address
    link: bytes = b""
    agent: IPv4Address | None = None
    network: IPv4Network | None = None
    most: int = INFINITE_LIFETIME


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attachment that could be used; `since` and `expires` (None: until told) in ns."""

    attachment: Attachment
    since: int
    expires: int | None
    busy: bool = False


@dataclass(frozen=True, slots=True)
class HeardAgent:
    """An agent as last heard; `since` is when it was first heard without a gap, in ns."""

    advertisement: AgentAdvertisement
    mobility: MobilityAgentExtension
    address: IPv4Address
    interface: str
    link: bytes
    since: int
    heard: int

    @property
    def expires(self) -> int:
        """When the advertisement is no longer valid, in ns."""
        return self.heard + self.advertisement.lifetime * SECOND

    @property
    def network(self) -> IPv4Network | None:
        """The link's network, from the Prefix-Lengths Extension."""
        if not self.advertisement.prefix_lengths:
            return None
        router, length = self.advertisement.routers[0], self.advertisement.prefix_lengths[0]
        return IPv4Interface((router.address, length)).network


class HeardAgents:
    """The agents whose advertisements are valid, by interface and address."""

    def __init__(self, home_agent: Callable[[], IPv4Address], home_address: IPv4Address) -> None:
        self._home_agent = home_agent
        self._home_address = home_address
        self._heard: dict[tuple[str, IPv4Address], HeardAgent] = {}

    def hear(
        self,
        advertisement: AgentAdvertisement,
        source: IPv4Address,
        interface: str,
        link: bytes,
        now: int,
    ) -> bool:
        """Remember an agent; return whether it has started again since it was last heard (RFC 5944, 2.4.4)."""
        if advertisement.mobility is None:
            return False
        agent = HeardAgent(advertisement, advertisement.mobility, source, interface, link, now, now)
        old = self._heard.get((interface, source))
        # Agents advertise at least three times in a lifetime, so that two thirds of silence is an absence.
        if old and now - old.heard <= old.advertisement.lifetime * SECOND * 2 // 3:
            agent = replace(agent, since=old.since)
        self._heard[interface, source] = agent
        sequence = agent.mobility.sequence
        return old is not None and sequence < FIRST_AFTER_START and sequence < old.mobility.sequence

    def expire(self, now: int) -> list[HeardAgent]:
        """Forget and return the agents whose advertisements are no longer valid."""
        gone = [a for a in self._heard.values() if a.expires <= now]
        for agent in gone:
            del self._heard[agent.interface, agent.address]
        return gone

    def forget(self, interface: str) -> list[HeardAgent]:
        """Forget and return what was heard on an interface."""
        gone = [a for a in self._heard.values() if a.interface == interface]
        for agent in gone:
            del self._heard[agent.interface, agent.address]
        return gone

    def next_expiry(self) -> int | None:
        """Return when the next advertisement ceases to be valid, in ns, or None."""
        return min((a.expires for a in self._heard.values()), default=None)

    def registrar(self, interface: str) -> HeardAgent | None:
        """Return a foreign agent on `interface` that insists on registering through it (its R bit)."""
        wanted = AgentFlags.R | AgentFlags.F
        agents = [a for a in self._heard.values() if a.interface == interface and wanted in a.mobility.flags]
        return max(agents, key=lambda a: a.since, default=None)

    def candidates(self) -> list[Candidate]:
        """Return the attachments that the agents offer: the home network, and foreign agents' care-of addresses."""
        return [c for a in self._heard.values() if (c := self._candidate(a))]

    def _is_home_agent(self, agent: HeardAgent) -> bool:
        """Tell whether an agent is the node's home agent; of one that it has yet to find it knows the network only.

        It is then looked for under the network's broadcast address (RFC 5944, 3.6.1.2).
        """
        wanted, network = self._home_agent(), agent.network
        found = network is not None and wanted == network.broadcast_address
        return AgentFlags.H in agent.mobility.flags and (agent.address == wanted or found)

    def _candidate(self, agent: HeardAgent) -> Candidate | None:
        flags = agent.mobility.flags
        if self._is_home_agent(agent):
            at_home = Attachment(
                AttachmentKind.HOME,
                agent.interface,
                self._home_address,
                agent.address,
                agent.link,
                network=agent.network,
            )
            return Candidate(at_home, agent.since, agent.expires)
        if AgentFlags.F not in flags or not agent.mobility.care_of_addresses:
            return None
        visiting = Attachment(
            AttachmentKind.FOREIGN_AGENT,
            agent.interface,
            agent.mobility.care_of_addresses[0],
            agent.address,
            agent.link,
            agent=agent.address,
            network=agent.network,
            most=agent.mobility.registration_lifetime,
        )
        return Candidate(visiting, agent.since, agent.expires, busy=AgentFlags.B in flags)


def same_place(one: Attachment | None, other: Attachment | None) -> bool:
    """Tell whether two attachments need the same registration."""
    if one is None or other is None:
        return one is other
    return (one.place, one.interface, one.care_of_address, one.agent) == (
        other.place,
        other.interface,
        other.care_of_address,
        other.agent,
    )


def choose(candidates: list[Candidate], current: Attachment | None, movement: Movement) -> Attachment | None:
    """Return the attachment to use now, or None when there is none; a busy agent only keeps whom it has."""
    usable = [c for c in candidates if not c.busy or same_place(c.attachment, current)]
    newest = max(usable, key=lambda c: c.since, default=None)
    here = next((c for c in usable if same_place(c.attachment, current)), None)
    if newest is None:
        return None
    if here is None:
        home = next((c for c in usable if c.attachment.place is AttachmentKind.HOME), newest)
        return (home if movement is Movement.LIFETIME else newest).attachment
    match movement:
        case Movement.LIFETIME:
            return next((c for c in usable if c.attachment.place is AttachmentKind.HOME), here).attachment
        case Movement.PREFIX:
            elsewhere = [c for c in usable if c.since > here.since and _moved(here, c)]
            return max(elsewhere, key=lambda c: c.since, default=here).attachment
        case Movement.EAGER:
            return (newest if newest.since > here.since else here).attachment


def _moved(here: Candidate, other: Candidate) -> bool:
    """Tell whether both networks are known and differ (RFC 5944, 2.4.2.2)."""
    mine, its = here.attachment.network, other.attachment.network
    return mine is not None and its is not None and mine != its
