"""A neighbour: another host with an SCTP stack of its own that calls the same correspondent node from the same port.

To a correspondent node whose associations belong to one endpoint (a one-to-many socket) its addresses are taken.
"""

from __future__ import annotations

from typing import Final

from roamlab.lab.lab import PORT, Lab
from roamlab.nodes.mobile_node import MobileNode
from roamlab.record.commands import Connect
from roamlab.record.events import AssociationConnect
from roamlab.topologies.addresses import PC16, VISITED

HOST: Final = "pc16"
_SESSION: Final = 1000  # none of the mobile node's


class Neighbour:
    """The host ``pc16`` on the visited segment; to be made before the session whose port it is to have."""

    def __init__(self, lab: Lab[object]) -> None:
        self._lab = lab
        self._port = 0
        lab.on_event(AssociationConnect, self._learn)
        lab.site.staff(HOST, MobileNode)
        lab.agents.await_ready()

    @property
    def address(self) -> str:
        """Its address, of the sessions' family."""
        return self._lab.site.of_family(VISITED.addresses(PC16))

    def connect(self) -> None:
        """Set up its association now, from the mobile node's port."""
        peer = self._lab.correspondent.address
        connect = Connect(_SESSION, self.address, peer, PORT, local_port=self._port)
        self._lab.agents.command(HOST, connect)

    def _learn(self, event: AssociationConnect) -> None:
        self._port = self._port or event.port
