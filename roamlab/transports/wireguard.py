"""WireGuard: the kernel's, with TCP or UDP inside. The tunnel follows its peer; what is inside keeps its addresses."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Final

from roamlab.linux import wireguard
from roamlab.linux.wireguard import KEY_LENGTH, Peer
from roamlab.protocols import datagrams
from roamlab.protocols.pcapng import Direction as Way
from roamlab.protocols.trace import Sighting, UdpPacket
from roamlab.transports import tcp, udp
from roamlab.transports.base import Channel, Crossings, Ground, Keeper, Listening, Loop, Reader, Transport
from roamlab.transports.tcp import Connection, ConnectionListener
from roamlab.transports.udp import Flow, FlowListener
from roamlab.transports.wireguard_reader import PORT, TUNNEL, WireguardReader

_CALLER: Final = {4: "203.0.113.253", 6: "2001:db8:ffff::1"}
_LISTENER: Final = {4: "203.0.113.254", 6: "2001:db8:ffff::2"}
"""Addresses inside, of documentation prefixes (RFC 5737, RFC 3849), by family: who connects has the first."""
_PREFIX: Final = {4: 30, 6: 126}
_KEEPALIVE_S: Final = 25


def _family(address: str) -> int:
    return 6 if ":" in address else 4


class InnerConnection(Connection):
    """A TCP connection from tunnel address to tunnel address, whatever the nodes' own are."""

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up with the node that has this address outside."""
        super().connect(_LISTENER[_family(peer)], port)


class InnerFlow(Flow):
    """A UDP flow from tunnel address to tunnel address, whatever the nodes' own are."""

    def connect(self, peer: str, port: int) -> None:
        """Name the node that has this address outside; nothing is sent."""
        super().connect(_LISTENER[_family(peer)], port)


class Wireguard(Transport):
    """WireGuard between the nodes of a session (wireguard.com/protocol). Whoever gets an authentic packet answers to where
    it came from, so a move needs one packet of the node that moved, and nothing else.
    """

    needs = frozenset({"wireguard"})
    moving = Crossings(up=(1, 0), down=(1, 1))
    keepalive_s: ClassVar[int] = 0
    """how often the mobile side sends something when nothing else is sent"""

    def prepare(self, ground: Ground, caller: str, listener: str) -> None:
        """Make a tunnel device at both nodes and introduce them. Who listens knows the caller by his key alone."""
        inner = {caller: _CALLER, listener: _LISTENER}
        keys: dict[str, bytes] = {}
        for node, addresses in inner.items():
            with_prefix = [f"{address}/{_PREFIX[family]}" for family, address in addresses.items()]
            ground.add_tunnel(node, TUNNEL, "wireguard", "CONFIG_WIREGUARD", with_prefix)
            with ground.namespace(node).entered():
                keys[node] = wireguard.public_key(TUNNEL, _private_key(ground.seed, node), PORT)
        for node, other in ((caller, listener), (listener, caller)):
            allowed = tuple(f"{inner[other][family]}/{bits}" for family, bits in ((4, 32), (6, 128)))
            calls = node == caller
            endpoint = (ground.address(other), PORT) if calls else None
            peer = Peer(keys[other], allowed, endpoint, self.keepalive_s if calls else 0)
            with ground.namespace(node).entered():
                wireguard.add_peer(TUNNEL, peer)

    def asks(self, packet: Sighting) -> bool:
        """Whether a packet is one of the tunnel's, which tells the peer where its sender is now."""
        return packet.direction is Way.OUT and _of_tunnel(packet)

    def answers(self, packet: Sighting) -> bool:
        """Whether a packet is one of the tunnel's: the first that comes to the new address."""
        return packet.direction is Way.IN and _of_tunnel(packet)


def _private_key(seed: int, node: str) -> bytes:
    """A node's key, from the run's seed, so that the same run has the same bytes. It protects nothing."""
    return hashlib.blake2s(f"roamlab WireGuard {seed} {node}".encode(), digest_size=KEY_LENGTH).digest()


def _of_tunnel(packet: Sighting) -> bool:
    return (
        isinstance(packet, UdpPacket)
        and PORT in (packet.udp.sport, packet.udp.dport)
        and datagrams.wireguard(packet.udp.payload) is not None
    )


class TcpInWireguard(Wireguard):
    """TCP inside WireGuard."""

    name = "wireguard-tcp"
    carrier = "connection"
    connecting = tcp.TRANSPORT.connecting

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:  # noqa: ARG002
        """A connection inside, to be connected."""
        return InnerConnection.open(_CALLER[_family(local)])

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> Listening:  # noqa: ARG002
        """Wait for connections inside."""
        return ConnectionListener(_LISTENER[_family(local)], port)

    def reader(self) -> Reader:
        """A reader of the segments inside, and of the packets that carry them."""
        return WireguardReader(tcp.TRANSPORT.reader())


class EndpointKeeper:
    """Tells WireGuard of each new address, so that the next packet leaves from where routes lead now."""

    def __init__(self) -> None:
        self._open = 0

    def address_up(self, address: str) -> None:  # noqa: ARG002 - where to send from is for the routes to say
        """The node has an address."""
        if self._open:
            wireguard.forget_sources(TUNNEL)

    def address_down(self, address: str) -> None:
        """WireGuard finds out by itself."""

    def opened(self, channel: Channel) -> None:  # noqa: ARG002 - all share the tunnel
        """A session inside came up."""
        self._open += 1

    def closed(self, channel: Channel) -> None:  # noqa: ARG002
        """It ended."""
        self._open -= 1


class ManagedTcpInWireguard(TcpInWireguard):
    """TCP inside a WireGuard that is told of new addresses."""

    name = "wireguard-tcp-managed"
    settings = "told of each new address, so that it sends from there at once"
    known_to_break = frozenset()

    def keeper(self, loop: Loop, family: int) -> Keeper:  # noqa: ARG002
        """Who tells it."""
        return EndpointKeeper()


class UdpInWireguard(Wireguard):
    """UDP inside WireGuard."""

    name = "wireguard-udp"
    carrier = "flow"
    reliable = False
    repeats = False
    connecting = udp.TRANSPORT.connecting

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Channel:  # noqa: ARG002
        """A flow inside, to be connected."""
        return InnerFlow.open(_CALLER[_family(local)])

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> Listening:  # noqa: ARG002
        """Wait for flows inside."""
        return FlowListener(_LISTENER[_family(local)], port)

    def reader(self) -> Reader:
        """A reader of the datagrams inside, and of the packets that carry them."""
        return WireguardReader(udp.TRANSPORT.reader())


class KeptAlive(UdpInWireguard):
    """UDP inside WireGuard, with a persistent keepalive as often as WireGuard's own documentation recommends."""

    name = "wireguard-udp-keepalive"
    keepalive_s = _KEEPALIVE_S
    settings = f"persistent keepalive {_KEEPALIVE_S} s at the mobile node"


TCP: Final = TcpInWireguard()
MANAGED: Final = ManagedTcpInWireguard()
UDP: Final = UdpInWireguard()
KEPT_ALIVE: Final = KeptAlive()
