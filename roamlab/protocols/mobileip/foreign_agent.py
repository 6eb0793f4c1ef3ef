"""The foreign agent (RFC 5944, 3.7): advertises, relays registrations unchanged, delivers to its visitors.

A mobile node may be registered as a visitor and have a request pending at the same time, so the two are kept
apart. A request that no row of `DENIALS` objects to is relayed, and stays pending until its reply, an ICMP error or
the timeout.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.actions import (
    MAX_TTL,
    Encapsulation,
    Outbox,
    SendIcmp,
    SendUdp,
    UdpAddress,
)
from roamlab.protocols.mobileip.advertisement import AgentSolicitation
from roamlab.protocols.mobileip.advertiser import Advertiser, Advertising
from roamlab.protocols.mobileip.authentication import SecurityAssociation, cut_after, sign, verify
from roamlab.protocols.mobileip.codes import ReplyCode, accepts, from_home_agent
from roamlab.protocols.mobileip.extensions import (
    ENCAPSULATING_DELIVERY,
    FOREIGN_HOME,
    MOBILE_FOREIGN,
    MOBILE_HOME,
)
from roamlab.protocols.mobileip.identification import SECOND, low
from roamlab.protocols.mobileip.policy import Reception, Reverse, expiry, requested_encapsulation
from roamlab.protocols.mobileip.registration import (
    PORT,
    RESERVED_FLAGS,
    RegistrationReply,
    RegistrationRequest,
    RequestFlags,
    decode_registration,
)
from roamlab.protocols.mobileip.visitors import Pending, Visitor, VisitorList
from roamlab.record.mobile_ip_events import (
    MipDenied,
    MipDeregistered,
    MipDiscarded,
    MipExpired,
    MipRegistered,
    MipRelayed,
)

PENDING_TIMEOUT = 7 * SECOND
"""How long a request may stay unanswered before the mobile node is told (RFC 5944, 3.7.1)."""

UNREACHABLE: dict[int, ReplyCode] = {
    0: ReplyCode.FA_HOME_NETWORK_UNREACHABLE,
    1: ReplyCode.FA_HOME_AGENT_HOST_UNREACHABLE,
    3: ReplyCode.FA_HOME_AGENT_PORT_UNREACHABLE,
}
"""Code of an ICMP Destination Unreachable -> what the mobile node is told; FA_HOME_AGENT_UNREACHABLE for others."""


@dataclass(frozen=True, slots=True)
class ForeignAgentConfig:
    """What a foreign agent knows from the start.

    `address` is the one that it sends from towards home agents; `advertising` holds its address on the visited link,
    its care-of addresses and the longest lifetime it accepts. `mobile_nodes` maps home addresses, `home_agents` home
    agents' addresses to security associations. `capacity` bounds the visitors, `max_pending` the unanswered requests.
    `max_lifetime` in seconds is the longest it registers, None for what it advertises.
    """

    address: IPv4Address
    advertising: Advertising
    mobile_nodes: Mapping[IPv4Address, SecurityAssociation] = field(default_factory=dict)
    home_agents: Mapping[IPv4Address, SecurityAssociation] = field(default_factory=dict)
    capacity: int = 256
    max_pending: int = 16
    reverse: Reverse = Reverse.AVAILABLE
    encapsulations: frozenset[Encapsulation] = frozenset(Encapsulation)
    barred: frozenset[IPv4Address] = frozenset()
    max_lifetime: int | None = None

    @property
    def longest(self) -> int:
        """The longest lifetime that it registers, in seconds."""
        advertised = self.advertising.registration_lifetime
        return advertised if self.max_lifetime is None else self.max_lifetime


@dataclass(frozen=True, slots=True)
class ForeignAgentCase:
    """A request before the foreign agent, how it came, and how full the agent is (itself not counted)."""

    config: ForeignAgentConfig
    request: RegistrationRequest
    arrival: Reception
    visitors: int
    pending: int


def _poorly_formed(case: ForeignAgentCase) -> bool:
    return bool(case.request.flags & RESERVED_FLAGS)


def _mobile_node_fails(case: ForeignAgentCase) -> bool:
    association = case.config.mobile_nodes.get(case.request.home_address)
    return association is not None and not verify(case.request, MOBILE_FOREIGN, association)


def _too_distant(case: ForeignAgentCase) -> bool:
    # A T bit from behind a router would let others' datagrams into the tunnel (RFC 3024, 4.2.1 and 6.1).
    return RequestFlags.T in case.request.flags and case.arrival.ttl != MAX_TTL


def _encapsulation_unavailable(case: ForeignAgentCase) -> bool:
    co_located = RequestFlags.D in case.request.flags
    return not co_located and requested_encapsulation(case.request.flags) not in case.config.encapsulations


def _delivery_style(case: ForeignAgentCase) -> bool:
    return any(e.type == ENCAPSULATING_DELIVERY for e in case.request.extensions)


def _invalid_care_of_address(case: ForeignAgentCase) -> bool:
    co_located = RequestFlags.D in case.request.flags
    return not (co_located or case.request.deregisters or _offered(case.config, case.request))


def _offered(config: ForeignAgentConfig, request: RegistrationRequest) -> bool:
    return request.care_of_address in config.advertising.care_of_addresses


def _own_address(case: ForeignAgentCase) -> bool:
    # Relayed, it would come back here.
    own = {case.config.address, case.config.advertising.interface.ip}
    return case.request.home_agent in own


def _lifetime_too_long(case: ForeignAgentCase) -> bool:
    return case.request.lifetime > case.config.longest


def _out_of_resources(case: ForeignAgentCase) -> bool:
    return case.visitors >= case.config.capacity or case.pending >= case.config.max_pending


DENIALS: tuple[tuple[ReplyCode, Callable[[ForeignAgentCase], bool]], ...] = (
    (ReplyCode.FA_POORLY_FORMED_REQUEST, _poorly_formed),
    (ReplyCode.FA_MOBILE_NODE_AUTHENTICATION, _mobile_node_fails),
    (ReplyCode.FA_PROHIBITED, lambda case: case.request.home_address in case.config.barred),
    (ReplyCode.FA_TOO_DISTANT, _too_distant),
    (ReplyCode.FA_REVERSE_TUNNEL_UNAVAILABLE, lambda case: case.config.reverse.refuses(case.request.flags)),
    (ReplyCode.FA_REVERSE_TUNNEL_MANDATORY, lambda case: case.config.reverse.misses(case.request.flags)),
    (ReplyCode.FA_DELIVERY_STYLE, _delivery_style),
    (ReplyCode.FA_ENCAPSULATION_UNAVAILABLE, _encapsulation_unavailable),
    (ReplyCode.FA_INVALID_CARE_OF_ADDRESS, _invalid_care_of_address),
    (ReplyCode.FA_LIFETIME_TOO_LONG, _lifetime_too_long),
    (ReplyCode.FA_INVALID_HOME_AGENT, _own_address),
    (ReplyCode.FA_RESOURCES, _out_of_resources),
)
"""What is asked of a request before it is relayed, in this order (RFC 5944, 3.7.2; RFC 3024, 4.2.1)."""


class ForeignAgent(Outbox):
    """A foreign agent on one visited link. Time is ns on its own clock."""

    def __init__(self, config: ForeignAgentConfig, now: int) -> None:
        super().__init__()
        self.config = config
        self._advertiser = Advertiser(config.advertising, now)
        self._pending: dict[IPv4Address, Pending] = {}
        self._visitors = VisitorList()

    def visitors(self) -> list[Visitor]:
        """Return the visitor list."""
        return self._visitors.all()

    def pending(self) -> list[Pending]:
        """Return the requests that were relayed and are not yet answered."""
        return list(self._pending.values())

    def receive(
        self,
        data: bytes,
        source: UdpAddress,
        destination: UdpAddress,
        now: int,
        *,
        link: bytes = b"",
        ttl: int = MAX_TTL,
    ) -> None:
        """Take a datagram that came to UDP port 434, from a mobile node or from a home agent."""
        self._expire(now)
        try:
            message = decode_registration(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source.address), why=str(error)))
            return
        if isinstance(message, RegistrationRequest):
            self._request(message, Reception(source, destination, link, ttl), now)
        else:
            self._reply(message, source, now)

    def receive_icmp(self, data: bytes, source: IPv4Address, now: int) -> None:
        """Take an ICMP message; a solicitation brings the next advertisement forward."""
        try:
            AgentSolicitation.decode(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source), why=str(error)))
            return
        self._advertiser.solicited(now)

    def unreachable(self, home_agent: IPv4Address, icmp_code: int, now: int) -> None:
        """Deny what is pending at `home_agent`: an ICMP Destination Unreachable came for it."""
        self._expire(now)
        code = UNREACHABLE.get(icmp_code, ReplyCode.FA_HOME_AGENT_UNREACHABLE)
        for pending in [p for p in self.pending() if p.request.home_agent == home_agent]:
            del self._pending[pending.request.home_address]
            self._deny(pending.request, pending.arrival, code)

    def timer(self) -> int:
        """Return when `handle_timer` is to be called, in ns."""
        due = [self._advertiser.timer(), *(p.deadline for p in self.pending())]
        expires = self._visitors.next_expiry()
        return min(due if expires is None else [*due, expires])

    def handle_timer(self, now: int) -> None:
        """Let visitors expire, requests time out and advertisements go out."""
        self._expire(now)
        busy = len(self._visitors) >= self.config.capacity
        if message := self._advertiser.due(now, busy=busy):
            self._do(SendIcmp(message.encode(), self.config.advertising.destination))

    def _request(self, request: RegistrationRequest, arrival: Reception, now: int) -> None:
        home = request.home_address
        others = len(self._visitors) - (self._visitors.get(home) is not None)
        case = ForeignAgentCase(
            self.config, request, arrival, others, len(self._pending) - (home in self._pending)
        )
        relayed = cut_after(request, MOBILE_HOME)
        if relayed is None:
            self._deny(request, arrival, ReplyCode.FA_POORLY_FORMED_REQUEST)
            return
        if code := next((code for code, objects in DENIALS if objects(case)), None):
            self._deny(request, arrival, code)
            return
        association = self.config.home_agents.get(request.home_agent)
        # Not on a deregistration, nor for a care-of address that isn't from here (RFC 5944, 3.5.4).
        if association and not request.deregisters and _offered(self.config, request):
            relayed = sign(relayed, FOREIGN_HOME, association)
        self._pending[home] = Pending(request, arrival, now + PENDING_TIMEOUT)
        self._do(
            SendUdp(
                relayed.encode(), UdpAddress(self.config.address, PORT), UdpAddress(request.home_agent, PORT)
            )
        )
        self._tell(MipRelayed(home_address=str(home), home_agent=str(request.home_agent)))

    def _reply(self, reply: RegistrationReply, source: UdpAddress, now: int) -> None:
        pending = self._pending.get(reply.home_address)
        if pending is None or low(pending.request.identification) != low(reply.identification):
            self._tell(MipDiscarded(source=str(source.address), why="no such request pending"))
            return
        del self._pending[reply.home_address]
        association = self.config.home_agents.get(pending.request.home_agent)
        if association and not pending.request.deregisters and not verify(reply, FOREIGN_HOME, association):
            self._deny(pending.request, pending.arrival, ReplyCode.FA_HOME_AGENT_AUTHENTICATION)
            return
        relayed = cut_after(reply, MOBILE_HOME)
        if relayed is None or not from_home_agent(reply.code):
            self._deny(pending.request, pending.arrival, ReplyCode.FA_POORLY_FORMED_REPLY)
            return
        if accepts(reply.code):
            self._accepted(pending, reply, now)
        self._send(relayed, pending.request, pending.arrival)
        self._tell(MipRelayed(home_address=str(reply.home_address), code=int(reply.code)))

    def _accepted(self, pending: Pending, reply: RegistrationReply, now: int) -> None:
        request = pending.request
        lifetime = min(reply.lifetime, request.lifetime)
        if lifetime == 0:
            self._do(*self._visitors.remove(request.home_address))
            self._tell(MipDeregistered(home_address=str(request.home_address)))
            return
        visitor = Visitor(
            request.home_address,
            pending.arrival.link,
            request.home_agent,
            request.care_of_address,
            lifetime,
            expiry(lifetime, now),
            reply.identification,
            requested_encapsulation(request.flags) or Encapsulation.IPIP,
            co_located=RequestFlags.D in request.flags,
            reverse=RequestFlags.T in request.flags,
        )
        self._do(*self._visitors.put(visitor))
        self._tell(MipRegistered(home_address=str(request.home_address), lifetime=lifetime))

    def _deny(self, request: RegistrationRequest, arrival: Reception, code: ReplyCode) -> None:
        too_long = code is ReplyCode.FA_LIFETIME_TOO_LONG
        lifetime = self.config.longest if too_long else request.lifetime
        reply = RegistrationReply(
            code, lifetime, request.home_address, request.home_agent, request.identification
        )
        self._tell(MipDenied(home_address=str(request.home_address), code=int(code)))
        self._send(reply, request, arrival)

    def _send(self, reply: RegistrationReply, request: RegistrationRequest, arrival: Reception) -> None:
        """Send `reply` to the mobile node: where the request came from, at its link-layer address."""
        if association := self.config.mobile_nodes.get(request.home_address):
            reply = sign(reply, MOBILE_FOREIGN, association)
        known = int(arrival.source.address) != 0
        to = arrival.source if known else arrival.source._replace(address=request.home_address)
        own = UdpAddress(self.config.advertising.interface.ip, PORT)
        self._do(SendUdp(reply.encode(), own, to, link=arrival.link))

    def _expire(self, now: int) -> None:
        for pending in [p for p in self.pending() if p.deadline <= now]:
            del self._pending[pending.request.home_address]
            self._deny(pending.request, pending.arrival, ReplyCode.FA_TIMEOUT)
        for visitor in [v for v in self.visitors() if v.expires is not None and v.expires <= now]:
            self._do(*self._visitors.remove(visitor.home_address))
            self._tell(MipExpired(home_address=str(visitor.home_address)))
