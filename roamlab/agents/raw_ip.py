"""IP datagrams beside the kernel's stack: any source address on the way out, whatever passes this host on the way in."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from roamlab.agents.agent import Agent
from roamlab.protocols import ip
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address, Datagram

_ETH_P_ALL: Final = 0x0003
_OUTGOING: Final = 4  # PACKET_OUTGOING
_RAW_IP: Final = 101  # LINKTYPE_RAW
_HOPS: Final = 64


class RawIp:
    """Raw sockets of both families to send from, and a packet socket to read from. Needs CAP_NET_RAW.

    ``heed`` is called with each datagram that passes, and whether this host sends it. What the kernel thinks of what it
    gets besides is its own business: to be left alone by it, an address must be one that the kernel has not.
    """

    def __init__(self, agent: Agent, heed: Callable[[Datagram, bool], None]) -> None:
        self._heed = heed
        # Of this protocol, raw sockets of both families take the IP header from the sender.
        self._out = {
            version: socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
            for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6))
        }
        self._in = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._in.setblocking(False)
        agent.on_readable(self._in, self._passing)

    def put(self, source: Address, destination: Address, protocol: int, payload: bytes) -> None:
        """Send a datagram. OSError where there is no route to its destination."""
        datagram = Datagram(source, destination, protocol, _HOPS, payload)
        self._out[source.version].sendto(ip.encode(datagram), (str(destination), 0))

    def _passing(self) -> None:
        while True:
            try:
                data, address = self._in.recvfrom(65536)
            except BlockingIOError:
                return
            try:
                datagram = ip.decode(_RAW_IP, data)
            except DecodeError:
                continue
            if isinstance(datagram, Datagram):
                self._heed(datagram, address[2] == _OUTGOING)
