"""Words that choose packets of a capture: what `./lab decode --filter` takes, and the tables of docs/.

A filter is words that must all fit a packet. A word is a name (``asconf``, ``set-primary``: a chunk, parameter or cause), a
field with its value (``address=192.0.2.10``, ``serial=7``, ``src=``, ``dst=``, ``node=``, ``way=out``, ``tag=``), or one of
these with ``!`` before it, which must not fit.

A filter speaks of SCTP packets unless it names something else: a message of Mobile IP (``registration-request``,
``agent-advertisement``; its fields, and its flags one by one: ``flags=g``), an authentication extension, ``arp-request``,
``arp-reply`` and ``gratuitous``, or ``udp`` and ``tcp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import IntFlag
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from roamlab.errors import BadInput
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Arp
from roamlab.protocols.mobileip.advertisement import (
    AgentAdvertisement,
    AgentSolicitation,
    MobilityAgentExtension,
    Router,
)
from roamlab.protocols.mobileip.extensions import FOREIGN_HOME, MOBILE_FOREIGN, MOBILE_HOME, Authentication
from roamlab.protocols.mobileip.registration import (
    RegistrationReply,
    RegistrationRequest,
    decode_registration,
)
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.sctp.causes import CAUSES
from roamlab.protocols.sctp.chunks import KINDS, Chunk
from roamlab.protocols.sctp.parameters import PARAMETERS
from roamlab.protocols.sctp.tlv import Tlv
from roamlab.protocols.trace import (
    MOBILE_IP_PORT,
    ArpPacket,
    IcmpPacket,
    IpDatagram,
    Message,
    SctpPacket,
    Sighting,
    TcpPacket,
    Trace,
    UdpPacket,
)

WAYS: Final = {Direction.IN: " in", Direction.OUT: " out"}
_PACKET_FIELDS: Final = frozenset(
    {"src", "dst", "sport", "dport", "tag", "node", "nic", "packet", "way", "tunnel", "hops", "tunnelled_by"}
)
_MESSAGES: Final = {
    RegistrationRequest: "registration-request",
    RegistrationReply: "registration-reply",
    AgentAdvertisement: "agent-advertisement",
    AgentSolicitation: "agent-solicitation",
}
_EXTENSIONS: Final = {
    MOBILE_HOME: "mobile-home-authentication",
    MOBILE_FOREIGN: "mobile-foreign-authentication",
    FOREIGN_HOME: "foreign-home-authentication",
}
_OPERATIONS: Final = {1: "arp-request", 2: "arp-reply"}
_OTHERS: Final = frozenset(
    {*_MESSAGES.values(), *_EXTENSIONS.values(), *_OPERATIONS.values(), "gratuitous", "udp", "tcp"}
)
"""Names of what is no SCTP packet."""

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be said of a packet: names of all that it holds, and its fields with their values."""

    names: frozenset[str]
    values: frozenset[Fact]

    def of(self, field: str) -> set[str]:
        """A field's values."""
        return {value for name, value in self.values if name == field}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which packets to show; see this module's head."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter. Raises BadInput for a name or field that no packet can have."""
        words = tuple(text.lower().split())
        for word in words:
            key, equals, value = word.lstrip("!").partition("=")
            known = _FIELDS if equals else _NAMES
            if not key or (equals and not value) or key not in known:
                raise BadInput(
                    f"--filter {word}: not a name such as asconf or set-primary, nor a field such as serial=7"
                )
        return cls(words)

    @property
    def elsewhere(self) -> bool:
        """Whether it speaks of other packets than SCTP's."""
        return any(word in _OTHERS for word in self.words)

    def candidates(self, trace: Trace) -> tuple[Sighting, ...]:
        """The packets that it speaks of."""
        if not self.elsewhere:
            return trace.sctp
        return tuple(
            s for s in trace.sightings if isinstance(s, UdpPacket | TcpPacket | IcmpPacket | ArpPacket)
        )

    def fits(self, facts: Facts) -> bool:
        """Whether all words fit a packet of which this can be said."""
        for word in self.words:
            key, equals, value = word.lstrip("!").partition("=")
            fits = (key, _number(value)) in facts.values if equals else key in facts.names
            if fits == word.startswith("!"):
                return False
        return True


def facts(packet: Sighting) -> Facts:
    """What can be said of a packet, its chunks or its message."""
    names, values = frozenset[str](), frozenset[Fact]()
    match packet:
        case SctpPacket():
            said = _said(packet.message)
            names, values = said.names, said.values
        case ArpPacket():
            operation = _OPERATIONS.get(packet.arp.operation, "")
            names = frozenset({operation, "gratuitous"} if packet.arp.gratuitous else {operation})
            values = _fields_of(packet.arp)
        case UdpPacket() | TcpPacket() | IcmpPacket():
            names, values = _others(packet)
    return Facts(names, values | _whereabouts(packet))


def message(packet: Sighting) -> object | None:
    """The message of Mobile IP in a packet; None where there is none, or bytes that are none."""
    try:
        match packet:
            case UdpPacket() if MOBILE_IP_PORT in (packet.udp.sport, packet.udp.dport):
                return decode_registration(packet.udp.payload)
            case IcmpPacket() if packet.source.version == 4:
                for kind in (AgentAdvertisement, AgentSolicitation):
                    if packet.icmp.type == kind.TYPE:
                        return kind.decode(packet.datagram.payload)
    except DecodeError:
        pass
    return None


def _others(packet: UdpPacket | TcpPacket | IcmpPacket) -> tuple[frozenset[str], frozenset[Fact]]:
    names, values = set[str](), set[Fact]()
    match packet:
        case UdpPacket():
            names, values = {"udp"}, {("sport", str(packet.udp.sport)), ("dport", str(packet.udp.dport))}
        case TcpPacket():
            names, values = {"tcp"}, {("sport", str(packet.tcp.sport)), ("dport", str(packet.tcp.dport))}
    said = message(packet)
    if said is not None:
        names = {_MESSAGES[type(said)]}
        names |= {
            _EXTENSIONS[e.type] for e in getattr(said, "extensions", ()) if isinstance(e, Authentication)
        }
        values |= _fields_of(said)
    return frozenset(names), frozenset(values)


def _fields_of(item: object) -> frozenset[Fact]:
    """The fields of a dataclass and of those in it; lists by their elements, flags by their letters."""
    found: set[Fact] = set()
    for field in fields(item) if is_dataclass(item) else ():
        value = getattr(item, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if is_dataclass(part):
                found |= _fields_of(part)
            elif isinstance(part, IntFlag):
                found |= {(field.name, str(flag.name).lower()) for flag in part}
            elif part is not None and not isinstance(part, bytes):
                found.add((field.name, str(part)))
    return frozenset(found)


def _whereabouts(packet: Sighting) -> frozenset[Fact]:
    values = {
        ("node", packet.node.lower()),
        ("nic", packet.nic.lower()),
        ("packet", str(packet.index)),
        ("way", WAYS.get(packet.direction, "").strip()),
    }
    if isinstance(packet, IpDatagram):
        values |= {
            ("src", str(packet.source)),
            ("dst", str(packet.destination)),
            ("hops", str(packet.datagram.hop_limit)),
        }
        values |= {("tunnel", str(outer.destination)) for outer in packet.outer} or {("tunnel", "none")}
        values |= {("tunnelled_by", str(outer.source)) for outer in packet.outer}
    if isinstance(packet, SctpPacket):
        values |= {("sport", str(packet.sport)), ("dport", str(packet.dport)), ("tag", str(packet.tag))}
    return frozenset(values)


@lru_cache(maxsize=4096)
def _said(message: Message) -> Facts:
    """What can be said of a packet's chunks; once for all its sightings."""
    names: set[str] = set()
    values: set[Fact] = set()
    for chunk in message.chunks:
        _collect(chunk, names, values)
    return Facts(frozenset(names), frozenset(values))


def _collect(item: Tlv, names: set[str], values: set[Fact]) -> None:
    names.add(_plain(item.name))
    for field in fields(item):  # type: ignore[arg-type]
        value = getattr(item, field.name)
        parts: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, Tlv):
                _collect(part, names, values)
            elif not isinstance(part, bytes):
                values.add((field.name, str(part)))
    if isinstance(item, Chunk):
        values.add(("type", str(item.type)))


def _number(text: str) -> str:
    """The value as fields have it: addresses in their usual form, hexadecimal numbers as decimal ones."""
    try:
        return str(ip_address(text))
    except ValueError:
        return str(int(text, 16)) if re.fullmatch("0x[0-9a-f]{1,64}", text) else text


def _plain(name: str) -> str:
    return name.lower().replace(" ", "-")


def _vocabulary() -> tuple[frozenset[str], frozenset[str]]:
    kinds = [*KINDS.values(), *PARAMETERS.kinds, *CAUSES.kinds]
    names = frozenset(_plain(str(kind.name)) for kind in kinds)
    messages = (*_MESSAGES, MobilityAgentExtension, Router, Authentication, Arp)
    known = {f.name for kind in (*kinds, *messages) for f in fields(kind)}
    return names | _OTHERS, _PACKET_FIELDS | known


_NAMES, _FIELDS = _vocabulary()


def chosen(trace: Trace, wanted: Filter) -> Iterator[Sighting]:
    """The packets of a capture that fit."""
    return (packet for packet in wanted.candidates(trace) if wanted.fits(facts(packet)))
