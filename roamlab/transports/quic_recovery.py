"""What RFC 9000, 9.4, asks of an endpoint whose path changes, and aioquic 1.7.2 does not do (docs/quic.md).

It reaches into the engine's own members, whose version is pinned for that: the variant shows what the rule is worth.
"""

from __future__ import annotations

from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.congestion.base import create_congestion_control
from aioquic.quic.connection import QuicConnection
from aioquic.quic.recovery import QuicPacketPacer


def begin_path(engine: QuicConnection, now: float) -> None:
    """Begin with a new path: initial window, no RTT, no backoff; what is under way on the old one is sent again.

    That is no congestion of the new path, so the window stays what it is.
    """
    loss = engine._loss  # noqa: SLF001 - see above
    for space in loss.spaces:
        gone = list(space.sent_packets.values())
        loss._on_packets_lost(congestion_event=False, now=now, packets=gone, space=space)  # noqa: SLF001
        space.loss_time = None
    loss._cc = create_congestion_control(  # noqa: SLF001
        QuicConfiguration.congestion_control_algorithm, max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE
    )
    loss._pacer = QuicPacketPacer(max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE)  # noqa: SLF001
    loss._pto_count = 0  # noqa: SLF001
    loss._rtt_initialized = False  # noqa: SLF001
