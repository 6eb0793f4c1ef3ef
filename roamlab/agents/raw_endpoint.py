"""Associations without a kernel's stack: what no stack would send, from an endpoint of roamlab's own (the *raw* way).

What it does by the book is in ``roamlab/protocols/sctp/endpoint.py``; this is its shell around raw sockets. Each packet that it
was told to send is an event ``raw.sent``, so that a verdict can look for it, and for what was answered, in the capture.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from socket import socket
from typing import Final

from roamlab.agents.agent import Agent
from roamlab.agents.raw_ip import RawIp
from roamlab.agents.rewriter import parameter
from roamlab.protocols.ip import SCTP, Address, Datagram
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.protocols.sctp.chunks import Asconf, Chunk, CookieEcho, Heartbeat
from roamlab.protocols.sctp.endpoint import SctpEndpoint
from roamlab.protocols.sctp.parameters import HeartbeatInfo, SetPrimary, address_parameter
from roamlab.record.attack_events import CookieEchoed, CookieMissing, RawSent
from roamlab.record.commands import (
    AsconfAckSpec,
    AsconfSpec,
    ChunkSpec,
    Command,
    CookieEchoSpec,
    EchoCookie,
    HeartbeatSpec,
    Initiate,
    Mute,
    Open,
    Say,
)

_NONCE: Final = bytes(8)


@dataclass(slots=True)
class _Held:
    """An association: what it says and hears, the address that it speaks from, and the packet that it said last.

    A ``mute`` one answers nothing.
    """

    end: SctpEndpoint
    source: Address
    last: bytes = b""
    mute: bool = False


class RawEndpoint(Agent):
    """Associations with one peer, each by its local port.

    It answers at whatever address its peer sends to. Where that is one that its kernel has as well, the kernel ends with
    ABORT what it knows nothing of, sooner or later.
    """

    def __init__(self, name: str, control: socket) -> None:
        super().__init__(name, control)
        self._held: dict[int, _Held] = {}
        self._ip = RawIp(self, self._heard)

    # -- commands ----------------------------------------------------------------------------------------------------

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case Open(peer):
                self._peer = ip_address(peer)
            case Initiate():
                self._initiate(command)
            case EchoCookie():
                self._echo(command)
            case Mute(port):
                self._held[port].mute = True
            case Say():
                self._say(command)
            case _:
                super().obey(command)

    def _initiate(self, command: Initiate) -> None:
        tag, drawn = (int.from_bytes(os.urandom(4), "big") or 1 for _ in range(2))
        source = ip_address(command.local)
        end = SctpEndpoint(
            command.port,
            command.peer_port,
            tag,
            drawn if command.tsn is None else command.tsn,
            os.urandom(32),
            (source, *map(ip_address, command.also)),
            secured=command.secured,
            echoes=command.echoes,
            preference=SetPrimary(0, ip_address(command.prefer)) if command.prefer else None,
            prefers_first=command.prefers_first,
        )
        self._held[command.port] = _Held(end, source)
        self._put(source, end.init())

    def _echo(self, command: EchoCookie) -> None:
        held = self._held[command.port]
        if not held.end.cookie:
            self.emit(CookieMissing())
            return
        self.emit(CookieEchoed(command.port, command.damaged))
        self._put(held.source, held.end.cookie_echo(damaged=command.damaged))

    def _say(self, command: Say) -> None:
        held = self._held[command.port]
        if command.chunks:
            held.last = held.end.packet(*(self._chunk(held, spec) for spec in command.chunks))
        address = ip_address(command.source) if command.source else held.source
        self.emit(RawSent(command.act, command.port, str(address), held.last.hex()))
        self._put(address, held.last, ip_address(command.to) if command.to else None)

    # -- what is said and heard ----------------------------------------------------------------------------------------

    def _chunk(self, held: _Held, spec: ChunkSpec) -> Chunk:
        match spec:
            case CookieEchoSpec():
                return CookieEcho(held.end.cookie)
            case AsconfAckSpec(serial, understood, refused):
                return held.end.acknowledgement(serial, understood=understood, refused=refused)
            case HeartbeatSpec():
                return Heartbeat((HeartbeatInfo(_NONCE),))
            case AsconfSpec(serial, requests, by, lack):
                wanted = [parameter(r.verb, r.address, OWN_IDS + n) for n, r in enumerate(requests)]
                address = ip_address(by) if by else held.source
                found_by = () if lack else (address_parameter(address),)
                return Asconf(serial, (*found_by, *wanted))

    def _heard(self, datagram: Datagram, outgoing: bool) -> None:
        if outgoing or datagram.protocol != SCTP or datagram.source != self._peer:
            return
        held = self._held.get(int.from_bytes(datagram.payload[2:4], "big"))
        if held is not None and not held.mute and (reply := held.end.receive(datagram.payload)) is not None:
            self._put(datagram.destination, reply)

    def _put(self, source: Address, data: bytes, to: Address | None = None) -> None:
        self._ip.put(source, to or self._peer, SCTP, data)
