"""The mobile node's requests: how they are made, repeated, and corrected after a denial (RFC 5944, 3.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address
from random import Random

from roamlab.protocols.mobileip.actions import DEFAULT_TTL, MAX_TTL
from roamlab.protocols.mobileip.authentication import SecurityAssociation, sign
from roamlab.protocols.mobileip.codes import ReplyCode, from_home_agent
from roamlab.protocols.mobileip.extensions import MOBILE_FOREIGN, MOBILE_HOME
from roamlab.protocols.mobileip.identification import SECOND, NonceSource, ReplayProtection, TimestampSource
from roamlab.protocols.mobileip.movement import Attachment, AttachmentKind, Movement
from roamlab.protocols.mobileip.registration import RegistrationReply, RegistrationRequest, RequestFlags

FIRST_BACK_OFF = SECOND
"""A request is repeated no sooner than this; each further wait is twice as long (RFC 5944, 3.6.3)."""

_NONE = RequestFlags(0)


@dataclass(frozen=True, slots=True)
class MobileNodeConfig:
    """What a mobile node knows from the start.

    `association` is shared with the home agent, `foreign_agents` maps foreign agents' addresses to theirs.
    `lifetime` in seconds is what it asks for, `flags` which of S, B, G and T. `max_back_off` in ns.
    """

    home_address: IPv4Address
    home_agent: IPv4Address
    association: SecurityAssociation
    foreign_agents: Mapping[IPv4Address, SecurityAssociation] = field(default_factory=dict)
    lifetime: int = 300
    flags: RequestFlags = _NONE
    replay: ReplayProtection = ReplayProtection.TIMESTAMPS
    movement: Movement = Movement.LIFETIME
    prefer_co_located: bool = False
    max_back_off: int = 32 * SECOND


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that is out: when it was sent (ns), by which attachment, and its bytes."""

    request: RegistrationRequest
    attachment: Attachment
    at: int
    data: bytes
    ttl: int


class Reaction(StrEnum):
    """What a denial calls for."""

    AGAIN = "ask again at once, the request corrected"
    WAIT = "ask again after the back-off"


CORRECTIONS: dict[int, tuple[RequestFlags, RequestFlags]] = {
    ReplyCode.FA_ENCAPSULATION_UNAVAILABLE: (RequestFlags.G | RequestFlags.M, _NONE),
    ReplyCode.HA_ENCAPSULATION_UNAVAILABLE: (RequestFlags.G | RequestFlags.M, _NONE),
    ReplyCode.FA_REVERSE_TUNNEL_UNAVAILABLE: (RequestFlags.T, _NONE),
    ReplyCode.HA_REVERSE_TUNNEL_UNAVAILABLE: (RequestFlags.T, _NONE),
    ReplyCode.FA_REVERSE_TUNNEL_MANDATORY: (_NONE, RequestFlags.T),
    ReplyCode.HA_REVERSE_TUNNEL_MANDATORY: (_NONE, RequestFlags.T),
    ReplyCode.HA_TOO_MANY_BINDINGS: (RequestFlags.S, _NONE),
}
"""Code of a denial -> bits to clear and bits to set in the next request."""


class Registrar:
    """Makes requests, and learns from denials what the next one has to say."""

    def __init__(self, config: MobileNodeConfig, random: Random) -> None:
        self.home_agent = config.home_agent
        self.flags = config.flags
        self._config = config
        self._most = config.lifetime
        self._wait = FIRST_BACK_OFF
        nonces = config.replay is ReplayProtection.NONCES
        self._source = NonceSource(random) if nonces else TimestampSource(random)

    def moved(self) -> None:
        """Forget what the agents of the last network couldn't do."""
        self.flags = self._config.flags
        self._most = self._config.lifetime

    def restart_back_off(self) -> None:
        """Let the next wait be the shortest."""
        self._wait = FIRST_BACK_OFF

    def back_off(self) -> int:
        """Return how long to wait for a reply, in ns; the next wait is twice as long."""
        wait = self._wait
        self._wait = min(2 * wait, self._config.max_back_off)
        return wait

    def request(self, attachment: Attachment, now: int, *, deregister: bool) -> Sent:
        """Make a new request for `attachment`."""
        co_located = attachment.place is AttachmentKind.CO_LOCATED
        request = RegistrationRequest(
            self.flags | RequestFlags.D if co_located else self.flags,
            0 if deregister else min(self._most, attachment.most),
            self._config.home_address,
            self.home_agent,
            attachment.care_of_address,
            self._source.next(now),
        )
        return self._signed(request, attachment, now)

    def repeat(self, sent: Sent, now: int) -> Sent:
        """Make the request again: unchanged under nonces, with a new timestamp otherwise (RFC 5944, 3.6.3)."""
        if self._config.replay is ReplayProtection.NONCES:
            return sent
        request = replace(sent.request, identification=self._source.next(now), extensions=())
        return self._signed(request, sent.attachment, now)

    def accepted(self, reply: RegistrationReply) -> None:
        """Learn from a reply that accepts."""
        self._source.accepted(reply.identification)

    def denied(self, reply: RegistrationReply, sent: Sent) -> Reaction:
        """Learn from a reply that denies `sent`, and say what to do."""
        if reply.code == ReplyCode.HA_IDENTIFICATION_MISMATCH:
            self._source.mismatch(sent.request.identification, reply.identification)
            return Reaction.AGAIN
        if from_home_agent(reply.code):
            self._source.accepted(reply.identification)
        before = (self.home_agent, self.flags, self._most)
        if reply.code == ReplyCode.HA_UNKNOWN_HOME_AGENT:
            self.home_agent = reply.home_agent
        elif reply.code == ReplyCode.FA_LIFETIME_TOO_LONG and reply.lifetime:
            self._most = min(self._most, reply.lifetime)
        else:
            clear, set_ = CORRECTIONS.get(reply.code, (_NONE, _NONE))
            self.flags = self.flags & ~clear | set_
        return Reaction.WAIT if before == (self.home_agent, self.flags, self._most) else Reaction.AGAIN

    def _signed(self, request: RegistrationRequest, attachment: Attachment, now: int) -> Sent:
        request = sign(request, MOBILE_HOME, self._config.association)
        agent = attachment.agent
        if agent and (association := self._config.foreign_agents.get(agent)):
            request = sign(request, MOBILE_FOREIGN, association)
        # A foreign agent takes a T bit from its own link only, and knows it by the TTL (RFC 3024, 3.2 and 4.1.1).
        ttl = MAX_TTL if RequestFlags.T in request.flags else DEFAULT_TTL
        return Sent(request, attachment, now, request.encode(), ttl)
