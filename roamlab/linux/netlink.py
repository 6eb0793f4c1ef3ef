"""Netlink: sockets, the framing of messages and attributes, and a client that sends many requests in one system call.

pyroute2 encodes rtnetlink's messages (see `rtnetlink`), but its sockets start an event loop each and wait for every answer;
a network of a hundred hosts is some thousand requests, and most need no answer. Here requests are queued, sent together, and
only the last of a batch is acknowledged: the kernel works through a batch in order and reports each failure by its sequence
number, whether or not an acknowledgement was asked for.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self, TypeVar

from roamlab.linux.errors import MissingKernelOption, NetlinkError

HEADER: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
CREATE, APPEND = 0x400, 0x800
CREATE_NEW, CREATE_OR_REPLACE = REQUEST | 0x600, REQUEST | 0x500
ERROR, DONE = 2, 3
"""NLMSG_ERROR is also the acknowledgement (error 0)."""
NESTED: Final = 0x8000
_CAPPED, _ACK_TLVS = 0x100, 0x200
_SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_ATTR_MESSAGE: Final = 1  # NLMSGERR_ATTR_MSG
_BATCH_BYTES: Final = 64 * 1024  # below the default send buffer of 208 KiB, with the kernel's overhead

_LACKING: Final = frozenset({errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


class Received(NamedTuple):
    """One message as it came; ``data`` is all of it, its header included."""

    kind: int
    flags: int
    sequence: int
    data: bytes

    @property
    def error(self) -> int:
        """The error number that an answer (ERROR) has, 0 for an acknowledgement."""
        return -int(struct.unpack_from("=i", self.data, HEADER.size)[0])


@dataclass(frozen=True, slots=True)
class Request:
    """One encoded request.

    Attributes:
        data: the message with its header, padded to four bytes; flags lack NLM_F_ACK, the sequence number is free.
        what: the request in words, for errors.
        option: the kernel option without which this kind of request is refused, where there is one.
        ignore: error numbers that mean "nothing to do" here, say ENOENT of a deletion.

    """

    data: bytes
    what: str
    option: str | None = None
    ignore: frozenset[int] = frozenset()


def open_socket(protocol: int, groups: int = 0) -> socket.socket:
    """A netlink socket in the network namespace that the caller stands in; ``groups`` are what it is told of unasked."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    opened.bind((0, groups))
    return opened


def messages(data: bytes) -> Iterator[Received]:
    """The messages of a datagram, up to one that is cut off."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield Received(kind, flags, sequence, data[at : at + length])
        at += _padded(length)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & ~NESTED, data[at + 4 : at + length]
        at += _padded(length)


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute, padded to four bytes."""
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def nest(kind: int, inner: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NESTED, inner)


def frame(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A message around its body, padded to four bytes."""
    length = HEADER.size + len(body)
    return HEADER.pack(length, kind, flags, sequence, 0) + body + bytes(-length % 4)


def _padded(length: int) -> int:
    return (length + 3) & ~3


class _Decodable(Protocol):
    """A message class of pyroute2's."""

    def decode(self) -> None: ...


_D = TypeVar("_D", bound=_Decodable)


class Rtnl:
    """A NETLINK_ROUTE socket in the network namespace it was made in.

    With ``explained`` the kernel gives its reasons with an error.
    """

    def __init__(self, *, explained: bool = True) -> None:
        self._socket = open_socket(socket.NETLINK_ROUTE)
        if explained:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._queue: list[Request] = []
        self._sequence = 0

    def queue(self, *requests: Request) -> None:
        """Keep requests for the next flush."""
        self._queue += requests

    def flush(self) -> None:
        """Send what is queued, in order.

        Raises:
            MissingKernelOption: the first failure is a feature that this kernel lacks.
            NetlinkError: the first failure. Requests after it were tried as well.

        """
        queue, self._queue = self._queue, []
        failures: list[tuple[Request, int, str]] = []
        for batch in _batches(queue):
            failures += self._send(batch)
        for request, code, reason in failures:
            if request.option and code in _LACKING:
                raise MissingKernelOption(request.option, request.what)
            raise NetlinkError(code, request.what, reason)

    def forget(self) -> None:
        """Drop what is queued."""
        self._queue.clear()

    def do(self, *requests: Request) -> None:
        """Queue and flush."""
        self.queue(*requests)
        self.flush()

    def dump(self, request: Request, decoder: Callable[[bytes], _D]) -> list[_D]:
        """What the kernel lists for a request that has the flag DUMP, decoded by a message class of pyroute2's."""
        self._sequence += 1
        packet = bytearray(request.data)
        length, kind, flags, _, _ = HEADER.unpack_from(packet)
        HEADER.pack_into(packet, 0, length, kind, flags, self._sequence, 0)
        self._socket.send(packet)
        found: list[_D] = []
        while True:
            for message in messages(self._socket.recv(1 << 17)):
                if message.kind in (DONE, ERROR):
                    return found
                entry = decoder(message.data)
                entry.decode()
                found.append(entry)

    def close(self) -> None:
        """Close the socket; queued requests are forgotten."""
        self.forget()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, batch: list[Request]) -> list[tuple[Request, int, str]]:
        first = self._sequence + 1
        packet = bytearray()
        for number, request in enumerate(batch, first):
            offset = len(packet)
            packet += request.data
            length, kind, flags, _, _ = HEADER.unpack_from(request.data)
            acknowledge = ACK if number == first + len(batch) - 1 else 0
            HEADER.pack_into(packet, offset, length, kind, flags | acknowledge, number, 0)
        self._sequence = last = first + len(batch) - 1
        self._socket.send(packet)
        failures: list[tuple[Request, int, str]] = []
        while True:
            for message in messages(self._socket.recv(65536)):
                number = message.sequence
                if message.kind != ERROR or not first <= number <= last:
                    continue
                request = batch[number - first]
                if message.error and message.error not in request.ignore:
                    failures.append((request, message.error, _reason(message)))
                if number == last:
                    return failures


def _batches(queue: list[Request]) -> Iterable[list[Request]]:
    batch: list[Request] = []
    size = 0
    for request in queue:
        if batch and size + len(request.data) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += len(request.data)
    if batch:
        yield batch


def _reason(answer: Received) -> str:
    """The kernel's explanation, where it gives one."""
    if not answer.flags & _ACK_TLVS:
        return ""
    # The answer repeats the header of the request, and all of it unless it is capped.
    (echoed,) = struct.unpack_from("=I", answer.data, 20)
    tail = 20 + (HEADER.size if answer.flags & _CAPPED or not answer.error else _padded(echoed))
    for kind, value in attributes(answer.data[tail:]):
        if kind & 0x3FFF == _ATTR_MESSAGE:
            return value.rstrip(b"\0").decode("utf-8", "replace")
    return ""
