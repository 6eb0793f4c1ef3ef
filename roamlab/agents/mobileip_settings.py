"""The configurations of Mobile IP's machines, from the commands that tell agents to serve (roamlab/record/commands.py)."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Interface

from roamlab.protocols.mobileip.actions import Encapsulation
from roamlab.protocols.mobileip.admission import HomeAgentConfig
from roamlab.protocols.mobileip.advertisement import AgentFlags
from roamlab.protocols.mobileip.advertiser import Advertising
from roamlab.protocols.mobileip.authentication import Algorithm, SecurityAssociation
from roamlab.protocols.mobileip.foreign_agent import ForeignAgentConfig
from roamlab.protocols.mobileip.identification import ReplayProtection
from roamlab.protocols.mobileip.movement import Movement
from roamlab.protocols.mobileip.policy import Reverse
from roamlab.protocols.mobileip.registering import MobileNodeConfig
from roamlab.protocols.mobileip.registration import RequestFlags
from roamlab.record.commands import Known, Security, ServeForeignAgent, ServeHomeAgent, UseMobileIp


def association(security: Security) -> SecurityAssociation:
    """The security association that the machines take."""
    algorithm = next(a for a in Algorithm if a.digest_name == security.algorithm)
    return SecurityAssociation(security.spi, bytes.fromhex(security.key), algorithm)


def home_agent_config(told: ServeHomeAgent) -> HomeAgentConfig:
    """A home agent's configuration; it advertises once a second."""
    own, reverse = IPv4Interface(told.address), Reverse(told.reverse)
    flags = AgentFlags.H | _abilities(told.encapsulations, reverse)
    return HomeAgentConfig(
        own.ip,
        _associations(told.mobile_nodes),
        _associations(told.foreign_agents),
        max_lifetime=told.max_lifetime,
        capacity=told.capacity,
        replay=ReplayProtection(told.replay),
        reverse=reverse,
        encapsulations=frozenset(map(Encapsulation, told.encapsulations)),
        barred=frozenset(map(IPv4Address, told.barred)),
        advertising=Advertising(own, flags, told.max_lifetime),
    )


def foreign_agent_config(told: ServeForeignAgent) -> ForeignAgentConfig:
    """A foreign agent's configuration; it advertises once a second."""
    own, reverse = IPv4Interface(told.address), Reverse(told.reverse)
    flags = AgentFlags.F | _abilities(told.encapsulations, reverse)
    if told.required:
        flags |= AgentFlags.R
    return ForeignAgentConfig(
        own.ip,
        Advertising(own, flags, told.max_lifetime, (own.ip,), sequence=told.sequence),
        _associations(told.mobile_nodes),
        _associations(told.home_agents),
        capacity=told.capacity,
        max_pending=told.max_pending,
        reverse=reverse,
        encapsulations=frozenset(map(Encapsulation, told.encapsulations)),
        barred=frozenset(map(IPv4Address, told.barred)),
        max_lifetime=told.longest,
    )


def mobile_node_config(told: UseMobileIp) -> MobileNodeConfig:
    """A mobile node's configuration."""
    flags = RequestFlags(0)
    if told.encapsulation == "gre":
        flags |= RequestFlags.G
    if told.reverse:
        flags |= RequestFlags.T
    return MobileNodeConfig(
        IPv4Address(told.home_address),
        IPv4Address(told.home_agent),
        association(told.security),
        _associations(told.foreign_agents),
        lifetime=told.lifetime,
        flags=flags,
        replay=ReplayProtection(told.replay),
        movement=Movement(told.movement),
        prefer_co_located=told.co_located,
    )


def _associations(known: Known) -> dict[IPv4Address, SecurityAssociation]:
    return {IPv4Address(address): association(security) for address, security in known.items()}


def _abilities(encapsulations: Collection[str], reverse: Reverse) -> AgentFlags:
    flags = AgentFlags.G if Encapsulation.GRE in encapsulations else AgentFlags(0)
    return flags if reverse is Reverse.UNAVAILABLE else flags | AgentFlags.T
