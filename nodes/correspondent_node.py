"""The correspondent node: the peer that stays where it is."""

from __future__ import annotations

from socket import socket

from roamlab.agents.endpoint import Endpoint
from roamlab.protocols.payload import Direction
from roamlab.record.commands import Command, Favour
from roamlab.transports.association import Association
from roamlab.transports.base import Channel


class CorrespondentNode(Endpoint):
    """Listens for the mobile node's associations and sends its streams down them."""

    direction = Direction.DOWN

    def __init__(self, name: str, control: socket) -> None:
        super().__init__(name, control)
        self._accepted: set[Association] = set()

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case Favour(address, peer_port):
                self._favour(address, peer_port)
            case _:
                super().obey(command)

    def _favour(self, address: str, peer_port: int) -> None:
        for association in self._accepted:
            if association.peer_port == peer_port:
                association.set_primary(address)
                return
        raise ValueError(f"there is no association with a peer on port {peer_port}")

    def association_accepted(self, association: Channel) -> None:
        """A peer set one up; a member of a one-to-many socket has no SET PRIMARY here."""
        if isinstance(association, Association):
            self._accepted.add(association)

    def association_down(self, association: Channel) -> None:
        """The association ended, in whatever way."""
        if isinstance(association, Association):
            self._accepted.discard(association)
