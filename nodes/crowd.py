"""Many mobile nodes in one process: it owns a socket in the network namespace of each of them.

A socket stays in the namespace that it was made in, so processes need not grow with nodes where a scenario wants load only.
"""

from __future__ import annotations

import os

from roamlab.agents.endpoint import Endpoint
from roamlab.linux.namespace import enter
from roamlab.protocols.payload import Direction
from roamlab.record.commands import Command, Connect, Join, PreferEach
from roamlab.transports.association import Association


class Crowd(Endpoint):
    """Connects one session a mobile node; the kernel announces new addresses (SCTP_AUTO_ASCONF)."""

    direction = Direction.UP

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case Join(session, namespace, peer, port):
                enter(namespace)
                os.close(namespace)
                self.connect(Connect(session, "::", peer, port, kernel_announces=True))
            case PreferEach(addresses):
                for session, address in addresses.items():
                    association = self._sessions[session].association
                    if isinstance(association, Association):
                        association.set_primary(address)
            case _:
                super().obey(command)
