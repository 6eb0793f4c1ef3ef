"""Who talks with whom, across addresses: the conversations in a capture, each by what its own protocol calls it.

A TCP connection is its four addresses and ports (MPTCP: the token that further subflows name, RFC 8684, 3.2); an SCTP
association its tags; a QUIC connection the ids seen in long headers (RFC 9000, 17.2), and in short ones as far as they were
seen; a WireGuard tunnel its peers' endpoint, whatever the indices; any other UDP the service that is talked to. One end is the
mobile node, whatever its address: ``up`` is from it, ``down`` towards it.

What arrives is counted at the receiver's NIC, and once: a retransmission of what has come already is no news.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from roamlab.protocols import datagrams
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.sctp.chunks import Abort, Asconf, Data, Init, InitAck, Shutdown
from roamlab.protocols.tcp_options import mptcp_key, mptcp_token
from roamlab.protocols.trace import IcmpPacket, IpDatagram, SctpPacket, TcpPacket, Trace, UdpPacket

Way = Literal["up", "down"]
Kind = Literal["tcp", "mptcp", "sctp", "quic", "wireguard", "udp", "icmp"]
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 0x10
_ECHOES: Final = frozenset({0, 8, 128, 129})
_HALF: Final = 1 << 31
_WHOLE: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Moment:
    """Something in a conversation: when (ns), which packet of the capture, which way it went, and what.

    ``size`` is in octets of what the program sent, where it is data. ``sent`` says whether it was seen at the sender's NIC, or
    at the receiver's.
    """

    time_ns: int
    packet: int
    way: Way
    what: str
    size: int = 0
    sent: bool = True


@dataclass(slots=True)
class Conversation:
    """One conversation of the mobile node.

    peer       the other end: its node, address and port
    opened     by whom, ``up`` or ``down``
    first_ns   its first packet
    heard      data that is new at its receiver's NIC
    tried      data that leaves its sender's NIC, again or for the first time
    packets    every packet at its receiver's NIC, as (time, way)
    marks      what begins and ends it
    addresses  the mobile node's, in the order in which it used them
    """

    kind: Kind
    peer: tuple[str, str, int]
    opened: Way
    first_ns: int
    heard: list[Moment] = field(default_factory=list)
    tried: list[Moment] = field(default_factory=list)
    packets: list[tuple[int, Way]] = field(default_factory=list)
    marks: list[Moment] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    sent_up_to: dict[object, int] = field(default_factory=dict)
    come_up_to: dict[object, int] = field(default_factory=dict)

    @property
    def service(self) -> tuple[str, str, int]:
        """What is talked to, by transport, node and port: conversations that replace each other have it in common."""
        transport = {"mptcp": "tcp", "quic": "udp", "wireguard": "udp"}.get(self.kind, self.kind)
        return transport, self.peer[0], self.peer[2]

    @property
    def title(self) -> str:
        """What to call it for people."""
        node, _, port = self.peer
        name = {"udp": "UDP", "quic": "QUIC", "wireguard": "WireGuard", "icmp": "ping"}.get(
            self.kind, self.kind.upper()
        )
        return f"{name} {'with' if self.opened == 'up' else 'from'} {node}" + (f":{port}" if port else "")

    def marked(self, *what: str) -> list[Moment]:
        """The marks of these names."""
        return [mark for mark in self.marks if mark.what in what]


def follow(trace: Trace, mobile: str, hosts: Iterable[str], until_ns: int) -> list[Conversation]:
    """The conversations between the mobile node and hosts in a capture up to a moment, in the order in which they began."""
    others = set(hosts) - {mobile}
    found = _Followed(mobile)
    carried = [p for p in trace.sightings if isinstance(p, TcpPacket | UdpPacket | SctpPacket | IcmpPacket)]
    for packet in sorted(carried, key=lambda p: p.time_ns):
        if not packet.outer and packet.node in {mobile, *others} and packet.time_ns < until_ns:
            found.take(packet, packet.node if packet.node != mobile else "")
    found.name_peers()
    return sorted(found.conversations, key=lambda conversation: conversation.first_ns)


@dataclass(slots=True)
class _Quic:
    """A QUIC connection: the mobile node's address that it uses, and when it was seen last."""

    conversation: Conversation
    here: str
    seen_ns: int


class _Followed:
    """The conversations as far as the capture was read."""

    def __init__(self, mobile: str) -> None:
        self.conversations: list[Conversation] = []
        self._mobile = mobile
        self._open: dict[object, Conversation] = {}
        self._quic_ids: dict[bytes, _Quic] = {}
        self._quic_at: dict[tuple[str, int, str, int], _Quic] = {}
        self._quic_with: dict[tuple[str, int], list[_Quic]] = {}
        self._nodes: dict[str, str] = {}
        self._mine: set[str] = set()

    def take(self, packet: IpDatagram, other: str) -> None:
        """Read one sighting at the mobile node (``other`` is empty) or at another."""
        sent = packet.direction is Direction.OUT
        way: Way = "up" if sent != bool(other) else "down"
        here, there = (
            (str(packet.source), str(packet.destination))
            if way == "up"
            else (
                str(packet.destination),
                str(packet.source),
            )
        )
        if other:
            if here not in self._mine:
                return  # somebody else's packet on a router
            self._nodes[there] = other
        else:
            self._mine.add(here)
        reader: dict[type, Callable[..., None]] = {
            TcpPacket: self._tcp,
            UdpPacket: self._udp,
            SctpPacket: self._sctp,
            IcmpPacket: self._icmp,
        }
        reader[type(packet)](packet, way, sent, here, there)

    def name_peers(self) -> None:
        """Give each conversation's other end its node's name: what its own NIC has shown."""
        for conversation in self.conversations:
            _, address, port = conversation.peer
            conversation.peer = (self._nodes.get(address, address), address, port)

    def _new(self, kind: Kind, there: str, port: int, way: Way, time_ns: int) -> Conversation:
        conversation = Conversation(kind, ("", there, port), way, time_ns)
        self.conversations.append(conversation)
        return conversation

    def _note(self, of: Conversation, packet: IpDatagram, way: Way, sent: bool, here: str) -> None:
        if here not in of.addresses:
            of.addresses.append(here)
        if not sent:
            of.packets.append((packet.time_ns, way))

    def _data(
        self, of: Conversation, packet: IpDatagram, way: Way, sent: bool, size: int, fresh: bool
    ) -> None:
        moment = Moment(packet.time_ns, packet.index, way, "data" if fresh else "again", size, sent)
        if sent:
            of.tried.append(moment)
        elif fresh:
            of.heard.append(moment)

    def _mark(self, of: Conversation, packet: IpDatagram, way: Way, sent: bool, what: str) -> None:
        of.marks.append(Moment(packet.time_ns, packet.index, way, what, 0, sent))

    # -- TCP (RFC 9293) ------------------------------------------------------------------------------------------------

    def _tcp(self, packet: TcpPacket, way: Way, sent: bool, here: str, there: str) -> None:
        tcp = packet.tcp
        mine, theirs = (tcp.sport, tcp.dport) if way == "up" else (tcp.dport, tcp.sport)
        key = ("tcp", here, mine, there, theirs)
        of = self._open.get(key)
        syn = bool(tcp.flags & _SYN and not tcp.flags & _ACK)
        if syn and sent and (of is None or of.sent_up_to.get((way, "isn")) != tcp.sequence):
            of = self._join(packet) or self._new(
                "tcp", there, theirs if way == "up" else mine, way, packet.time_ns
            )
            of.sent_up_to[way, "isn"] = tcp.sequence
            self._open[key] = of
        if of is None:
            return
        self._note(of, packet, way, sent, here)
        self._learn(packet, of)
        flow = (way, key)
        if tcp.flags & _SYN:
            for known in (of.come_up_to, of.sent_up_to):
                known.setdefault(flow, (tcp.sequence + 1) & _WHOLE)
            self._mark(of, packet, way, sent, "SYN-ACK" if tcp.flags & _ACK else "SYN")
        if tcp.flags & _RST:
            self._mark(of, packet, way, sent, "RST")
        if tcp.flags & _FIN:
            self._mark(of, packet, way, sent, "FIN")
        if tcp.payload and not tcp.flags & _SYN:
            seen = of.sent_up_to if sent else of.come_up_to
            end = (tcp.sequence + len(tcp.payload)) & _WHOLE
            before = seen.get(flow, tcp.sequence)
            news = (end - before) & _WHOLE
            fresh = 0 < news < _HALF
            if fresh:
                seen[flow] = end
            # What keepalive sends is an octet that has come already (RFC 9293, 3.8.4).
            if fresh or len(tcp.payload) > 1:
                self._data(
                    of, packet, way, sent, min(news, len(tcp.payload)) if fresh else len(tcp.payload), fresh
                )

    def _join(self, packet: TcpPacket) -> Conversation | None:
        """The MPTCP connection that a SYN's MP_JOIN names by its token (RFC 8684, 3.2)."""
        token = mptcp_token(packet.datagram.payload)
        return self._open.get(("token", token)) if token is not None else None

    def _learn(self, packet: TcpPacket, of: Conversation) -> None:
        """Take note of the key in an MP_CAPABLE: its hash's first 32 bits are the token (RFC 8684, 3.1)."""
        if not packet.tcp.flags & _SYN:
            return
        key = mptcp_key(packet.datagram.payload)
        if key is not None:
            of.kind = "mptcp"
            self._open["token", int.from_bytes(hashlib.sha256(key).digest()[:4])] = of

    # -- SCTP (RFC 9260) -----------------------------------------------------------------------------------------------

    def _sctp(self, packet: SctpPacket, way: Way, sent: bool, here: str, there: str) -> None:
        mine, theirs = (packet.sport, packet.dport) if way == "up" else (packet.dport, packet.sport)
        back: Way = "down" if way == "up" else "up"
        first = packet.chunks[0] if packet.chunks else None
        of = self._open.get(("sctp", way, packet.tag))
        if isinstance(first, Init):
            of = self._open.get(("sctp", back, first.tag))
            if of is None and sent:
                of = self._new("sctp", there, theirs if way == "up" else mine, way, packet.time_ns)
                self._open["sctp", back, first.tag] = of
        if of is None:
            return
        self._note(of, packet, way, sent, here)
        for chunk in packet.chunks:
            if isinstance(chunk, Init):
                self._mark(of, packet, way, sent, "INIT")
            elif isinstance(chunk, InitAck):
                self._open["sctp", back, chunk.tag] = of
            elif isinstance(chunk, Data):
                seen = of.sent_up_to if sent else of.come_up_to
                before = seen.get((way, "tsn"))
                fresh = before is None or 0 < ((chunk.tsn - before) & _WHOLE) < _HALF
                if fresh:
                    seen[way, "tsn"] = chunk.tsn
                self._data(of, packet, way, sent, len(chunk.data), fresh)
            elif isinstance(chunk, Abort | Shutdown | Asconf):
                self._mark(of, packet, way, sent, type(chunk).__name__.upper())

    # -- UDP (RFC 768), and what is known to run over it -----------------------------------------------------------------

    def _udp(self, packet: UdpPacket, way: Way, sent: bool, here: str, there: str) -> None:
        udp = packet.udp
        mine, theirs = (udp.sport, udp.dport) if way == "up" else (udp.dport, udp.sport)
        of = self._quic(packet, way, here, mine, there, theirs)
        if of is None:
            of = self._plain(packet, way, mine, there, theirs)
        if of is None:
            return
        self._note(of, packet, way, sent, here)
        if of.kind == "wireguard":
            message = datagrams.wireguard(udp.payload)
            if message == "data":
                self._data(of, packet, way, sent, len(udp.payload), fresh=True)
            elif message != "keepalive":
                self._mark(of, packet, way, sent, message or "other")
            return
        if of.kind == "quic" and datagrams.is_initial(udp.payload):
            self._mark(of, packet, way, sent, "Initial")
        self._data(of, packet, way, sent, len(udp.payload), fresh=True)

    def _quic(
        self, packet: UdpPacket, way: Way, here: str, mine: int, there: str, theirs: int
    ) -> Conversation | None:
        payload = packet.udp.payload
        four = here, mine, there, theirs
        known = self._quic_with.setdefault((there, theirs), [])
        header = datagrams.quic_long(payload)
        if header is not None:
            of = self._quic_ids.get(header.destination) or self._quic_ids.get(header.source)
            of = of or self._quic_at.get(four)
            if of is None and header.initial and way == "up":
                of = _Quic(self._new("quic", there, theirs, way, packet.time_ns), here, packet.time_ns)
                known.append(of)
            if of is None:
                return None
            self._quic_ids |= dict.fromkeys(filter(None, (header.destination, header.source)), of)
        elif known and datagrams.is_quic_short(payload):
            # A short header does not say how long its id is. Ids that are given under way are encrypted: after a migration
            # with a new one (RFC 9000, 9.5) the endpoint tells, as nobody sends it a short header without a handshake. Of
            # several connections with that endpoint it is the one that was seen last of those at other addresses.
            ids = (payload[1 : 1 + length] for length in range(20, 0, -1))
            named = next((self._quic_ids[found] for found in ids if found in self._quic_ids), None)
            elsewhere = [one for one in known if one.here != here] or known
            of = named or self._quic_at.get(four) or max(elsewhere, key=lambda one: one.seen_ns)
        else:
            return None
        self._quic_at[four] = of
        of.seen_ns = packet.time_ns
        if way == "up":
            of.here = here
        return of.conversation

    def _plain(self, packet: UdpPacket, way: Way, mine: int, there: str, theirs: int) -> Conversation | None:
        """UDP's own idea of a conversation: who was spoken to first, and on which port; by whom, has no name in it."""
        for key in (("udp", "up", there, theirs), ("udp", "down", mine, there)):
            if key in self._open:
                return self._open[key]
        if not datagrams.is_unicast(there):
            return None
        tunnel = datagrams.wireguard(packet.udp.payload) == "initiation"
        port = theirs if way == "up" else mine
        of = self._new("wireguard" if tunnel else "udp", there, port, way, packet.time_ns)
        self._open[("udp", "up", there, theirs) if way == "up" else ("udp", "down", mine, there)] = of
        return of

    # -- ping ------------------------------------------------------------------------------------------------------------

    def _icmp(self, packet: IcmpPacket, way: Way, sent: bool, here: str, there: str) -> None:
        icmp = packet.icmp
        if icmp.type not in _ECHOES or len(icmp.body) < 4:
            return
        asked = icmp.type in (8, 128)
        opener: Way = way if asked else "down" if way == "up" else "up"
        key = ("icmp", there, opener, icmp.body[:2])
        of = self._open.get(key)
        if of is None:
            of = self._open[key] = self._new("icmp", there, 0, opener, packet.time_ns)
        self._note(of, packet, way, sent, here)
        self._data(of, packet, way, sent, len(icmp.body), fresh=True)
