"""What a home agent asks of a Registration Request before it touches a binding (RFC 5944, 3.8.2; RFC 3024, 4.3.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from roamlab.protocols.mobileip.actions import Encapsulation, UdpAddress
from roamlab.protocols.mobileip.advertiser import Advertising
from roamlab.protocols.mobileip.authentication import SecurityAssociation, verify
from roamlab.protocols.mobileip.bindings import BindingTable
from roamlab.protocols.mobileip.codes import ReplyCode
from roamlab.protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_HOME
from roamlab.protocols.mobileip.identification import WINDOW, ReplayProtection
from roamlab.protocols.mobileip.policy import Reverse, requested_encapsulation
from roamlab.protocols.mobileip.registration import (
    INFINITE_LIFETIME,
    RESERVED_FLAGS,
    RegistrationRequest,
    RequestFlags,
)

_ANY = IPv4Address("0.0.0.0")


@dataclass(frozen=True, slots=True)
class HomeAgentConfig:
    """What a home agent knows from the start.

    `mobile_nodes` maps home addresses to their security associations, `foreign_agents` the source addresses of
    relayed requests to theirs. `max_lifetime` in seconds, 0xffff is infinite. `max_bindings` is for one home address
    (1: simultaneous bindings unsupported), `capacity` the number of home addresses that may be away at a time.
    """

    address: IPv4Address
    mobile_nodes: Mapping[IPv4Address, SecurityAssociation]
    foreign_agents: Mapping[IPv4Address, SecurityAssociation] = field(default_factory=dict)
    max_lifetime: int = 3 * 3600
    max_bindings: int = 1
    capacity: int = 1024
    replay: ReplayProtection = ReplayProtection.TIMESTAMPS
    window: int = WINDOW
    reverse: Reverse = Reverse.AVAILABLE
    encapsulations: frozenset[Encapsulation] = frozenset(Encapsulation)
    barred: frozenset[IPv4Address] = frozenset()
    advertising: Advertising | None = None

    def __post_init__(self) -> None:
        """Refuse limits under which nobody could register."""
        if not (1 <= self.max_lifetime <= INFINITE_LIFETIME and self.max_bindings >= 1):
            raise ValueError("max_lifetime has to be in 1..0xffff, max_bindings at least 1")


@dataclass(frozen=True, slots=True)
class HomeAgentCase:
    """A request before the home agent: its configuration, its table, the request and where that came from."""

    config: HomeAgentConfig
    table: BindingTable
    request: RegistrationRequest
    source: UdpAddress


def discarded(config: HomeAgentConfig, request: RegistrationRequest) -> str | None:
    """Say why a request gets no answer at all (RFC 5944, 3.8.2.1 a), or return None."""
    if request.home_address not in config.mobile_nodes:
        return "no security association with the mobile node"
    if not any(extension.type == MOBILE_HOME for extension in request.extensions):
        return "no Mobile-Home authenticator"
    return None


def _mobile_node_fails(case: HomeAgentCase) -> bool:
    return not verify(case.request, MOBILE_HOME, case.config.mobile_nodes[case.request.home_address])


def _foreign_agent_fails(case: HomeAgentCase) -> bool:
    # A deregistration has no such authenticator, nor what a foreign agent relays of others' addresses (3.5.4).
    request, source = case.request, case.source.address
    association = case.config.foreign_agents.get(source)
    expected = association is not None and not request.deregisters and request.care_of_address == source
    return expected and association is not None and not verify(request, FOREIGN_HOME, association)


def _other_home_agent(case: HomeAgentCase) -> bool:
    return case.request.home_agent != case.config.address


def _poorly_formed(case: HomeAgentCase) -> bool:
    request = case.request
    care_of = request.care_of_address
    unusable = care_of in (_ANY, case.config.address) or care_of.is_multicast
    home_without_deregistration = care_of == request.home_address and not request.deregisters
    return bool(request.flags & RESERVED_FLAGS) or unusable or home_without_deregistration


def _prohibited(case: HomeAgentCase) -> bool:
    return case.request.home_address in case.config.barred


def _reverse_unavailable(case: HomeAgentCase) -> bool:
    return not case.request.deregisters and case.config.reverse.refuses(case.request.flags)


def _reverse_missing(case: HomeAgentCase) -> bool:
    return not case.request.deregisters and case.config.reverse.misses(case.request.flags)


def _encapsulation_unavailable(case: HomeAgentCase) -> bool:
    wanted = requested_encapsulation(case.request.flags)
    return not case.request.deregisters and wanted not in case.config.encapsulations


def _too_many_bindings(case: HomeAgentCase) -> bool:
    request, most = case.request, case.config.max_bindings
    bound = {b.care_of_address for b in case.table.of(request.home_address)}
    adds = (
        RequestFlags.S in request.flags and not request.deregisters and request.care_of_address not in bound
    )
    return adds and len(bound) >= most > 1


def _out_of_resources(case: HomeAgentCase) -> bool:
    new = not case.request.deregisters and not case.table.of(case.request.home_address)
    return new and case.table.away() >= case.config.capacity


Rows = tuple[tuple[ReplyCode, Callable[[HomeAgentCase], bool]], ...]

AUTHENTICITY: Rows = (
    (ReplyCode.HA_MOBILE_NODE_AUTHENTICATION, _mobile_node_fails),
    (ReplyCode.HA_FOREIGN_AGENT_AUTHENTICATION, _foreign_agent_fails),
)
"""What is asked before the identification check, in this order."""

ADMISSION: Rows = (
    (ReplyCode.HA_UNKNOWN_HOME_AGENT, _other_home_agent),
    (ReplyCode.HA_POORLY_FORMED_REQUEST, _poorly_formed),
    (ReplyCode.HA_PROHIBITED, _prohibited),
    (ReplyCode.HA_REVERSE_TUNNEL_UNAVAILABLE, _reverse_unavailable),
    (ReplyCode.HA_REVERSE_TUNNEL_MANDATORY, _reverse_missing),
    (ReplyCode.HA_ENCAPSULATION_UNAVAILABLE, _encapsulation_unavailable),
    (ReplyCode.HA_TOO_MANY_BINDINGS, _too_many_bindings),
    (ReplyCode.HA_RESOURCES, _out_of_resources),
)
"""What is asked of a request that is authentic and fresh, in this order."""


def first_objection(rows: Rows, case: HomeAgentCase) -> ReplyCode | None:
    """Return the code of the first row that objects, or None."""
    return next((code for code, objects in rows if objects(case)), None)
