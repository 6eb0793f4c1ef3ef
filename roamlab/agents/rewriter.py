"""The shell of :class:`roamlab.protocols.rewriting.Rewriter`: packets out of the kernel's output queue, and back changed."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from roamlab.agents.agent import Agent, now_ns
from roamlab.linux.nftables import OutputQueue, Queued
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.rewriting import Gate, NoKey, Rewriter, Rewritten
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.chunks import (
    Asconf,
    AsconfAck,
    Auth,
    Chunk,
    Data,
    HeartbeatAck,
    Init,
    InitAck,
    Sack,
)
from roamlab.protocols.sctp.describe import describe
from roamlab.protocols.sctp.packet import HEADER_LENGTH
from roamlab.protocols.sctp.parameters import AddIp, DeleteIp, Parameter, RawParameter, SetPrimary
from roamlab.record.events import AsconfRewritten, AsconfUnchanged

_TRAFFIC: Final = frozenset({Data.type, Sack.type, HeartbeatAck.type})
_STOPPED: Final = (*sorted(_TRAFFIC), Init.type, InitAck.type, Auth.type, Asconf.type)
_REQUESTS: Final = {"ADD IP": AddIp, "DELETE IP": DeleteIp, "SET PRIMARY": SetPrimary}
_IPV6_HEADER: Final = 40
_IPPROTO_SCTP: Final = 132


class OutgoingRewriter:
    """Rewrites what a node sends over IPv4 or IPv6. Every change is an event ``asconf.rewritten`` of the agent.

    OSError where the kernel has no queue for outgoing packets.
    """

    def __init__(self, agent: Agent, family: int) -> None:
        self.rules = Rewriter()
        self._gate = Gate()
        self._kept: list[Queued] = []
        self._agent = agent
        self._queue = OutputQueue(family, _STOPPED)
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        self._arriving = socket.socket(kind, socket.SOCK_RAW, _IPPROTO_SCTP)
        self._arriving.setblocking(False)
        self._ipv4 = family == 4
        agent.on_readable(self._queue, self._leave)
        agent.on_readable(self._arriving, self._arrive)

    def order(self, requests: Sequence[Parameter]) -> None:
        """Let the next ASCONF carry these requests in the place of the kernel's."""
        self.rules.order(requests)

    def _arrive(self) -> None:
        """Learn keys from the peer's INIT or INIT-ACK, and what it answered to an ASCONF."""
        while True:
            try:
                data = self._arriving.recv(65536)
            except BlockingIOError:
                return
            body = data[(data[0] & 0xF) * 4 :] if self._ipv4 else data
            kind = body[HEADER_LENGTH] if len(body) > HEADER_LENGTH else -1
            if kind in (Init.type, InitAck.type):
                self.rules.keys.learn(body)
            elif self._gate.closed and kind in (Auth.type, AsconfAck.type):
                self._answered(body)

    def _answered(self, body: bytes) -> None:
        for chunk in _chunks(body):
            if isinstance(chunk, AsconfAck):
                self._gate.answered(chunk, now_ns())
                if self._gate.deadline is not None:
                    self._agent.at(self._gate.deadline, self._expired)
        self._let_go()

    def _expired(self) -> None:
        if self._gate.deadline is not None and now_ns() >= self._gate.deadline:
            self._gate.open()
            self._let_go()

    def _leave(self) -> None:
        self._arrive()
        for packet in self._queue.read():
            start = (packet.datagram[0] & 0xF) * 4 if self._ipv4 else _IPV6_HEADER
            body = packet.datagram[start:]
            if not self._gate.closed and body[HEADER_LENGTH] in _TRAFFIC:
                self._queue.release(packet)
                continue
            self.rules.keys.learn(body)
            changed = self._changed(body)
            if not self._may_leave(packet.datagram, body):
                self._kept.append(packet)
            elif changed is None:
                self._queue.release(packet)
            else:
                self._queue.release(packet, with_payload(packet.datagram[:start], changed.packet))
            self._let_go()

    def _may_leave(self, datagram: bytes, body: bytes) -> bool:
        source = IPv4Address(datagram[12:16]) if self._ipv4 else IPv6Address(datagram[8:24])
        first = next((chunk for chunk in _chunks(body) if not isinstance(chunk, Auth)), None)
        return first is None or self._gate.leaving(source, first)

    def _let_go(self) -> None:
        while self._kept and not self._gate.closed:
            self._queue.release(self._kept.pop(0))

    def _changed(self, body: bytes) -> Rewritten | None:
        try:
            changed = self.rules.outgoing(body)
        except NoKey as lack:
            self._agent.emit(AsconfUnchanged(str(lack)))
            return None
        if changed is not None:
            self._agent.emit(AsconfRewritten(describe(changed.was), describe(changed.now)))
        return changed


def parameter(verb: str, address: str, number: int) -> Parameter:
    """A request by its verb (RFC 5061's word, or a type in hexadecimal), its address and its correlation ID."""
    kind = _REQUESTS.get(verb)
    return RawParameter(int(verb, 16), bytes(4)) if kind is None else kind(number, ip_address(address))


def _chunks(body: bytes) -> tuple[Chunk, ...]:
    """The chunks of a packet; none where they are not well-formed."""
    try:
        return chunks.decode(body[HEADER_LENGTH:])
    except DecodeError:
        return ()


def with_payload(header: bytes, payload: bytes) -> bytes:
    """An IP header (IPv4's with options, IPv6's without) with another payload; length and header checksum follow."""
    if header[0] >> 4 == 6:
        return header[:4] + struct.pack("!H", len(payload)) + header[6:] + payload
    head = bytearray(header)
    struct.pack_into("!H", head, 2, len(header) + len(payload))
    struct.pack_into("!H", head, 10, 0)
    total = sum(struct.unpack(f"!{len(head) // 2}H", head))
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", head, 10, ~(total + (total >> 16)) & 0xFFFF)
    return bytes(head) + payload
