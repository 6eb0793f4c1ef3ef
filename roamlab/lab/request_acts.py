"""What a scenario does to the mobile node's association at one instant, NICs apart: requests of its own, and a look at it.

The kernel is made to send an ASCONF, and its requests are replaced on the way out by those asked for: serial number, AUTH,
retransmission and acknowledgement are the kernel's own (`roamlab/protocols/rewriting.py`). The verbs are a part of
`roamlab.lab.lab.At`, in a module of their own by their subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from roamlab.lab.handles import PORT
from roamlab.protocols.mobility import Verb
from roamlab.protocols.rewriting import OWN_IDS
from roamlab.record import commands, stimuli

if TYPE_CHECKING:
    from roamlab.lab.handles import Node, Session
    from roamlab.lab.lab import Lab
    from roamlab.topologies import Segment


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``refused`` is the error cause to expect (its code), UNSAID or ANYHOW; without one it must be granted.

    ``verb`` may be the type of a parameter that nobody knows, as text: "0xc0fe".
    """

    verb: Verb | str
    address: str = ""
    refused: int | None = None

    def asked(self, number: int) -> stimuli.Asked:
        """The request as a stimulus carries it, with its correlation ID."""
        sent = self.command(number)
        return stimuli.Asked(sent.verb, sent.address, self.refused, sent.id)

    def command(self, number: int) -> commands.Request:
        """The request as a command carries it, with its correlation ID."""
        if isinstance(self.verb, Verb):
            return commands.Request(self.verb.value, self.address, OWN_IDS + number)
        return commands.Request(self.verb, self.address)


class RequestActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def account(self) -> None:
        """Have the first mobile node and the first correspondent report what their kernels keep for SCTP."""
        lab = self.lab
        for node in (lab.mobile, lab.correspondent):
            lab.timeline.at(self.time_s, partial(node.tell, commands.Account()))

    def renumber(self, number: int, *, gone: bool = False) -> None:
        """Give the correspondent node another address in service, or take it away again where it is to be ``gone``."""
        lab = self.lab

        def act() -> None:
            if gone:
                change = stimuli.Renumber(old=lab.site.remove_address(lab.correspondent.name, number))
            else:
                change = stimuli.Renumber(new=lab.correspondent.add_address(number))
            lab.stimulus(lab.correspondent.name, change)

        lab.timeline.at(self.time_s, act)

    def favour(self, peer_port: int) -> None:
        """Have the correspondent node ask its peer on a port to send to the address that it has had from the start."""
        lab = self.lab
        address = lab.correspondent.address

        def act() -> None:
            lab.stimulus(lab.correspondent.name, stimuli.Favour(address, peer_port))
            lab.correspondent.tell(commands.Favour(address, peer_port))

        lab.timeline.at(self.time_s, act)

    def release(self, mobile: Node, address: str) -> None:
        """Have the mobile node take an address from its association, through the socket."""
        lab = self.lab

        def act() -> None:
            lab.stimulus(mobile.name, stimuli.Release(address))
            mobile.tell(commands.Release(address))

        lab.timeline.at(self.time_s, act)

    def ask(self, mobile: Node, *wanted: Request) -> None:
        """Have the mobile node ask for these requests, in this order, in one ASCONF (way ``rewriting``)."""
        lab = self.lab
        asked = tuple(request.asked(number) for number, request in enumerate(wanted))
        requests = tuple(request.command(number) for number, request in enumerate(wanted))

        def act() -> None:
            lab.stimulus(mobile.name, stimuli.Ask(asked))
            mobile.tell(commands.Ask(requests))

        lab.timeline.at(self.time_s, act)

    def set_primary(self, session: Session, on: Segment) -> None:
        """Have a session's mobile node ask its peer to send to the address that it has on a segment."""
        lab, node = self.lab, session.mobile

        def act() -> None:
            address = node.address_on(on)
            lab.stimulus(node.name, stimuli.Favour(address, PORT))
            node.tell(commands.SetPrimary(session.number, address))

        lab.timeline.at(self.time_s, act)
