"""Moves QUIC connections of a client to the newest address of its node (RFC 9000, 9.2)."""

from __future__ import annotations

import time
from typing import Final

from roamlab.record.quic_events import QuicMigrated
from roamlab.transports.base import Channel, Loop
from roamlab.transports.quic_channel import ClientChannel
from roamlab.transports.sockets import can_send

_RETRY_NS: Final = 100_000
"""Linux tells of a new address before it can be bound to (see `nodes.mobile_node`)."""
_RETRIES: Final = 100


class QuicPaths:
    """Each connection sends from the address that came last; when that goes, from the one that came before it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._addresses: list[str] = []
        self._channels: list[ClientChannel] = []

    def address_up(self, address: str) -> None:
        """The node has an address: go there."""
        self._addresses.append(address)
        for channel in self._channels:
            self._move(channel, address, _RETRIES)

    def address_down(self, address: str) -> None:
        """The node has it no more; without another there is nowhere to go."""
        if address in self._addresses:
            self._addresses.remove(address)
        for channel in self._channels:
            if channel.address == address and self._addresses:
                self._move(channel, self._addresses[-1], _RETRIES)
            channel.forget(address)

    def opened(self, channel: Channel) -> None:
        """A connection came up; the node may have moved meanwhile."""
        if not isinstance(channel, ClientChannel):
            return
        self._channels.append(channel)
        if self._addresses and channel.address not in self._addresses:
            self._move(channel, self._addresses[-1], _RETRIES)

    def closed(self, channel: Channel) -> None:
        """It ended."""
        if channel in self._channels:
            self._channels.remove(channel)

    def _move(self, channel: ClientChannel, address: str, retries: int) -> None:
        if channel not in self._channels or address not in self._addresses:
            return
        if retries and not can_send(address, channel.peer):
            at_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) + _RETRY_NS
            self._loop.at(at_ns, lambda: self._move(channel, address, retries - 1))
            return
        before = channel.address
        if address == before:  # it came back to where it was
            channel.probe()
            return
        try:
            connection_id = channel.migrate(address)
        except OSError:
            return  # it went again meanwhile, and address_down says so
        self._loop.emit(QuicMigrated(address, before, connection_id))
        if before not in self._addresses:
            channel.forget(before)
