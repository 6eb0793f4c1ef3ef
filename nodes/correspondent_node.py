"""The correspondent node: the peer that stays where it is."""

from __future__ import annotations

from typing import Any

from roamlab.agents.association import Association
from roamlab.agents.endpoint import Endpoint
from roamlab.agents.streams import Channel
from roamlab.protocols.payload import Direction


class CorrespondentNode(Endpoint):
    """Listens for the mobile node's associations and sends its streams down them."""

    direction = Direction.DOWN

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._accepted: set[Association] = set()

    def do_favour(self, address: str, peer_port: int) -> None:
        """Ask the peer on a port to send to this address of the node's (SET PRIMARY). OSError when the socket refuses."""
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
