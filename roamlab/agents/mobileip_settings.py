"""How Mobile IP's nodes are told what to do: the arguments of their ``serve`` commands, and the machines' configurations
that follow from them.

Addresses are text, keys hexadecimal, lifetimes seconds; all of it can go into a JSON line.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface

import msgspec

from roamlab.protocols.mobileip.actions import Encapsulation
from roamlab.protocols.mobileip.admission import HomeAgentConfig
from roamlab.protocols.mobileip.advertisement import AgentFlags
from roamlab.protocols.mobileip.advertiser import Advertising
from roamlab.protocols.mobileip.authentication import Algorithm, SecurityAssociation
from roamlab.protocols.mobileip.foreign_agent import ForeignAgentConfig
from roamlab.protocols.mobileip.identification import Replay
from roamlab.protocols.mobileip.movement import Movement
from roamlab.protocols.mobileip.policy import Reverse
from roamlab.protocols.mobileip.registering import MobileNodeConfig
from roamlab.protocols.mobileip.registration import INFINITE_LIFETIME, RequestFlags


class Security(msgspec.Struct, frozen=True):
    """A mobility security association: ``algorithm`` is ``md5`` or ``sha256``, keyed with HMAC."""

    spi: int
    key: str
    algorithm: str = "md5"

    def association(self) -> SecurityAssociation:
        """The association that the machines take."""
        algorithm = next(a for a in Algorithm if a.digest_name == self.algorithm)
        return SecurityAssociation(self.spi, bytes.fromhex(self.key), algorithm)


Known = dict[str, Security]
"""Security associations by the other node's address."""


class HomeAgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A home agent on the link of ``interface``, which has the address ``address`` (with the prefix length)."""

    interface: str
    address: str
    mobile_nodes: Known
    foreign_agents: Known = {}
    max_lifetime: int = 3 * 3600
    capacity: int = 1024
    replay: Replay = Replay.TIMESTAMPS
    reverse: Reverse = Reverse.AVAILABLE
    encapsulations: tuple[Encapsulation, ...] = tuple(Encapsulation)
    barred: tuple[str, ...] = ()

    def config(self) -> HomeAgentConfig:
        """The machine's configuration; it advertises once a second."""
        own = IPv4Interface(self.address)
        flags = AgentFlags.H | _abilities(self.encapsulations, self.reverse)
        return HomeAgentConfig(
            own.ip,
            _associations(self.mobile_nodes),
            _associations(self.foreign_agents),
            max_lifetime=self.max_lifetime,
            capacity=self.capacity,
            replay=self.replay,
            reverse=self.reverse,
            encapsulations=frozenset(self.encapsulations),
            barred=frozenset(map(IPv4Address, self.barred)),
            advertising=Advertising(own, flags, self.max_lifetime),
        )


class ForeignAgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign agent on the link of ``interface``; its address there is its care-of address.

    ``required``: mobile nodes with a co-located care-of address have to register through it too (the R bit). ``longest``: the
    longest lifetime it registers, where that isn't ``max_lifetime``, which it advertises. ``sequence``: its first
    advertisement's number, other than 0 as if it had been advertising for long.
    """

    interface: str
    address: str
    mobile_nodes: Known = {}
    home_agents: Known = {}
    max_lifetime: int = INFINITE_LIFETIME
    capacity: int = 256
    max_pending: int = 16
    longest: int | None = None
    sequence: int = 0
    required: bool = False
    reverse: Reverse = Reverse.AVAILABLE
    encapsulations: tuple[Encapsulation, ...] = tuple(Encapsulation)
    barred: tuple[str, ...] = ()

    def config(self) -> ForeignAgentConfig:
        """The machine's configuration; it advertises once a second."""
        own = IPv4Interface(self.address)
        flags = AgentFlags.F | _abilities(self.encapsulations, self.reverse)
        if self.required:
            flags |= AgentFlags.R
        return ForeignAgentConfig(
            own.ip,
            Advertising(own, flags, self.max_lifetime, (own.ip,), sequence=self.sequence),
            _associations(self.mobile_nodes),
            _associations(self.home_agents),
            capacity=self.capacity,
            max_pending=self.max_pending,
            reverse=self.reverse,
            encapsulations=frozenset(self.encapsulations),
            barred=frozenset(map(IPv4Address, self.barred)),
            max_lifetime=self.longest,
        )


class MobileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A mobile node whose NIC ``interface`` has its home address.

    ``skew_ns`` is how far its clock is ahead of the others'. ``co_located``: it takes a care-of address of its own where it
    can get one, in preference to a foreign agent's.
    """

    interface: str
    home_address: str
    home_agent: str
    security: Security
    foreign_agents: Known = {}
    lifetime: int = 5 * 3600
    replay: Replay = Replay.TIMESTAMPS
    movement: Movement = Movement.LIFETIME
    encapsulation: Encapsulation = Encapsulation.IPIP
    reverse: bool = False
    co_located: bool = False
    skew_ns: int = 0

    def config(self) -> MobileNodeConfig:
        """The machine's configuration."""
        flags = RequestFlags(0)
        if self.encapsulation is Encapsulation.GRE:
            flags |= RequestFlags.G
        if self.reverse:
            flags |= RequestFlags.T
        return MobileNodeConfig(
            IPv4Address(self.home_address),
            IPv4Address(self.home_agent),
            self.security.association(),
            _associations(self.foreign_agents),
            lifetime=self.lifetime,
            flags=flags,
            replay=self.replay,
            movement=self.movement,
            prefer_co_located=self.co_located,
        )


def _associations(known: Mapping[str, Security]) -> dict[IPv4Address, SecurityAssociation]:
    return {IPv4Address(address): security.association() for address, security in known.items()}


def _abilities(encapsulations: tuple[Encapsulation, ...], reverse: Reverse) -> AgentFlags:
    flags = AgentFlags.G if Encapsulation.GRE in encapsulations else AgentFlags(0)
    return flags if reverse is Reverse.UNAVAILABLE else flags | AgentFlags.T
