"""Many mobile nodes in one process: it owns a socket in the network namespace of each of them.

A socket stays in the namespace that it was made in, so processes need not grow with nodes where a scenario wants load only.
"""

from __future__ import annotations

import os

from roamlab.agents.association import Association
from roamlab.agents.endpoint import Endpoint
from roamlab.linux.namespace import enter
from roamlab.protocols.payload import Direction


class Crowd(Endpoint):
    """Connects one session a mobile node; the kernel announces new addresses (SCTP_AUTO_ASCONF)."""

    direction = Direction.UP

    def do_join(self, session: int, namespace: int, peer: str, port: int) -> None:
        """Connect a session from the node whose network namespace the inherited descriptor refers to."""
        enter(namespace)
        os.close(namespace)
        self.do_connect(session, "::", peer, port, kernel_announces=True)

    def do_prefer(self, addresses: dict[str, str]) -> None:
        """Ask the peer of each session (by number) to send to an address (SET PRIMARY)."""
        for session, address in addresses.items():
            association = self._sessions[int(session)].association
            if isinstance(association, Association):
                association.set_primary(address)
