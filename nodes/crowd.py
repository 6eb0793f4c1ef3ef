"""Many mobile nodes in one process: it makes its sockets in the network namespace of the node that each is for.

A socket stays in the namespace that it was made in, so processes need not grow with nodes where a scenario wants load only.
There is no mobility manager: the kernel announces new addresses (SCTP_AUTO_ASCONF), and the scenario asks for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from socket import socket

from roamlab.agents.endpoint import Endpoint
from roamlab.linux.namespace import enter
from roamlab.protocols.payload import Direction
from roamlab.record import event
from roamlab.record.commands import Command, For, Watch


class CrowdNode(Endpoint):
    """The agent of all mobile nodes of a crowd. ``namespaces`` are the descriptors of theirs, by node."""

    direction = Direction.UP

    def __init__(self, namespaces: Mapping[str, int], name: str, control: socket) -> None:
        super().__init__(name, control)
        self._namespaces = namespaces
        self._inner = event.decoder(Command)

    def obey(self, command: Command) -> None:
        """Do what a command says, as the agent of the node that it is for would."""
        match command:
            case For(node, line):
                enter(self._namespaces[node])
                self.obey(self._inner.decode(line))
            case Watch():
                pass  # nobody here would act on what becomes of a NIC
            case _:
                super().obey(command)
