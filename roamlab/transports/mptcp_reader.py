"""Follows MPTCP connections through a capture, across their subflows.

A connection is known by its listener's token. Its subflows are found by the keys of MP_CAPABLE and the tokens of MP_JOIN, its
bytes by the mappings of DSS options (RFC 8684, 3.1 to 3.3): a message may begin on one subflow and end on another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from roamlab.protocols import mptcp, payload
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.framing import Deframer, Reassembly
from roamlab.protocols.mptcp import Capable, FastClose, Join, Mapping
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import Sighting, TcpPacket
from roamlab.transports.base import Sink
from roamlab.transports.byte_streams import End, ends, opens

_WRAP: Final = 1 << 32
_REMEMBERED: Final = 64
"""Mappings of one direction of a subflow; one may cover several segments."""


@dataclass(slots=True)
class _Stream:
    reassembly: Reassembly
    deframer: Deframer = field(default_factory=Deframer)


@dataclass(slots=True)
class _Connection:
    """``keys`` are those of who called and of who listened, as far as they are known."""

    keys: dict[bool, bytes] = field(default_factory=dict)
    streams: dict[tuple[str, Way, bool], _Stream] = field(default_factory=dict)

    @property
    def key(self) -> int:
        return mptcp.token(self.keys[False])


@dataclass(slots=True)
class _Subflow:
    """``caller`` is the end on the side of who called the connection, whoever began the subflow."""

    connection: _Connection
    caller: End
    first: dict[End, int] = field(default_factory=dict)
    mappings: dict[End, deque[Mapping]] = field(default_factory=dict)


class MptcpReader:
    """Puts the bytes of a connection together from all its subflows, apart for each node and way."""

    def __init__(self) -> None:
        self._subflows: dict[frozenset[End], _Subflow] = {}
        self._named: dict[int, tuple[_Connection, bool]] = {}
        """By a token: the connection, and whether it is its caller's."""

    def read(self, packet: Sighting, sink: Sink) -> None:
        """Tell the sink of the messages that are complete with this segment, and of the connection's end."""
        if not isinstance(packet, TcpPacket):
            return
        said = list(mptcp.decode(packet.datagram.payload))
        source, _ = ends(packet)
        if opens(packet):
            self._opened(packet, said)
        subflow = self._subflows.get(frozenset(ends(packet)))
        if subflow is None:
            return
        called = source == subflow.caller
        for option in said:
            match option:
                case Capable(sender, receiver, length):
                    self._learn(subflow, {called: sender, not called: receiver})
                    if length and sender:
                        first = Mapping(mptcp.first_data(sender), 1, length, long=True, fin=False)
                        _remember(subflow, source, first)
                case Mapping():
                    _remember(subflow, source, option)
                    if option.fin and False in subflow.connection.keys:
                        sink.ended(packet, subflow.connection.key, "DATA_FIN")
                case FastClose() if False in subflow.connection.keys:
                    sink.ended(packet, subflow.connection.key, "MP_FASTCLOSE")
        if packet.tcp.payload and not opens(packet):
            self._bytes(packet, subflow, called, sink)

    def _opened(self, packet: TcpPacket, said: list[mptcp.Option]) -> None:
        """Note a subflow that begins, and where its bytes count from."""
        source, destination = ends(packet)
        flow = frozenset((source, destination))
        answer = bool(packet.tcp.flags & 0x10)
        known = self._subflows.get(flow)
        if not answer and (known is None or known.first.get(source) != packet.tcp.sequence):
            for option in said:
                if isinstance(option, Capable):
                    self._subflows[flow] = _Subflow(_Connection(), source)
                elif isinstance(option, Join) and option.token in self._named:
                    connection, to_caller = self._named[option.token]
                    self._subflows[flow] = _Subflow(connection, destination if to_caller else source)
        if (subflow := self._subflows.get(flow)) is not None:
            subflow.first[source] = packet.tcp.sequence

    def _learn(self, subflow: _Subflow, keys: dict[bool, bytes]) -> None:
        """Note the keys of a subflow's connection, which has another one's where a NAT shows each end other addresses."""
        for key in keys.values():
            if key and mptcp.token(key) in self._named:
                subflow.connection = self._named[mptcp.token(key)][0]
        connection = subflow.connection
        for of_caller, key in keys.items():
            if key and of_caller not in connection.keys:
                connection.keys[of_caller] = key
                self._named[mptcp.token(key)] = connection, of_caller

    def _bytes(self, packet: TcpPacket, subflow: _Subflow, called: bool, sink: Sink) -> None:
        connection = subflow.connection
        source, _ = ends(packet)
        place = _data_sequence(packet, subflow, source)
        if place is None or called not in connection.keys or False not in connection.keys:
            return
        where = packet.node, packet.direction, called
        if where not in connection.streams:
            first = mptcp.first_data(connection.keys[called]) % _WRAP
            connection.streams[where] = _Stream(Reassembly(first))
        stream = connection.streams[where]
        try:
            found = stream.deframer.feed(stream.reassembly.feed(place, packet.tcp.payload))
        except DecodeError:
            return
        for data in found:
            if not sink.known(connection.key) and payload.decode(data) is not None:
                sink.carrier(connection.key, f"connection (MPTCP, token {connection.key:08x})")
            sink.message(packet, data, connection.key)


def _remember(subflow: _Subflow, source: End, mapping: Mapping) -> None:
    known = subflow.mappings.setdefault(source, deque(maxlen=_REMEMBERED))
    if mapping not in known:
        known.append(mapping)


def _data_sequence(packet: TcpPacket, subflow: _Subflow, source: End) -> int | None:
    """The data sequence number of a segment's first byte, its lower 32 bits; None where no mapping covers it."""
    if source not in subflow.first:
        return None
    relative = (packet.tcp.sequence - subflow.first[source]) % _WRAP
    for mapping in reversed(subflow.mappings.get(source, ())):
        into = (relative - mapping.subflow) % _WRAP
        if into < mapping.length:
            return (mapping.data + into) % _WRAP
    return None
