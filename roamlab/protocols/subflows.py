"""Which addresses an MPTCP node makes subflows from, and when it gives one up. Pure: its shell is transports/mptcp_paths.py.

The rule: an address that is gone stays an endpoint until another's subflow is fully established, which takes the fourth packet
of MP_JOIN (RFC 8684, 3.2). Linux sends REMOVE_ADDR once, on whatever subflow may send then (docs/findings.md, 26).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum


class Act(Enum):
    """What is to be done with an endpoint; ``REMOVE`` closes its subflows, and the peer is told."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """Add or remove the endpoint of an address."""

    act: Act
    address: str


class SubflowPolicy:
    """The endpoints of a node whose addresses come and go.

    With ``eager`` it goes by the kernel's event of a new subflow, as a manager that knows no better would: that comes with the
    SYN/ACK, a round trip before the subflow may carry data.
    """

    def __init__(self, *, eager: bool = False) -> None:
        self._eager = eager
        self._present: set[str] = set()
        self._endpoints: dict[str, bool] = {}
        """Whether a subflow from it is fully established, by address."""
        self._commands: deque[EndpointChange] = deque()

    def address_up(self, address: str) -> None:
        """An address is configured."""
        self._present.add(address)
        if address not in self._endpoints:
            self._endpoints[address] = False
            self._commands.append(EndpointChange(Act.ADD, address))
        self._clear()

    def address_down(self, address: str) -> None:
        """An address is gone."""
        self._present.discard(address)
        self._clear()

    def joined(self, address: str) -> None:
        """The kernel reported a subflow from an address: its SYN was answered."""
        if self._eager:
            self.established(address)

    def established(self, address: str) -> None:
        """The subflows from an address are fully established: they may carry data."""
        if address in self._endpoints:
            self._endpoints[address] = True
        self._clear()

    def waits_for(self) -> frozenset[str]:
        """The addresses whose subflows are not known to be fully established."""
        return frozenset(a for a in self._present if not self._endpoints.get(a, True))

    def next_command(self) -> EndpointChange | None:
        """What is to be done next, or None."""
        return self._commands.popleft() if self._commands else None

    def _clear(self) -> None:
        instead = any(self._endpoints.get(address) for address in self._present)
        for address in [a for a in self._endpoints if a not in self._present]:
            if instead:
                del self._endpoints[address]
                self._commands.append(EndpointChange(Act.REMOVE, address))
