"""An endpoint that speaks just enough SCTP to try a listener's cookie: FIG. 5 from a raw socket.

It sends INIT, keeps the cookie of the INIT-ACK, and then a COOKIE-ECHO with it as it is, damaged, late, or once more. It
answers nothing else; the kernel beside it ends with ABORT what it set up.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from nodes.agent import Agent
from protocols.errors import DecodeError
from protocols.sctp import packet
from protocols.sctp.chunks import CookieEcho, Init, InitAck
from protocols.sctp.packet import Packet
from protocols.sctp.parameters import StateCookie, address_parameter

_IPPROTO_SCTP: Final = 132
_PORT: Final = 4000
_WINDOW: Final = 65536


@dataclass(frozen=True, slots=True)
class _Offer:
    """What an INIT-ACK offered."""

    port: int
    peer_port: int
    tag: int
    cookie: bytes


class CookieProber(Agent):
    """One probe at a time, each from a port of its own."""

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._offer: _Offer | None = None
        self._next_port = _PORT

    def do_open(self, local: str, peer: str) -> None:
        """Take an address of this host, and a peer."""
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        self._ipv4 = family == socket.AF_INET
        self._local = local
        self._socket = socket.socket(family, socket.SOCK_RAW, _IPPROTO_SCTP)
        self._socket.bind((local, 0))
        self._peer = peer
        self._socket.setblocking(False)
        self.on_readable(self._socket, self._read)

    def do_initiate(self, peer_port: int) -> None:
        """Send an INIT; the cookie that comes back is kept."""
        tag, tsn = (int.from_bytes(os.urandom(4), "big") or 1 for _ in range(2))
        addresses = (address_parameter(ip_address(self._local)),)
        self._next_port += 1
        self._transmit(Packet(self._next_port, peer_port, 0, (Init(tag, _WINDOW, 1, 1, tsn, addresses),)))

    def do_echo(self, damaged: bool) -> None:
        """Send the cookie back, whole or with one bit of it turned round."""
        if self._offer is None:
            self.emit("cookie.none")
            return
        cookie = bytearray(self._offer.cookie)
        if damaged:
            cookie[len(cookie) // 2] ^= 1
        offer = self._offer
        self.emit("cookie.echo", damaged=damaged, port=offer.port)
        self._transmit(Packet(offer.port, offer.peer_port, offer.tag, (CookieEcho(bytes(cookie)),)))

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            try:
                answer = packet.decode(data[(data[0] & 0xF) * 4 :] if self._ipv4 else data)
            except DecodeError:
                continue
            for chunk in answer.chunks:
                if isinstance(chunk, InitAck) and answer.dport == self._next_port:
                    cookies = [p.cookie for p in chunk.parameters if isinstance(p, StateCookie)]
                    self._offer = _Offer(answer.dport, answer.sport, chunk.tag, cookies[0])

    def _transmit(self, message: Packet) -> None:
        self._socket.sendto(message.encode(), (self._peer, 0))
