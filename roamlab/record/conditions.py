"""What a scenario's network is like besides its topology, one class a condition; each says what the capture must show of it.

A condition holds from when it is recorded. It does nothing to a session by itself, so no outage is counted from it. A run in
whose capture one of them is not to be seen is invalid (roamlab/judge/conditions.py).
"""

from __future__ import annotations

from roamlab.record.event import Event


class Condition(Event, kw_only=True):
    """A property of the network, of the router ``node``."""

    @property
    def words(self) -> str:
        """The condition in words."""
        return self.kind


class Translation(Condition, tag="condition.translation"):
    """A router translates the addresses of a segment (NAT).

    Witness: a packet comes to the correspondent from ``outside``, though no node of the session has that address.
    """

    subnet: str
    """the prefix that is translated"""
    outside: str
    """the address that it has outside"""

    @property
    def words(self) -> str:
        """What is translated."""
        return f"{self.node} is a NAT: {self.subnet} is {self.outside} outside"


class BlackHole(Condition, tag="condition.black_hole"):
    """A router swallows what is too large for the next link, and tells nobody (RFC 2923, 2.1).

    Witness: a packet that is larger leaves ``mobile``, or leaves for it, and none that large comes over the router.
    """

    mtu: int
    """the largest packet that passes, octets"""
    mobile: str
    """the node that moves"""
    address: str
    """its address on the segment of that router"""

    @property
    def words(self) -> str:
        """What is swallowed."""
        return f"{self.node} swallows packets of more than {self.mtu} octets"


class Edge(Condition, tag="condition.edge"):
    """A NIC's link to its segment is unlike the other segments' links, from now on.

    Witness: what crosses that link takes as long, is lost, or is slowed down as it is said.
    """

    mobile: str
    nic: str
    segment: str
    up_s: float = 0.0
    """one-way delay from the NIC, s"""
    down_s: float = 0.0
    """one-way delay to the NIC, s"""
    loss: float = 0.0
    """percent"""
    bw: float | None = None
    """Mbit/s; None where nothing limits it"""

    @property
    def words(self) -> str:
        """What the link is like."""
        rate = "" if self.bw is None else f", {self.bw:g} Mbit/s"
        return f"{self.segment}: {self.up_s:g} s up, {self.down_s:g} s down, {self.loss:g} % lost{rate}"
