"""The shell of :class:`roamlab.protocols.rewriting.Rewriter`: packets out of the kernel's output queue, and back changed."""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from roamlab.agents.agent import Agent, now_ns
from roamlab.linux.nftables import OutputQueue, Queued
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address
from roamlab.protocols.rewriting import OWN_IDS, Gate, NoKey, Rewriter, Rewritten
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
_NEWEST_BYTES: Final = 2190
"""Half of what a sender may have under way on a new path (RFC 9260, 7.2.1)."""
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
        self._moved: dict[Address, Address] = {}
        self._newest: deque[bytes] = deque()
        self._newest_bytes = 0
        self._again: list[bytes] = []
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

    def hold(self) -> None:
        """Keep back what leaves until a new address is there (:meth:`replaces`), or the old one after all (:meth:`resume`)."""
        if not self._gate.shut:
            self._again = list(self._newest)
        self._gate.shut_now()

    def resume(self) -> None:
        """Let go of what was kept back, if nothing has come of the loss of the link."""
        if self._gate.shut:
            self._again.clear()
            self._gate.open()
            self._let_go()

    def replaces(self, old: str, new: str) -> None:
        """Have what the kernel sends from ``old`` leave from ``new``, and the next ASCONF, an ADD of ``new``, say all of it."""
        former, present = ip_address(old), ip_address(new)
        self._moved = {former: present}
        self.order([AddIp(0, present), SetPrimary(OWN_IDS, present), DeleteIp(OWN_IDS + 1, former)])

    def replaced(self, old: str) -> None:
        """Let what the kernel sends from ``old`` leave from there again: it has been given up."""
        self._moved.pop(ip_address(old), None)

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
                if body[HEADER_LENGTH] == Data.type:
                    self._remember(packet.datagram)
                self._release(packet)
                continue
            self.rules.keys.learn(body)
            changed = self._changed(body)
            if not self._may_leave(packet.datagram, changed.packet if changed else body):
                self._kept.append(packet)
            elif changed is None:
                self._release(packet)
            else:
                self._release(packet, with_payload(packet.datagram[:start], changed.packet))
            self._let_go()

    def _release(self, packet: Queued, datagram: bytes | None = None) -> None:
        """Let a packet go, with other bytes if there are any, and from the address that it is to come from."""
        source = self._source(packet.datagram)
        if (moved := self._moved.get(source)) is not None:
            datagram = from_source(datagram or packet.datagram, moved)
        self._queue.release(packet, datagram)

    def _destination(self, datagram: bytes) -> Address:
        return IPv4Address(datagram[16:20]) if self._ipv4 else IPv6Address(datagram[24:40])

    def _source(self, datagram: bytes) -> Address:
        return IPv4Address(datagram[12:16]) if self._ipv4 else IPv6Address(datagram[8:24])

    def _may_leave(self, datagram: bytes, body: bytes) -> bool:
        source = self._source(datagram)
        first = next((chunk for chunk in _chunks(body) if not isinstance(chunk, Auth)), None)
        return first is None or self._gate.leaving(self._moved.get(source, source), first)

    def _let_go(self) -> None:
        if self._gate.closed:
            return
        if self._again:
            self._send_again()
        while self._kept:
            self._release(self._kept.pop(0))

    def _send_again(self) -> None:
        """Send the newest packets from before once more, from the new address."""
        kind = socket.AF_INET if self._ipv4 else socket.AF_INET6
        # A raw socket of this protocol takes the IP header from the sender.
        with socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            while self._again:
                datagram = self._again.pop(0)
                source = self._source(datagram)
                again = from_source(datagram, self._moved.get(source, source))
                raw.sendto(again, (str(self._destination(datagram)), 0))

    def _remember(self, datagram: bytes) -> None:
        """Take note of a packet with DATA that leaves: of those that are the last before a link goes, some are lost."""
        self._newest.append(datagram)
        self._newest_bytes += len(datagram)
        while self._newest_bytes > _NEWEST_BYTES:
            self._newest_bytes -= len(self._newest.popleft())

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


def from_source(datagram: bytes, source: Address) -> bytes:
    """An IP datagram (IPv6's without extension headers) from another source address. SCTP's checksum has no part in it."""
    if datagram[0] >> 4 == 6:
        return datagram[:8] + source.packed + datagram[24:]
    length = (datagram[0] & 0xF) * 4
    return with_payload(datagram[:12] + source.packed + datagram[16:length], datagram[length:])


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
