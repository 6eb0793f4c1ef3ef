"""A rtnetlink socket that sends many requests in one system call.

pyroute2 encodes the messages (see `rtnetlink`), but its sockets start an event loop each and wait for every answer; a
network of a hundred hosts is some thousand requests, and most need no answer. Here requests are queued, sent together,
and only the last of a batch is acknowledged: the kernel works through a batch in order and reports each failure by its
sequence number, whether or not an acknowledgement was asked for.
"""

import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roamlab.network.errors import MissingKernelOption, NetlinkError

_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ERROR: Final = 2  # NLMSG_ERROR, also the acknowledgement (error 0)
_FLAG_ACK: Final = 0x4
_FLAG_CAPPED: Final = 0x100
_FLAG_ACK_TLVS: Final = 0x200
_SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_ATTR_MESSAGE: Final = 1  # NLMSGERR_ATTR_MSG
_BATCH_BYTES: Final = 64 * 1024  # below the default send buffer of 208 KiB, with the kernel's overhead

_LACKING: Final = frozenset({errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})


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


class Rtnl:
    """A NETLINK_ROUTE socket in the network namespace it was made in."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.bind((0, 0))
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

    def close(self) -> None:
        """Close the socket; queued requests are forgotten."""
        self.forget()
        self._socket.close()

    def _send(self, batch: list[Request]) -> list[tuple[Request, int, str]]:
        first = self._sequence + 1
        packet = bytearray()
        for number, request in enumerate(batch, first):
            offset = len(packet)
            packet += request.data
            length, kind, flags, _, _ = _HEADER.unpack_from(request.data)
            acknowledge = _FLAG_ACK if number == first + len(batch) - 1 else 0
            _HEADER.pack_into(packet, offset, length, kind, flags | acknowledge, number, 0)
        self._sequence = last = first + len(batch) - 1
        self._socket.send(packet)
        failures: list[tuple[Request, int, str]] = []
        while True:
            for number, code, reason in _answers(self._socket.recv(65536)):
                if not first <= number <= last:
                    continue
                request = batch[number - first]
                if code and code not in request.ignore:
                    failures.append((request, code, reason))
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


def _answers(data: bytes) -> Iterable[tuple[int, int, str]]:
    """(sequence number, error number or 0, the kernel's explanation) of each answer in a datagram."""
    offset = 0
    while offset + 20 <= len(data):
        length, kind, flags, number, _ = _HEADER.unpack_from(data, offset)
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", data, offset + 16)
            # The answer repeats the header of the request, and all of it unless it is capped.
            (echoed,) = struct.unpack_from("=I", data, offset + 20)
            tail = offset + 20 + (16 if flags & _FLAG_CAPPED or code == 0 else (echoed + 3) & ~3)
            yield number, -code, _reason(data[tail : offset + length]) if flags & _FLAG_ACK_TLVS else ""
        offset += (length + 3) & ~3


def _reason(attributes: bytes) -> str:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            break
        if kind & 0x3FFF == _ATTR_MESSAGE:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode("utf-8", "replace")
        offset += (length + 3) & ~3
    return ""
