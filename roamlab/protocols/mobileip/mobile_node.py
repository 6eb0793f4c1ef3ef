"""The mobile node (RFC 5944, 3.6): notices that it has moved, registers, keeps the registration alive, comes home.

`TRANSITIONS` is the machine: what happens to it (`RoamingInput`) in which `RoamingState` leads to which state, by which
steps. The inputs come from three places: movement.py (where to attach), the replies (`REACTIONS` says what each denial is
good for) and the timers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from random import Random

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.actions import (
    AnswerArp,
    Decapsulate,
    Encapsulation,
    GratuitousArp,
    Outbox,
    RestoreHomeRoute,
    SendIcmp,
    SendUdp,
    SetDefaultRoute,
    UdpAddress,
)
from roamlab.protocols.mobileip.advertisement import ALL_ROUTERS, AgentAdvertisement, AgentSolicitation
from roamlab.protocols.mobileip.authentication import verify
from roamlab.protocols.mobileip.codes import accepts, from_home_agent
from roamlab.protocols.mobileip.extensions import MOBILE_FOREIGN, MOBILE_HOME
from roamlab.protocols.mobileip.identification import SECOND, low
from roamlab.protocols.mobileip.movement import (
    Attachment,
    AttachmentKind,
    Candidate,
    HeardAgents,
    choose,
    same_place,
)
from roamlab.protocols.mobileip.policy import expiry, requested_encapsulation
from roamlab.protocols.mobileip.registering import MobileNodeConfig, Reaction, Registrar, Sent
from roamlab.protocols.mobileip.registration import PORT, RegistrationReply, RequestFlags
from roamlab.protocols.mobileip.roaming import TRANSITIONS, RoamingInput, RoamingState, RoamingStep
from roamlab.record.mobile_ip_events import (
    MipAgentFound,
    MipAgentLost,
    MipAgentRebooted,
    MipDenied,
    MipDeregistered,
    MipDiscarded,
    MipExpired,
    MipRegistered,
    MipRequest,
    MipState,
)

SOLICITATIONS_AT_ONCE = 3
SOLICITATION_MAX = 60 * SECOND
"""Three solicitations a second apart, then doubling up to a minute (RFC 5944, 2.4)."""
MAX_RETRIES_AT_ONCE = 3
"""Denials in a row that are answered at once with a corrected request; further ones wait for the back-off."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration that the home agent granted; `expires` in ns, or None for an infinite lifetime."""

    attachment: Attachment
    lifetime: int
    expires: int | None
    renew: int | None


class MobileNode(Outbox):
    """A mobile node. Time is ns since 1970 on its own clock; `random` makes identifications."""

    def __init__(self, config: MobileNodeConfig, random: Random) -> None:
        super().__init__()
        self.config = config
        self.state = RoamingState.SEARCHING
        self.attachment: Attachment | None = None
        self.registration: Registration | None = None
        self._registrar = Registrar(config, random)
        self._agents = HeardAgents(lambda: self._registrar.home_agent, config.home_address)
        self._co_located: dict[str, Candidate] = {}
        self._interfaces: list[str] = []
        self._sent: Sent | None = None
        self._answered = False
        self._route: SetDefaultRoute | None = None
        self._tunnel_end: Decapsulate | None = None
        self._retries = 0
        self._retransmit_at: int | None = None
        self._bound_until: int | None = 0
        self._solicitations = 0
        self._solicit_at: int | None = None
        self._steps = {
            RoamingStep.LEAVE: self._leave,
            RoamingStep.COME_HOME: self._come_home,
            RoamingStep.REQUEST: self._request,
            RoamingStep.REPEAT: self._repeat,
            RoamingStep.WITHDRAW: self._withdraw,
            RoamingStep.USE: self._use,
            RoamingStep.DROP: self._drop,
            RoamingStep.REST: self._rest,
            RoamingStep.SOLICIT: self._start_soliciting,
        }

    # -- what a shell tells

    def link_up(self, interface: str, now: int) -> None:
        """A NIC got a link: ask for agents there."""
        if interface not in self._interfaces:
            self._interfaces.append(interface)
        if self.state is RoamingState.SEARCHING:
            self._start_soliciting(now)
        else:
            self._solicit([interface])

    def link_down(self, interface: str, now: int) -> None:
        """A NIC lost its link: nothing heard there counts any longer."""
        if interface in self._interfaces:
            self._interfaces.remove(interface)
        for agent in self._agents.forget(interface):
            self._tell(MipAgentLost(agent=str(agent.address), why="link down"))
        self._co_located.pop(interface, None)
        self._move(now)

    def care_of_acquired(
        self, interface: str, address: IPv4Interface, gateway: IPv4Address, now: int, *, link: bytes = b""
    ) -> None:
        """An address of a foreign network was acquired (by DHCP, say): a co-located care-of address."""
        attachment = Attachment(
            AttachmentKind.CO_LOCATED, interface, address.ip, gateway, link, network=address.network
        )
        self._co_located[interface] = Candidate(attachment, now, None)
        self._move(now)

    def receive_icmp(
        self, data: bytes, source: IPv4Address, now: int, *, interface: str, link: bytes = b""
    ) -> None:
        """Take an ICMP message that came on `interface`."""
        try:
            advertisement = AgentAdvertisement.decode(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source), why=str(error)))
            return
        restarted = self._agents.hear(advertisement, source, interface, link, now)
        self._move(now)
        here = self.attachment
        if restarted and here and (here.gateway, here.interface) == (source, interface):
            self._tell(MipAgentRebooted(agent=str(source)))
            self._turn(RoamingInput.RENEWAL, now)

    def receive(self, data: bytes, source: UdpAddress, now: int) -> None:
        """Take a datagram that came to UDP port 434."""
        try:
            reply = RegistrationReply.decode(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source.address), why=str(error)))
            return
        if why := self._objection(reply):
            self._tell(MipDiscarded(source=str(source.address), code=int(reply.code), why=why))
        elif self._sent:
            self._replied(reply, self._sent, now)

    def withdraw(self, now: int) -> None:
        """Deregister the current care-of address from afar, and stay unregistered until the next move."""
        self._turn(RoamingInput.WITHDRAWAL, now)

    def timer(self) -> int | None:
        """Return when `handle_timer` is to be called, in ns, or None."""
        due = [self._agents.next_expiry(), self._retransmit_at, self._solicit_at]
        if self.registration:
            due += [self.registration.expires, self.registration.renew]
        return min((t for t in due if t is not None), default=None)

    def handle_timer(self, now: int) -> None:
        """Do what is due: forget agents, renew, retransmit, solicit."""
        for agent in self._agents.expire(now):
            self._tell(MipAgentLost(agent=str(agent.address), why="lifetime expired"))
        self._move(now)
        granted = self.registration
        if granted and granted.expires is not None and granted.expires <= now:
            self._tell(MipExpired(care_of_address=str(granted.attachment.care_of_address)))
            self._turn(RoamingInput.EXPIRY, now)
        elif granted and granted.renew is not None and granted.renew <= now:
            self.registration = replace(granted, renew=None)
            self._turn(RoamingInput.RENEWAL, now)
        if self._retransmit_at is not None and self._retransmit_at <= now:
            self._turn(RoamingInput.TIMEOUT, now)
        if self._solicit_at is not None and self._solicit_at <= now:
            self._keep_soliciting(now)

    # -- the machine

    def _turn(self, happened: RoamingInput, now: int) -> None:
        row = TRANSITIONS.get((self.state, happened))
        if row is None:
            return
        before, (self.state, steps) = self.state, row
        for step in steps:
            self._steps[step](now)
        if self.state is not before:
            self._tell(MipState(state=self.state.value, before=before.value, input=happened.value))

    def _move(self, now: int) -> None:
        """Compare where the node is attached with where it could be."""
        chosen = choose(self._candidates(), self.attachment, self.config.movement)
        moved = not same_place(chosen, self.attachment)
        self.attachment = chosen
        if not moved:
            return
        if chosen is None:
            self._turn(RoamingInput.LOST, now)
            return
        self._tell(MipAgentFound(agent=str(chosen.gateway), place=chosen.place))
        self._registrar.moved()
        self._retries = 0
        self._solicit_at = None
        if chosen.place is not AttachmentKind.HOME:
            self._turn(RoamingInput.FOREIGN, now)
        elif self._bound_until is None or self._bound_until > now:
            self._turn(RoamingInput.HOME, now)
        else:
            self._turn(RoamingInput.HOME_UNBOUND, now)

    def _candidates(self) -> list[Candidate]:
        heard = self._agents.candidates()
        own = [self._registered_through(c) for c in self._co_located.values()]
        if self.config.prefer_co_located and own:
            return own + [c for c in heard if c.attachment.place is AttachmentKind.HOME]
        return heard or own

    def _registered_through(self, candidate: Candidate) -> Candidate:
        """Register through the foreign agent where its R bit asks for that (RFC 5944, 2.4.1)."""
        agent = self._agents.registrar(candidate.attachment.interface)
        if agent is None:
            return candidate
        a = candidate.attachment
        through = replace(a, link=agent.link, agent=agent.address, most=agent.mobility.registration_lifetime)
        return Candidate(through, candidate.since, candidate.expires)

    # -- replies

    def _objection(self, reply: RegistrationReply) -> str | None:
        """Say why `reply` has to be discarded in silence (RFC 5944, 3.6.2.1), or return None."""
        if (
            self._sent is None
            or self._answered
            or low(reply.identification) != low(self._sent.request.identification)
        ):
            return "answers no outstanding request"
        if reply.home_address != self.config.home_address:
            return "another home address"
        if from_home_agent(reply.code) and not verify(reply, MOBILE_HOME, self.config.association):
            return "Mobile-Home authenticator missing or wrong"
        agent = self._sent.attachment.agent
        association = self.config.foreign_agents.get(agent) if agent else None
        if association and not verify(reply, MOBILE_FOREIGN, association):
            return "Mobile-Foreign authenticator missing or wrong"
        return None

    def _replied(self, reply: RegistrationReply, sent: Sent, now: int) -> None:
        self._answered = True
        # A lifetime of 0 grants nothing; taken for a registration it would expire and be asked for without a pause.
        if accepts(reply.code) and (reply.lifetime or sent.request.deregisters):
            self._retries = 0
            self._registrar.accepted(reply)
            if sent.request.deregisters:
                self._bound_until = 0
                self._tell(MipDeregistered(care_of_address=str(sent.request.care_of_address)))
            else:
                self._grant(reply, sent)
            self._turn(RoamingInput.ACCEPTED, now)
            return
        self._tell(MipDenied(code=int(reply.code), lifetime=reply.lifetime))
        reaction = self._registrar.denied(reply, sent)
        if reaction is Reaction.AGAIN and self._retries < MAX_RETRIES_AT_ONCE:
            self._retries += 1
            self._turn(RoamingInput.CORRECTED, now)
        else:
            self._turn(RoamingInput.DENIED, now)

    def _grant(self, reply: RegistrationReply, sent: Sent) -> None:
        # The lifetime runs from when the request was sent, so that it ends here no later than at the home agent.
        lifetime = min(reply.lifetime, sent.request.lifetime)
        expires = expiry(lifetime, sent.at)
        renew = None if expires is None else sent.at + (expires - sent.at) * 3 // 4
        self.registration = Registration(sent.attachment, lifetime, expires, renew)
        self._tell(
            MipRegistered(
                care_of_address=str(sent.request.care_of_address), lifetime=lifetime, code=int(reply.code)
            )
        )

    # -- steps

    def _leave(self, _: int) -> None:
        self._do(AnswerArp(self.config.home_address, on=False))

    def _come_home(self, _: int) -> None:
        home = self.config.home_address
        if self._tunnel_end:
            self._do(replace(self._tunnel_end, on=False))
        self.registration = self._route = self._tunnel_end = None
        if self.attachment:
            self._do(RestoreHomeRoute(self.attachment.interface))
        self._do(AnswerArp(home, on=True), GratuitousArp(home))

    def _request(self, now: int) -> None:
        self._registrar.restart_back_off()
        if here := self.attachment:
            self._send(self._registrar.request(here, now, deregister=here.place is AttachmentKind.HOME), now)

    def _withdraw(self, now: int) -> None:
        self._registrar.restart_back_off()
        if here := self.attachment:
            self._send(self._registrar.request(here, now, deregister=True), now)

    def _repeat(self, now: int) -> None:
        sent, here = self._sent, self.attachment
        if sent is None or here is None:
            return
        if self._answered:
            sent = self._registrar.request(here, now, deregister=sent.request.deregisters)
        else:
            sent = self._registrar.repeat(sent, now)
        self._send(sent, now)

    def _rest(self, _: int) -> None:
        self._sent = self._retransmit_at = None

    def _drop(self, _: int) -> None:
        self.registration = None

    def _use(self, _: int) -> None:
        if granted := self.registration:
            self._route_by(granted.attachment)

    def _route_by(self, here: Attachment) -> None:
        flags = self._registrar.flags
        encapsulation = requested_encapsulation(flags) or Encapsulation.IPIP
        co_located = here.place is AttachmentKind.CO_LOCATED
        reverse = co_located and RequestFlags.T in flags
        route = SetDefaultRoute(
            here.gateway,
            here.interface,
            # Registered through an agent that isn't the router, `link` is the agent's.
            here.link if here.agent in (None, here.gateway) else b"",
            here.care_of_address if co_located else None,
            self._registrar.home_agent if reverse else None,
            encapsulation,
        )
        end = Decapsulate(here.care_of_address, encapsulation, on=True) if co_located else None
        if self._tunnel_end and self._tunnel_end != end:
            self._do(replace(self._tunnel_end, on=False))
        if end and self._tunnel_end != end:
            self._do(end)
        if route != self._route:
            self._do(route)
        self._route, self._tunnel_end = route, end

    def _send(self, sent: Sent, now: int) -> None:
        self._sent, self._answered = sent, False
        self._retransmit_at = now + self._registrar.back_off()
        request, here = sent.request, sent.attachment
        if not request.deregisters and self._bound_until is not None:
            until = expiry(request.lifetime, now)
            self._bound_until = None if until is None else max(self._bound_until, until)
        source = here.care_of_address if RequestFlags.D in request.flags else self.config.home_address
        to = UdpAddress(here.agent or self._registrar.home_agent, PORT)
        self._do(SendUdp(sent.data, UdpAddress(source, PORT), to, sent.ttl, here.link, here.interface))
        self._tell(
            MipRequest(
                home_agent=str(request.home_agent),
                care_of_address=str(request.care_of_address),
                lifetime=request.lifetime,
            )
        )

    def _start_soliciting(self, now: int) -> None:
        self._solicitations = 0
        self._keep_soliciting(now)

    def _keep_soliciting(self, now: int) -> None:
        self._solicit(self._interfaces)
        doublings = max(0, self._solicitations - SOLICITATIONS_AT_ONCE + 1)
        self._solicitations = min(self._solicitations + 1, 16)
        self._solicit_at = now + min(SECOND << doublings, SOLICITATION_MAX)

    def _solicit(self, interfaces: Iterable[str]) -> None:
        message = AgentSolicitation().encode()
        self._do(*(SendIcmp(message, ALL_ROUTERS, interface) for interface in interfaces))
