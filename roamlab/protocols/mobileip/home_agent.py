"""The home agent (RFC 5944, 3.8): who may register what, and the mobility binding table that follows from it.

A request runs through `AUTHENTICITY`, the identification check and `ADMISSION` (admission.py), in the RFC's order;
the first row that objects gives the code of the denial, and a denied request changes no binding. An accepted one
goes to the table in bindings.py, whose transitions say what becomes of tunnels and ARP.
"""

from ipaddress import IPv4Address
from random import Random

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobileip.actions import Encapsulation, Outbox, SendIcmp, SendUdp, UdpAddress
from roamlab.protocols.mobileip.admission import (
    ADMISSION,
    AUTHENTICITY,
    HomeAgentCase,
    HomeAgentConfig,
    discarded,
    first_objection,
)
from roamlab.protocols.mobileip.advertisement import AgentSolicitation
from roamlab.protocols.mobileip.advertiser import Advertiser
from roamlab.protocols.mobileip.authentication import sign
from roamlab.protocols.mobileip.bindings import Binding, BindingCause, BindingTable
from roamlab.protocols.mobileip.codes import ReplyCode, accepts
from roamlab.protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_HOME
from roamlab.protocols.mobileip.identification import (
    NonceGuard,
    ReplayGuard,
    ReplayProtection,
    TimestampGuard,
)
from roamlab.protocols.mobileip.policy import Reception, expiry, granted_lifetime, requested_encapsulation
from roamlab.protocols.mobileip.registration import PORT, RegistrationReply, RegistrationRequest, RequestFlags
from roamlab.record.mobile_ip_events import (
    MipDenied,
    MipDeregistered,
    MipDiscarded,
    MipExpired,
    MipRegistered,
    MipReply,
)


class HomeAgent(Outbox):
    """A home agent. Time is ns since 1970 on its own clock; `random` makes nonces."""

    def __init__(self, config: HomeAgentConfig, random: Random, now: int) -> None:
        super().__init__()
        self.config = config
        self._random = random
        self._table = BindingTable()
        self._guards: dict[IPv4Address, ReplayGuard] = {}
        self._advertiser = Advertiser(config.advertising, now) if config.advertising else None

    def bindings(self) -> list[Binding]:
        """Return the mobility binding table."""
        return list(self._table)

    def receive(
        self, data: bytes, source: UdpAddress, destination: UdpAddress, now: int, *, link: bytes = b""
    ) -> None:
        """Take a datagram that came to UDP port 434."""
        self._expire(now)
        try:
            request = RegistrationRequest.decode(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source.address), why=str(error)))
            return
        self._answer(request, Reception(source, destination, link), now)

    def receive_icmp(self, data: bytes, source: IPv4Address, now: int) -> None:
        """Take an ICMP message; a solicitation brings the next advertisement forward."""
        if self._advertiser is None:
            return
        try:
            AgentSolicitation.decode(data)
        except DecodeError as error:
            self._tell(MipDiscarded(source=str(source), why=str(error)))
            return
        self._advertiser.solicited(now)

    def timer(self) -> int | None:
        """Return when `handle_timer` is to be called, in ns, or None."""
        due = [self._table.next_expiry(), self._advertiser.timer() if self._advertiser else None]
        return min((t for t in due if t is not None), default=None)

    def handle_timer(self, now: int) -> None:
        """Let bindings expire and advertisements go out."""
        self._expire(now)
        if self._advertiser and self.config.advertising and (message := self._advertiser.due(now)):
            self._do(SendIcmp(message.encode(), self.config.advertising.destination))

    def _answer(self, request: RegistrationRequest, arrival: Reception, now: int) -> None:
        if why := discarded(self.config, request):
            self._tell(MipDiscarded(source=str(arrival.source.address), why=why))
            return
        identification = request.identification
        case = HomeAgentCase(self.config, self._table, request, arrival.source)
        code = first_objection(AUTHENTICITY, case)
        if code is None:
            check = self._guard(request.home_address).check(identification, now)
            identification = check.reply
            mismatch = ReplyCode.HA_IDENTIFICATION_MISMATCH
            code = first_objection(ADMISSION, case) if check.valid else mismatch
        lifetime = 0
        if code is None:
            code, lifetime = self._accept(request, arrival, now)
        self._reply(
            request,
            arrival,
            RegistrationReply(code, lifetime, request.home_address, self.config.address, identification),
        )

    def _accept(self, request: RegistrationRequest, arrival: Reception, now: int) -> tuple[ReplyCode, int]:
        home, care_of = request.home_address, request.care_of_address
        if request.deregisters_all:
            bound = tuple(b.care_of_address for b in self._table.of(home))
            self._do(*self._table.remove(home, bound, BindingCause.RETURNED, arrival.link))
            self._tell(MipDeregistered(home_address=str(home)))
            return ReplyCode.ACCEPTED, 0
        if request.deregisters:
            self._do(*self._table.remove(home, (care_of,), BindingCause.DEREGISTERED))
            self._tell(MipDeregistered(home_address=str(home), care_of_address=str(care_of)))
            return ReplyCode.ACCEPTED, 0
        wants_simultaneous = RequestFlags.S in request.flags
        simultaneous = wants_simultaneous and self.config.max_bindings > 1
        lifetime = granted_lifetime(request.lifetime, self.config.max_lifetime)
        binding = Binding(
            home,
            care_of,
            lifetime,
            expiry(lifetime, now),
            request.identification,
            requested_encapsulation(request.flags) or Encapsulation.IPIP,
            co_located=RequestFlags.D in request.flags,
            reverse=RequestFlags.T in request.flags,
            broadcast=RequestFlags.B in request.flags,
        )
        self._do(*self._table.register(binding, simultaneous=simultaneous))
        self._tell(MipRegistered(home_address=str(home), care_of_address=str(care_of), lifetime=lifetime))
        if wants_simultaneous and not simultaneous:
            return ReplyCode.ACCEPTED_NO_SIMULTANEOUS, lifetime
        return ReplyCode.ACCEPTED, lifetime

    def _reply(self, request: RegistrationRequest, arrival: Reception, reply: RegistrationReply) -> None:
        reply = sign(reply, MOBILE_HOME, self.config.mobile_nodes[request.home_address])
        association = self.config.foreign_agents.get(arrival.source.address)
        if association and not request.deregisters:  # never on a deregistration's messages (RFC 5944, 3.5.4)
            reply = sign(reply, FOREIGN_HOME, association)
        kind = MipReply if accepts(reply.code) else MipDenied
        self._tell(
            kind(
                home_address=str(request.home_address),
                care_of_address=str(request.care_of_address),
                code=int(reply.code),
                lifetime=reply.lifetime,
            )
        )
        # Not from a group or broadcast address that the request may have been sent to (RFC 5944, 3.8.3.1).
        self._do(SendUdp(reply.encode(), UdpAddress(self.config.address, PORT), arrival.source))

    def _expire(self, now: int) -> None:
        for binding in [b for b in self._table if b.expires is not None and b.expires <= now]:
            home, care_of = binding.home_address, binding.care_of_address
            self._do(*self._table.remove(home, (care_of,), BindingCause.EXPIRED))
            self._tell(MipExpired(home_address=str(home), care_of_address=str(care_of)))

    def _guard(self, home_address: IPv4Address) -> ReplayGuard:
        if home_address not in self._guards:
            nonces = self.config.replay is ReplayProtection.NONCES
            self._guards[home_address] = (
                NonceGuard(self._random) if nonces else TimestampGuard(self.config.window)
            )
        return self._guards[home_address]
