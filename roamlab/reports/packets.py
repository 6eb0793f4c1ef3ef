"""A packet in words: its kind, the label on its arrow, and every field for who asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING, Final

from roamlab.protocols import payload
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Datagram
from roamlab.protocols.mobileip.advertisement import AgentAdvertisement, AgentSolicitation
from roamlab.protocols.mobileip.registration import (
    RegistrationReply,
    RegistrationRequest,
    decode_registration,
)
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.describe import Line, describe, heading, outline
from roamlab.protocols.trace import MOBILE_IP_PORT, IcmpPacket, IpDatagram, SctpPacket, TcpPacket, UdpPacket

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LONGEST: Final = 32  # bytes of opaque data that are shown
_SYN_FIN_RST: Final = 0x07
_TCP_FLAGS: Final = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")


class Kind(Enum):
    """What a packet is for, as far as pictures tell kinds apart."""

    DATA = "data"
    ACKNOWLEDGEMENT = "sack"
    CONFIGURATION = "asconf"
    SET_UP = "setup"
    HEARTBEAT = "heartbeat"
    END = "end"
    MOBILE_IP = "mobileip"
    ADVERTISEMENT = "advertisement"
    OTHER = "other"

    @property
    def quiet(self) -> bool:
        """Whether such packets are many and alike, so that a picture may count them in place of drawing each."""
        return self in (Kind.DATA, Kind.ACKNOWLEDGEMENT, Kind.ADVERTISEMENT)


_CHUNK_KINDS: Final[tuple[tuple[tuple[type[chunks.Chunk], ...], Kind], ...]] = (
    ((chunks.Asconf, chunks.AsconfAck), Kind.CONFIGURATION),
    ((chunks.Abort, chunks.Shutdown, chunks.ShutdownAck, chunks.ShutdownComplete), Kind.END),
    ((chunks.Init, chunks.InitAck, chunks.CookieEcho, chunks.CookieAck), Kind.SET_UP),
    ((chunks.Error,), Kind.OTHER),
    ((chunks.Heartbeat, chunks.HeartbeatAck), Kind.HEARTBEAT),
    ((chunks.Data, chunks.IData), Kind.DATA),
    ((chunks.Sack,), Kind.ACKNOWLEDGEMENT),
)


def kind(packet: IpDatagram) -> Kind:
    """What the packet is for; of several chunks the most telling one says."""
    if isinstance(packet, SctpPacket):
        for types, found in _CHUNK_KINDS:
            if any(isinstance(chunk, types) for chunk in packet.chunks):
                return found
    elif isinstance(packet, UdpPacket):
        return Kind.MOBILE_IP if MOBILE_IP_PORT in (packet.udp.sport, packet.udp.dport) else Kind.DATA
    elif isinstance(packet, TcpPacket):
        if packet.tcp.flags & _SYN_FIN_RST:
            return Kind.SET_UP if packet.tcp.flags & 2 else Kind.END
        return Kind.DATA if packet.tcp.payload else Kind.ACKNOWLEDGEMENT
    elif isinstance(packet, IcmpPacket) and (discovery := _discovery(packet)) is not None:
        return Kind.ADVERTISEMENT if isinstance(discovery, AgentAdvertisement) else Kind.MOBILE_IP
    return Kind.OTHER


def messages(packet: IpDatagram) -> list[payload.Message]:
    """The session's messages that a packet carries."""
    if isinstance(packet, SctpPacket):
        carried = [chunk.data for chunk in packet.chunks if isinstance(chunk, chunks.Data)]
    elif isinstance(packet, UdpPacket):
        carried = [packet.udp.payload]
    else:
        return []
    found = (payload.decode(data) for data in carried)
    return [message for message in found if message is not None and message.kind is payload.Kind.DATA]


def carries_data(packet: IpDatagram) -> bool:
    """Whether an application's data is in a packet, of any transport; a session's HELLO is none."""
    if isinstance(packet, SctpPacket):
        carried = [chunk for chunk in packet.chunks if isinstance(chunk, chunks.Data | chunks.IData)]
        found = (payload.decode(chunk.data) for chunk in carried)
        return any(message is None or message.kind is payload.Kind.DATA for message in found)
    if isinstance(packet, TcpPacket):
        return bool(packet.tcp.payload)
    return isinstance(packet, UdpPacket) and kind(packet) is Kind.DATA


def label(packet: IpDatagram) -> str:
    """What stands on the packet's arrow."""
    match packet:
        case SctpPacket():
            words = list(_chunk_labels(packet.chunks))
            if packet.error:
                words.append("damaged")
            return ", ".join(words) or "SCTP"
        case UdpPacket():
            if (registration := _registration(packet)) is not None:
                return _registration_label(registration)
            numbered = [f"#{message.sequence}" for message in messages(packet)]
            return " ".join(["UDP", *numbered]) if numbered else f"UDP {len(packet.udp.payload)} B"
        case TcpPacket():
            flags = [name for name in _tcp_flags(packet.tcp.flags) if name in ("SYN", "FIN", "RST")]
            body = [f"{len(packet.tcp.payload)} B"] if packet.tcp.payload else []
            return " ".join(["TCP", *flags, *(body or ([] if flags else ["ACK"]))])
        case IcmpPacket():
            found = _discovery(packet)
            if found is not None:
                return (
                    "Agent Advertisement" if isinstance(found, AgentAdvertisement) else "Agent Solicitation"
                )
            return f"{_icmp(packet)} type {packet.icmp.type} code {packet.icmp.code}"
    return f"IP protocol {packet.datagram.protocol}"


def fields(packet: IpDatagram) -> Iterator[Line]:
    """Every field, a line each."""
    for outer in packet.outer:
        yield heading(f"tunnel (IP protocol {outer.protocol})")
        yield from _datagram(outer)
    yield heading(f"IPv{packet.source.version}")
    yield from _datagram(packet.datagram)
    match packet:
        case SctpPacket():
            yield heading("SCTP")
            yield Line(1, "source port", str(packet.sport))
            yield Line(1, "destination port", str(packet.dport))
            yield Line(1, "verification tag", f"0x{packet.tag:08x}")
            for chunk in packet.chunks:
                yield from outline(chunk)
            if packet.error:
                yield heading("what follows is damaged")
                yield heading(packet.error, 1)
        case UdpPacket():
            registration = _registration(packet)
            if registration is not None:
                yield from _plain(registration)
            yield from _plain(packet.udp)
        case TcpPacket():
            yield from _plain(packet.tcp)
            yield Line(1, "flags set", " ".join(_tcp_flags(packet.tcp.flags)) or "none")
        case IcmpPacket():
            yield from _plain(_discovery(packet) or packet.icmp)
    for message in messages(packet):
        yield heading("message of the session")
        yield Line(1, "session", str(message.session))
        yield Line(1, "direction", message.direction.word)
        yield Line(1, "sequence number", str(message.sequence))
        yield Line(1, "sent at (ns, epoch)", str(message.sent_ns))


def tunnel_label(tunnels: tuple[Datagram, ...]) -> str:
    """The tunnels around a packet, by their ends."""
    return " in ".join(f"{outer.source} → {outer.destination}" for outer in reversed(tunnels))


def _chunk_labels(all_chunks: tuple[chunks.Chunk, ...]) -> Iterator[str]:
    """A label a chunk, but one for a run of DATA chunks; AUTH goes without saying."""
    for is_data, group in groupby(all_chunks, lambda chunk: isinstance(chunk, chunks.Data)):
        if is_data:
            names = [_data_name(chunk) for chunk in group if isinstance(chunk, chunks.Data)]
            yield f"DATA {names[0]}" if len(names) == 1 else f"DATA {names[0]} to {names[-1]}"
        else:
            yield from (_chunk_label(chunk) for chunk in group if not isinstance(chunk, chunks.Auth))


def _data_name(chunk: chunks.Data) -> str:
    """A DATA chunk by the number of the session's message in it, or by its TSN."""
    message = payload.decode(chunk.data)
    if message is None:
        return str(chunk.tsn)
    return "hello" if message.kind is payload.Kind.HELLO else f"#{message.sequence}"


def _chunk_label(chunk: chunks.Chunk) -> str:
    match chunk:
        case chunks.Sack():
            return "SACK" + (f" {len(chunk.gaps)} gaps" if chunk.gaps else "")
        case chunks.Asconf():
            return " · ".join(["ASCONF", *map(describe, chunk.requests)])
        case chunks.AsconfAck():
            return " · ".join(["ASCONF-ACK", *(map(describe, chunk.parameters))])
    return chunk.name


def _datagram(datagram: Datagram) -> Iterator[Line]:
    yield Line(1, "source", str(datagram.source))
    yield Line(1, "destination", str(datagram.destination))
    yield Line(1, "hop limit", str(datagram.hop_limit))
    if datagram.fragment_offset or datagram.more_fragments:
        yield Line(1, "fragment at byte", str(datagram.fragment_offset))


def _registration(packet: UdpPacket) -> RegistrationRequest | RegistrationReply | None:
    if MOBILE_IP_PORT not in (packet.udp.sport, packet.udp.dport):
        return None
    try:
        return decode_registration(packet.udp.payload)
    except DecodeError:
        return None


def _registration_label(message: RegistrationRequest | RegistrationReply) -> str:
    if isinstance(message, RegistrationRequest):
        return f"Registration Request · {message.home_address} at {message.care_of_address} · {message.lifetime} s"
    return f"Registration Reply · code {message.code} · {message.lifetime} s"


def _discovery(packet: IcmpPacket) -> AgentAdvertisement | AgentSolicitation | None:
    """Agent discovery, from the whole ICMP message in the datagram's payload."""
    if packet.source.version != 4:
        return None
    for message in (AgentAdvertisement, AgentSolicitation):
        try:
            return message.decode(packet.datagram.payload)
        except DecodeError:
            continue
    return None


def _icmp(packet: IcmpPacket) -> str:
    return "ICMP" if packet.source.version == 4 else "ICMPv6"


def _tcp_flags(flags: int) -> list[str]:
    return [name for bit, name in enumerate(_TCP_FLAGS) if flags >> bit & 1]


def _plain(item: DataclassInstance, depth: int = 0) -> Iterator[Line]:
    """The fields of any message without an outline of its own, by their names."""
    yield heading(type(item).__name__, depth)
    for field in fields_of(item):
        value, name = getattr(item, field.name), field.name.replace("_", " ")
        if isinstance(value, tuple) and value and is_dataclass(value[0]):
            yield Line(depth + 1, name)
            for inner in value:
                yield from _plain(inner, depth + 2)
        else:
            yield Line(depth + 1, name, _value(value))


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return value[:_LONGEST].hex() + (f"... ({len(value)} bytes)" if len(value) > _LONGEST else "")
    if isinstance(value, tuple):
        return ", ".join(map(_value, value)) or "none"
    return str(value)
