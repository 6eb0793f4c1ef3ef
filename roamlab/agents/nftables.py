"""A queue for SCTP packets that are about to leave this node: two kernel interfaces over netlink, and no more of them.

nftables (linux/netfilter/nf_tables.h) gets one table with one chain at the output hook, whose rules send packets that begin
with certain chunks to a queue; others never leave the kernel. The queue (linux/netfilter/nfnetlink_queue.h) hands each of
them to this process, which answers with a verdict and, if it likes, other bytes.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NETLINK_NETFILTER: Final = 12
_IPV4, _IPV6 = 2, 10  # NFPROTO_*
_LOCAL_OUT: Final = 3
_IPPROTO_SCTP: Final = 132
_COMMON_HEADER: Final = 12
_TABLES, _QUEUE = 10, 3  # subsystems
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 3, 6
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
_REQUEST, _ACK, _CREATE, _APPEND = 0x1, 0x4, 0x400, 0x800
_NESTED: Final = 0x8000
_ERROR: Final = 2
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
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0
        bind = struct.pack("!BxH", 1, 0)
        self._ask(_QUEUE, _CONFIG, _attribute(1, bind), 0, _NUMBER)
        self._ask(_QUEUE, _CONFIG, _attribute(2, struct.pack("!IB", 0xFFFF, 2)), 0, _NUMBER)
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
            for kind, body in _messages(data):
                if kind == _QUEUE << 8 | _PACKET:
                    attributes = dict(_attributes(body[4:]))
                    number = int.from_bytes(attributes[1][:4], "big")
                    yield Queued(number, attributes[10])

    def release(self, packet: Queued, datagram: bytes | None = None) -> None:
        """Let a packet go, with other bytes if there are any."""
        body = _attribute(2, struct.pack("!II", _ACCEPT, packet.number))
        if datagram is not None:
            body += _attribute(10, datagram)
        self._send(self._message(_QUEUE, _VERDICT, _REQUEST, body, 0, _NUMBER))

    def _rules(self, family: int, chunk_types: tuple[int, ...]) -> None:
        table, chain = _text(1, _NAME), _text(3, "output")
        hook = _nest(4, _number(1, _LOCAL_OUT) + _number(2, 0))
        flags = _REQUEST | _CREATE
        batch = self._message(0, _BATCH_BEGIN, _REQUEST, b"", 0, _TABLES)
        batch += self._message(_TABLES, _NEW_TABLE, flags, table, family)
        batch += self._message(_TABLES, _NEW_CHAIN, flags, table + chain + hook + _text(7, "filter"), family)
        for kind in chunk_types:
            rule = table + _text(2, "output") + _nest(4, _queue_chunk(kind))
            batch += self._message(_TABLES, _NEW_RULE, flags | _APPEND | _ACK, rule, family)
        last = self._sequence
        batch += self._message(0, _BATCH_END, _REQUEST, b"", 0, _TABLES)
        self._send(batch)
        self._await(last)

    def _ask(self, subsystem: int, kind: int, body: bytes, family: int, resource: int) -> None:
        self._send(self._message(subsystem, kind, _REQUEST | _ACK, body, family, resource))
        self._await(self._sequence)

    def _message(
        self, subsystem: int, kind: int, flags: int, body: bytes, family: int, resource: int = 0
    ) -> bytes:
        self._sequence += 1
        head = struct.pack("!BBH", family, 0, resource)
        length = 16 + len(head) + len(body)
        return (
            struct.pack("=IHHII", length, subsystem << 8 | kind, flags, self._sequence, 0)
            + head
            + body
            + bytes(-length % 4)
        )

    def _send(self, data: bytes) -> None:
        self._socket.send(data)

    def _await(self, sequence: int) -> None:
        """Wait for the kernel's answer to a message; OSError for its error, or that of an earlier one."""
        while True:
            data = self._socket.recv(1 << 17)
            for kind, body in _messages(data, header=True):
                if kind != _ERROR:
                    continue
                code = -int(struct.unpack_from("=i", body, 16)[0])
                if code:
                    raise OSError(code, f"cannot queue SCTP packets: {os.strerror(code)}")
                if struct.unpack_from("=I", body, 8)[0] == sequence:
                    return


def _queue_chunk(kind: int) -> bytes:
    """Rule expressions: SCTP, the first chunk's type is ``kind``, to the queue."""
    is_sctp = _expression("meta", _number(1, _REGISTER) + _number(2, _L4PROTO)) + _equals(_IPPROTO_SCTP)
    load = _number(1, _REGISTER) + _number(2, _TRANSPORT_HEADER) + _number(3, _COMMON_HEADER) + _number(4, 1)
    number = b"".join(
        _attribute(n, struct.pack("!H", value)) for n, value in ((1, _NUMBER), (2, 1), (3, _BYPASS))
    )
    return is_sctp + _expression("payload", load) + _equals(kind) + _expression("queue", number)


def _equals(byte: int) -> bytes:
    value = _nest(3, _attribute(1, bytes((byte,))))
    return _expression("cmp", _number(1, _REGISTER) + _number(2, 0) + value)


def _expression(name: str, data: bytes) -> bytes:
    return _nest(1, _text(1, name) + _nest(2, data))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _nest(kind: int, inner: bytes) -> bytes:
    return _attribute(kind | _NESTED, inner)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("!I", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _messages(data: bytes, *, header: bool = False) -> Iterator[tuple[int, bytes]]:
    """(type, what follows the netlink header) of each message; with ``header`` the header stands before it."""
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        yield kind, data[at + (0 if header else 16) : at + length]
        at += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        yield kind & ~_NESTED, data[at + 4 : at + length]
        at += (length + 3) & ~3
