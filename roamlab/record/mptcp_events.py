"""Events of MPTCP's path manager (RFC 8684), emitted by a node whose sessions it keeps through moves."""

from __future__ import annotations

from typing import Literal

from roamlab.record.event import Event


class MptcpEndpoint(Event, tag="mptcp.endpoint"):
    """The path manager added an address to those that subflows are made from, or removed one."""

    act: Literal["add", "remove"]
    address: str
    refused: str = ""
    """the kernel's reason, where it refused that"""


class MptcpFullyEstablished(Event, tag="mptcp.fully_established"):
    """Each connection has a subflow from an address that may carry data: the fourth packet of its MP_JOIN arrived."""

    address: str
