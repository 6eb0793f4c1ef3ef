"""An attacker: it overhears what passes its host, and sends packets that others never wrote.

It has no part in the kernel's stack (``roamlab/agents/raw_ip.py``): what it sends has whatever source address it likes, and the
addresses that it owns are not its kernel's. Every packet of an attack is an event ``attack.sent``, so that a verdict can look
for it in the capture.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from socket import socket
from typing import Final

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
from roamlab.protocols.sctp.endpoint import EndpointState, SctpEndpoint
from roamlab.protocols.sctp.parameters import HeartbeatInfo, Parameter
from roamlab.protocols.transport import Udp
from roamlab.record import commands
from roamlab.record.attack_events import AttackOverheard, AttackSent, AttackUnsent

_IPIP, _HOPS = 4, 64
_DISCARD: Final = 9  # the port of the discard service
_UDP_HEADER: Final = struct.Struct("!HHHH")
_RETRY_NS: Final = 10_000_000
_REPORTED: Final = 0xFE  # a chunk type that nobody knows: to be skipped and reported (RFC 9260, 3.2)
_SPI: Final = 256  # that of every mobile node here, and easy to guess


class AttackerNode(Agent):
    """Knows an association from what it overhears or is told."""

    def __init__(self, name: str, control: socket) -> None:
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

    def obey(self, command: commands.Command) -> None:
        """Do what a command says."""
        match command:
            case commands.Overhear():
                self._overhears = True
            case commands.Learn():
                self._told_of(command)
            case commands.Own(addresses):
                self._own |= {ip_address(address) for address in addresses}
            case commands.AttackCommand():
                self._act(command)
            case _:
                super().obey(command)

    def _act(self, command: commands.AttackCommand) -> None:
        match command:
            case commands.ForgeAsconf(act, source, requests, signing):
                asconf = self._known.asconf(_wanted(requests), Signing(signing))
                self._attack(act, ip_address(source), asconf, forged=True)
            case commands.Restart(act, source, addresses):
                self._call(act, source, addresses)
            case commands.Camp(act, source, addresses):
                self._own.add(ip_address(source))
                self._call(act, source, addresses)
            case commands.Claim(act, source, requests):
                assert self._caller
                self._attack(
                    act, ip_address(source), self._caller.packet(self._caller.asconf(_wanted(requests)))
                )
            case commands.Subscribe():
                self._subscribe(command)
            case commands.Feed():
                self._feed(command, 0)
            case commands.Probe(act, source):
                self._own.add(ip_address(source))
                self._call(act, source, [source], echoes=False)
            case commands.Echo():
                self._echo(command)
            case commands.Quit(act, source):
                assert self._caller
                self._attack(act, ip_address(source), self._caller.packet(Abort(())))
            case commands.Hijack(act, source, requests):
                self._hijack(act, source, requests)
            case commands.Flood(act, source, chunks, count):
                assert self._caller
                chunk = Heartbeat((HeartbeatInfo(b""),)) if chunks == "heartbeats" else RawChunk(_REPORTED)
                self._attack(act, ip_address(source), self._caller.packet(*[chunk] * count))
            case commands.ReplayCookie(act, source):
                self._attack(act, ip_address(source), self._known.cookie_echo)
            case commands.ForgeRegistration():
                self._forge_registration(command)
            case commands.ForgeTunnel():
                self._tunnel(command)
            case commands.ReplayRegistration(act, deregistration):
                if (overheard := self._requests.get(deregistration)) is None:
                    self.emit(AttackUnsent("no such registration was overheard", act))
                else:
                    self._register(act, *overheard)

    def _told_of(self, command: commands.Learn) -> None:
        """Be told addresses and ports, and guess the tag and the serial number."""
        tag, serial = struct.unpack("!II", os.urandom(8))
        self._known = Overheard(
            ip_address(command.mobile),
            ip_address(command.correspondent),
            command.sport,
            command.dport,
            tag=tag,
            serial=serial,
        )

    def _subscribe(self, command: commands.Subscribe) -> None:
        assert self._caller
        if self._caller.state is not EndpointState.ESTABLISHED:
            self.at(now_ns() + _RETRY_NS, lambda: self._subscribe(command))
            return
        hello = Message(Kind.HELLO, Direction.UP, command.session, 0, now_ns()).encode()
        self._attack(command.act, ip_address(command.source), self._caller.packet(self._caller.data(hello)))

    def _feed(self, command: commands.Feed, due_ns: int) -> None:
        """Acknowledge one chunk more than the last time.

        Whoever acknowledges more than was sent is found out and the association ends with ABORT; a sender's congestion
        window opens by one packet for each such SACK at least as fast as this.
        """
        assert self._caller
        due_ns = due_ns or now_ns()
        self._fed = min(self._fed + 1, command.most)
        self._attack(command.act, ip_address(command.source), self._caller.pretend(self._fed))
        following_ns = due_ns + command.every_ns
        if following_ns < command.end_ns:
            self.at(following_ns, lambda: self._feed(command, following_ns))

    def _echo(self, command: commands.Echo) -> None:
        """Send the cookie of its own INIT (once more), where wanted with other ports than the INIT had."""
        assert self._caller
        echo = packet.decode(self._caller.cookie_echo())
        ports = echo.sport + command.sport_shift, echo.dport + command.dport_shift
        moved = replace(echo, sport=ports[0], dport=ports[1])
        self._attack(command.act, ip_address(command.source), moved.encode())

    def _hijack(self, act: int, source: str, requests: Sequence[commands.Request]) -> None:
        """Send an ASCONF in the mobile node's association with each tag that the cookie of a probe tells."""
        assert self._caller
        for tag in tie_tags(self._caller.cookie):
            forged = replace(self._known, tag=tag).asconf(_wanted(requests), Signing.NONE)
            self._attack(act, ip_address(source), forged, forged=True)

    def _forge_registration(self, command: commands.ForgeRegistration) -> None:
        request = RegistrationRequest(
            RequestFlags.D,
            command.lifetime,
            IPv4Address(command.home_address),
            IPv4Address(command.home_agent),
            IPv4Address(command.care_of),
            timestamp(now_ns()),
        )
        if command.authenticated:
            request = sign(request, MOBILE_HOME, SecurityAssociation(_SPI, os.urandom(16)))
        source, destination = IPv4Address(command.source), IPv4Address(command.home_agent)
        self._register(command.act, source, destination, request.encode())

    def _tunnel(self, command: commands.ForgeTunnel) -> None:
        data = os.urandom(32)
        self.emit(AttackSent(command.act, command.inner, data.hex(), forged=True, udp=True, tunnelled=True))
        inner, destination = IPv4Address(command.inner), IPv4Address(command.destination)
        carried = Datagram(inner, destination, UDP, _HOPS, _udp(_DISCARD, data))
        self._ip.put(IPv4Address(command.outer), IPv4Address(command.home_agent), _IPIP, ip.encode(carried))

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
            self.emit(AttackOverheard(str(known.mobile), str(known.correspondent), known.sport, known.dport))

    def _heard(self, source: Address, destination: Address, data: bytes) -> None:
        try:
            udp = Udp.decode(data)
            request = RegistrationRequest.decode(udp.payload)
        except DecodeError:
            return
        if udp.dport == PORT:
            self._requests[request.deregisters] = source, destination, udp.payload

    # -- what is sent ------------------------------------------------------------------------------------------------

    def _call(self, act: int, source: str, addresses: Sequence[str], *, echoes: bool = True) -> None:
        tag, tsn = struct.unpack("!II", os.urandom(8))
        listed = tuple(ip_address(address) for address in addresses)
        ports = self._known.sport, self._known.dport
        self._caller = SctpEndpoint(*ports, tag, tsn, os.urandom(32), listed, echoes=echoes)
        self._attack(act, ip_address(source), self._caller.init())

    def _attack(self, act: int, source: Address, data: bytes, *, forged: bool = False) -> None:
        destination = self._known.correspondent
        if destination is None:
            self.emit(AttackUnsent("no association was overheard", act))
            return
        self.emit(AttackSent(act, str(source), data.hex(), forged=forged, udp=False))
        self._ip.put(source, destination, SCTP, data)

    def _register(self, act: int, source: Address, destination: Address, data: bytes) -> None:
        self.emit(AttackSent(act, str(source), data.hex(), forged=True, udp=True))
        self._ip.put(source, destination, UDP, _udp(PORT, data))


def _wanted(requests: Sequence[commands.Request]) -> list[Parameter]:
    return [parameter(r.verb, r.address, OWN_IDS + n) for n, r in enumerate(requests)]


def _udp(port: int, data: bytes) -> bytes:
    """From the port to the same; IPv4 lets a checksum be left out."""
    return _UDP_HEADER.pack(port, port, _UDP_HEADER.size + len(data), 0) + data
