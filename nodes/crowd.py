"""Many mobile nodes in one process: it owns a socket in the network namespace of each of them.

A socket stays in the namespace that it was made in, so processes need not grow with nodes where a scenario wants load only.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from roamlab.agents.association import Association
from roamlab.agents.endpoint import Endpoint
from roamlab.protocols.payload import Direction

_CLONE_NEWNET: Final = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Crowd(Endpoint):
    """Connects one session a mobile node; the kernel announces new addresses (SCTP_AUTO_ASCONF)."""

    direction = Direction.UP

    def do_join(self, session: int, namespace: int, peer: str, port: int) -> None:
        """Connect a session from the node whose network namespace the inherited descriptor refers to."""
        if _libc.setns(namespace, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace of session {session}")
        os.close(namespace)
        self.do_connect(session, "::", peer, port, kernel_announces=True)

    def do_prefer(self, addresses: dict[str, str]) -> None:
        """Ask the peer of each session (by number) to send to an address (SET PRIMARY)."""
        for session, address in addresses.items():
            association = self._sessions[int(session)].association
            if isinstance(association, Association):
                association.set_primary(address)
