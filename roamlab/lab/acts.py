"""The verbs of a scenario, as in `lab.at(5.0).move(nic, to=lab.visited)`.

There is one grammar: ``lab.at(TIME).VERB(WHO, ...)``, where who is a node, one of its NICs, a session, or a host that plays a
part of its own (an attacker, a prober, an endpoint of roamlab's own). The verbs are in a module each by their subject;
docs/scenarios.md lists them, with what the capture must show of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roamlab.lab.attack_acts import AttackActs
from roamlab.lab.handles import Node, Stream
from roamlab.lab.link_acts import LinkActs
from roamlab.lab.mobile_ip_acts import MobileIpActs
from roamlab.lab.raw_acts import RawActs
from roamlab.lab.request_acts import RequestActs
from roamlab.record.commands import Disconnect
from roamlab.record.stimuli import Kill, Reconnect, Start

if TYPE_CHECKING:
    from roamlab.lab.handles import Session
    from roamlab.lab.lab import Lab
    from roamlab.topologies import Segment


@dataclass(frozen=True, slots=True)
class At(LinkActs, RequestActs, MobileIpActs, AttackActs, RawActs):
    """The verbs of a scenario: what happens at one instant."""

    lab: Lab[object]
    time_s: float

    def start(self, what: Stream | Node) -> None:
        """Start a stream; or a node's agent, that was killed, again.

        The agent listens where it did and connects the sessions that it had connected; its streams go on with the message
        that is due.
        """
        if isinstance(what, Stream):
            self.lab.streams.append((self.time_s, what))
            return
        lab, node = self.lab, what

        def act() -> None:
            lab.stimulus(node.name, Start())
            lab.begin_again(node)

        lab.timeline.at(self.time_s, act)

    def kill(self, node: Node) -> None:
        """Kill a node's agent, as a crash of the program would; its host goes on."""
        lab = self.lab

        def act() -> None:
            lab.stimulus(node.name, Kill())
            lab.agents.kill(node.name)

        lab.timeline.at(self.time_s, act)

    def reconnect(self, session: Session, *, over: str, to: Segment, pause: float) -> None:
        """The conventional way (FIG. 6): end the association, add a NIC ``pause`` seconds later, connect again over it."""
        lab, site = self.lab, self.lab.site
        nic = session.mobile.nic(over)

        def leave() -> None:
            self._coming(Reconnect, nic, to, ())
            session.mobile.tell(Disconnect(session.number))

        def return_() -> None:
            site.attach(nic.node, over, to)
            lab.connect(session, over)

        lab.timeline.at(self.time_s, leave)
        lab.timeline.at(self.time_s + pause, return_)
