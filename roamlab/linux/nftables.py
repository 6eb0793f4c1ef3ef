"""A queue for SCTP packets that are about to leave this node: two kernel interfaces over netlink, and no more of them.

nftables (linux/netfilter/nf_tables.h) gets one table with one chain at the output hook, whose rules send packets that begin
with certain chunks to a queue; others never leave the kernel. The queue (linux/netfilter/nfnetlink_queue.h) hands each of
them to this process, which answers with a verdict and, if it likes, other bytes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roamlab.linux.netlink import (
    ACK,
    APPEND,
    CREATE,
    ERROR,
    HEADER,
    REQUEST,
    attribute,
    attributes,
    frame,
    messages,
    nest,
    open_socket,
)

_NETLINK_NETFILTER: Final = 12
_IPV4, _IPV6 = 2, 10  # NFPROTO_*
_LOCAL_OUT: Final = 3
_IPPROTO_SCTP: Final = 132
_COMMON_HEADER: Final = 12
_TABLES, _QUEUE = 10, 3  # subsystems
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 3, 6
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_L4PROTO: Final = 16  # NFT_META_L4PROTO
_TRANSPORT_HEADER: Final = 2
_REGISTER: Final = 1
_BYPASS: Final = 1  # packets go on when nobody reads the queue
_ACCEPT: Final = 1
_NUMBER: Final = 132
_NAME: Final = "roamlab"


@dataclass(frozen=True, slots=True)
class Queued:
    """An IP datagram that waits for its verdict."""

    number: int
    datagram: bytes


class OutputQueue:
    """Stops every SCTP packet of one family (4 or 6) of this namespace whose first chunk has one of these types.

    OSError where the kernel lacks nftables or its queue. It ends with the process, and packets then pass.
    """

    def __init__(self, family: int, chunk_types: tuple[int, ...]) -> None:
        self._socket = open_socket(_NETLINK_NETFILTER)
        self._sequence = 0
        bind = struct.pack("!BxH", 1, 0)
        self._ask(_QUEUE, _CONFIG, attribute(1, bind), 0, _NUMBER)
        self._ask(_QUEUE, _CONFIG, attribute(2, struct.pack("!IB", 0xFFFF, 2)), 0, _NUMBER)
        self._rules(_IPV4 if family == 4 else _IPV6, chunk_types)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Iterator[Queued]:
        """The packets that wait now; each needs :meth:`release`."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return
            for message in messages(data):
                if message.kind == _QUEUE << 8 | _PACKET:
                    found = dict(attributes(message.data[HEADER.size + 4 :]))
                    yield Queued(int.from_bytes(found[1][:4], "big"), found[10])

    def release(self, packet: Queued, datagram: bytes | None = None) -> None:
        """Let a packet go, with other bytes if there are any."""
        body = attribute(2, struct.pack("!II", _ACCEPT, packet.number))
        if datagram is not None:
            body += attribute(10, datagram)
        self._send(self._message(_QUEUE, _VERDICT, REQUEST, body, 0, _NUMBER))

    def _rules(self, family: int, chunk_types: tuple[int, ...]) -> None:
        table, chain = _text(1, _NAME), _text(3, "output")
        hook = nest(4, _number(1, _LOCAL_OUT) + _number(2, 0))
        flags = REQUEST | CREATE
        batch = self._message(0, _BATCH_BEGIN, REQUEST, b"", 0, _TABLES)
        batch += self._message(_TABLES, _NEW_TABLE, flags, table, family)
        batch += self._message(_TABLES, _NEW_CHAIN, flags, table + chain + hook + _text(7, "filter"), family)
        for kind in chunk_types:
            rule = table + _text(2, "output") + nest(4, _queue_chunk(kind))
            batch += self._message(_TABLES, _NEW_RULE, flags | APPEND | ACK, rule, family)
        last = self._sequence
        batch += self._message(0, _BATCH_END, REQUEST, b"", 0, _TABLES)
        self._send(batch)
        self._await(last)

    def _ask(self, subsystem: int, kind: int, body: bytes, family: int, resource: int) -> None:
        self._send(self._message(subsystem, kind, REQUEST | ACK, body, family, resource))
        self._await(self._sequence)

    def _message(
        self, subsystem: int, kind: int, flags: int, body: bytes, family: int, resource: int = 0
    ) -> bytes:
        self._sequence += 1
        head = struct.pack("!BBH", family, 0, resource)
        return frame(subsystem << 8 | kind, flags, self._sequence, head + body)

    def _send(self, data: bytes) -> None:
        self._socket.send(data)

    def _await(self, sequence: int) -> None:
        """Wait for the kernel's answer to a message; OSError for its error, or that of an earlier one."""
        while True:
            data = self._socket.recv(1 << 17)
            for answer in messages(data):
                if answer.kind != ERROR:
                    continue
                if answer.error:
                    raise OSError(answer.error, f"cannot queue SCTP packets: {os.strerror(answer.error)}")
                if answer.sequence == sequence:
                    return


def _queue_chunk(kind: int) -> bytes:
    """Rule expressions: SCTP, the first chunk's type is ``kind``, to the queue."""
    is_sctp = _expression("meta", _number(1, _REGISTER) + _number(2, _L4PROTO)) + _equals(_IPPROTO_SCTP)
    load = _number(1, _REGISTER) + _number(2, _TRANSPORT_HEADER) + _number(3, _COMMON_HEADER) + _number(4, 1)
    number = b"".join(
        attribute(n, struct.pack("!H", value)) for n, value in ((1, _NUMBER), (2, 1), (3, _BYPASS))
    )
    return is_sctp + _expression("payload", load) + _equals(kind) + _expression("queue", number)


def _equals(byte: int) -> bytes:
    value = nest(3, attribute(1, bytes((byte,))))
    return _expression("cmp", _number(1, _REGISTER) + _number(2, 0) + value)


def _expression(name: str, data: bytes) -> bytes:
    return nest(1, _text(1, name) + nest(2, data))


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))


def _text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")
