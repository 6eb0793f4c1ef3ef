"""What a scenario does to the mobile node's association at one instant, NICs apart: requests of its own, and a look at it.

The kernel is made to send an ASCONF, and its requests are replaced on the way out by those asked for: serial number, AUTH,
retransmission and acknowledgement are the kernel's own (`roamlab/protocols/rewriting.py`). The verbs are a part of
`roamlab.lab.lab.At`, in a module of their own by their subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from roamlab.lab.handles import PORT, Nic
from roamlab.protocols.mobility import Verb
from roamlab.protocols.rewriting import OWN_IDS

if TYPE_CHECKING:
    from roamlab.lab.handles import Node, Session
    from roamlab.lab.lab import Lab
    from roamlab.topologies import Segment

UNSAID: Final = 0
"""In the place of an error cause: the request is not carried out, for one before it was refused, and the answer says no word
of it (RFC 5061, 5.1, A7)."""
ANYHOW: Final = -1
"""In the place of an error cause: the request is not carried out, whatever the answer says of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``refused`` is the error cause to expect (its code), UNSAID or ANYHOW; without one it must be granted.

    ``verb`` may be the type of a parameter that nobody knows, as text: "0xc0fe".
    """

    verb: Verb | str
    address: str = ""
    refused: int | None = None

    def plain(self, number: int) -> dict[str, Any]:
        """The request as events and commands carry it, with its correlation ID."""
        known = isinstance(self.verb, Verb)
        return {
            "verb": self.verb.value if isinstance(self.verb, Verb) else self.verb,
            "address": self.address,
            "refused": self.refused,
            "id": OWN_IDS + number if known else -1,
        }


class RequestActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def account(self) -> None:
        """Have the first mobile node and the first correspondent report what their kernels keep for SCTP."""
        lab = self.lab
        for node in (lab.mobile, lab.correspondent):
            lab.timeline.at(self.time_s, partial(node.tell, "account"))

    def renumber(self, number: int, *, gone: bool = False) -> None:
        """Give the correspondent node another address in service, or take it away again where it is to be ``gone``."""
        lab = self.lab

        def act() -> None:
            if gone:
                change = {"old": lab.site.remove_address(lab.correspondent.name, number)}
            else:
                change = {"new": lab.correspondent.add_address(number)}
            lab.stimulus("renumber", Nic(lab.correspondent.name), **change)

        lab.timeline.at(self.time_s, act)

    def favour(self, peer_port: int) -> None:
        """Have the correspondent node ask its peer on a port to send to the address that it has had from the start."""
        lab = self.lab
        address = lab.correspondent.address

        def act() -> None:
            where = Nic(lab.correspondent.name)
            lab.stimulus("favour", where, primary=address, peer_port=peer_port)
            lab.correspondent.tell("favour", address=address, peer_port=peer_port)

        lab.timeline.at(self.time_s, act)

    def release(self, mobile: Node, address: str) -> None:
        """Have the mobile node take an address from its association, through the socket."""
        lab = self.lab

        def act() -> None:
            lab.stimulus("release", Nic(mobile.name), old=address)
            mobile.tell("release", address=address)

        lab.timeline.at(self.time_s, act)

    def ask(self, mobile: Node, *wanted: Request) -> None:
        """Have the mobile node ask for these requests, in this order, in one ASCONF (way ``rewriting``)."""
        lab = self.lab
        plain = [request.plain(number) for number, request in enumerate(wanted)]

        def act() -> None:
            lab.stimulus("ask", Nic(mobile.name), requests=plain)
            mobile.tell("ask", requests=plain)

        lab.timeline.at(self.time_s, act)

    def set_primary(self, session: Session, on: Segment) -> None:
        """Have a session's mobile node ask its peer to send to the address that it has on a segment."""
        lab, node = self.lab, session.mobile

        def act() -> None:
            address = node.address_on(on)
            lab.stimulus("favour", Nic(node.name), primary=address, peer_port=PORT)
            node.tell("set_primary", session=session.number, address=address)

        lab.timeline.at(self.time_s, act)
