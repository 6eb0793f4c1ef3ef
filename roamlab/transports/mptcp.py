"""MPTCP: the kernel's, whose connections have several subflows; messages behind their lengths, as over TCP."""

from __future__ import annotations

import socket
from typing import ClassVar, Final, TypeGuard

from roamlab.linux.mptcp import IPPROTO_MPTCP, PathManager
from roamlab.protocols import mptcp
from roamlab.protocols.mptcp import Join
from roamlab.protocols.trace import Sighting, TcpPacket
from roamlab.transports.base import Crossings, Keeper, Loop, Reader, Transport
from roamlab.transports.byte_streams import opens
from roamlab.transports.mptcp_reader import MptcpReader
from roamlab.transports.sockets import bound
from roamlab.transports.tcp import Connection, ConnectionListener

_MOST: Final = 8  # subflows besides the first
_ACK: Final = 0x10


class Mptcp(Transport):
    """MPTCP (RFC 8684), with a path manager of roamlab's own on the kernel's interface."""

    name = "mptcp"
    eager: ClassVar[bool] = False
    """whether that goes by the kernel's event of a new subflow (docs/findings.md, 26)"""
    backup: ClassVar[bool] = False
    """whether new subflows are for when no other works (RFC 8684, 3.3.8)"""
    carrier = "connection"
    needs = frozenset({"mptcp"})
    settings = "roamlab's path manager; an address goes when the new subflow is fully established"
    known_to_break = frozenset({"rebinding", "called"})
    moving = Crossings(up=(3, 2), down=(2, 2))
    """RFC 8684, 3.2: who joins sends no data before the fourth packet; the peer's old path is the only one that it
    knows to be good until something came over the new one after that."""
    connecting = Crossings(up=(2, 1), down=(2, 2))

    def open(self, local: str, port: int = 0, *, kernel_announces: bool = False) -> Connection:  # noqa: ARG002
        """A connection from a local address, to be connected."""
        _allow_subflows()
        return Connection(bound(socket.SOCK_STREAM, local, port, IPPROTO_MPTCP), up=False)

    def listen(self, local: str, port: int, *, one_to_many: bool = False) -> ConnectionListener:  # noqa: ARG002
        """Wait for connections."""
        _allow_subflows()
        return ConnectionListener(local, port, IPPROTO_MPTCP)

    def reader(self) -> Reader:
        """A reader that follows a connection across its subflows."""
        return MptcpReader()

    def keeper(self, loop: Loop, family: int) -> Keeper:
        """The path manager."""
        from roamlab.transports.mptcp_paths import MptcpPaths

        return MptcpPaths(loop, family, eager=self.eager, backup=self.backup)

    def asks(self, packet: Sighting) -> bool:
        """Whether a packet is the SYN of an MP_JOIN."""
        return _joins(packet) and not packet.tcp.flags & _ACK

    def answers(self, packet: Sighting) -> bool:
        """Whether a packet is the SYN/ACK of an MP_JOIN."""
        return _joins(packet) and bool(packet.tcp.flags & _ACK)


def _joins(packet: Sighting) -> TypeGuard[TcpPacket]:
    return (
        isinstance(packet, TcpPacket)
        and opens(packet)
        and any(isinstance(option, Join) for option in mptcp.decode(packet.datagram.payload))
    )


def _allow_subflows() -> None:
    """Have the node's connections take further subflows, which the kernel allows two of unless it is told."""
    manager = PathManager()
    manager.limits(_MOST)
    manager.close()


class EagerMptcp(Mptcp):
    """MPTCP with a path manager that does not wait for the new subflow."""

    name = "mptcp-eager"
    settings = "roamlab's path manager; an address goes at the kernel's event SUB_ESTABLISHED"
    eager = True


class BackupMptcp(Mptcp):
    """MPTCP whose new subflows carry data only when no other does."""

    name = "mptcp-backup"
    settings = "as mptcp; the endpoints of new addresses have the flag `backup`"
    backup = True


TRANSPORT: Final = Mptcp()
EAGER: Final = EagerMptcp()
BACKUP: Final = BackupMptcp()
