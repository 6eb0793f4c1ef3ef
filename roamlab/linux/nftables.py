"""A queue for SCTP packets that are about to leave this node: two kernel interfaces over netlink, and no more of them.

nftables gets one table with one chain at the output hook, whose rules send packets that begin with certain chunks to a queue;
others never leave the kernel. The queue (linux/netfilter/nfnetlink_queue.h) hands each of them to this process, which answers
with a verdict and, if it likes, other bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roamlab.linux import nft
from roamlab.linux.netlink import HEADER, REQUEST, attribute, attributes, messages

_IPPROTO_SCTP: Final = 132
_COMMON_HEADER: Final = 12
_QUEUE: Final = 3  # the subsystem
_PACKET, _VERDICT, _CONFIG = 0, 1, 2
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
        self._kernel = nft.Netfilter("queue SCTP packets")
        self._kernel.ask(_QUEUE, _CONFIG, attribute(1, struct.pack("!BxH", 1, 0)), 0, _NUMBER)
        self._kernel.ask(_QUEUE, _CONFIG, attribute(2, struct.pack("!IB", 0xFFFF, 2)), 0, _NUMBER)
        chain = nft.Chain("output", "filter", nft.LOCAL_OUT)
        rules = [_queue_chunk(kind) for kind in chunk_types]
        self._kernel.make(nft.IPV4 if family == 4 else nft.IPV6, _NAME, [(chain, rules)])
        self._kernel.socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._kernel.socket.fileno()

    def read(self) -> Iterator[Queued]:
        """The packets that wait now; each needs :meth:`release`."""
        while True:
            try:
                data = self._kernel.socket.recv(1 << 17)
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
        self._kernel.socket.send(self._kernel.message(_QUEUE, _VERDICT, REQUEST, body, 0, _NUMBER))


def _queue_chunk(kind: int) -> bytes:
    """Rule expressions: SCTP, the first chunk's type is ``kind``, to the queue."""
    target = b"".join(
        attribute(n, struct.pack("!H", value)) for n, value in ((1, _NUMBER), (2, 1), (3, _BYPASS))
    )
    return (
        nft.meta(nft.L4PROTO)
        + nft.compare(bytes((_IPPROTO_SCTP,)))
        + nft.header(nft.TRANSPORT_HEADER, _COMMON_HEADER, 1)
        + nft.compare(bytes((kind,)))
        + nft.expression("queue", target)
    )
