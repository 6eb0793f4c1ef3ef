"""The verbs of a scenario, as in `lab.at(5.0).move(nic, to=lab.visited)`: those of sessions and NICs here, others beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roamlab.lab.mobile_ip_acts import MobileIpActs
from roamlab.lab.request_acts import RequestActs
from roamlab.protocols.mobility import Verb

if TYPE_CHECKING:
    from roamlab.lab.lab import Correspondent, Lab, Mobile, Nic, Session, Stream
    from roamlab.topologies import Segment


@dataclass(frozen=True, slots=True)
class At(MobileIpActs, RequestActs):
    """The verbs of a scenario: what happens at one instant."""

    lab: Lab[object]
    time_s: float

    def start(self, stream: Stream) -> None:
        """Start a stream."""
        self.lab.streams.append((self.time_s, stream))

    def move(self, nic: Nic, *, to: Segment, gap: float = 0.0) -> None:
        """Take a NIC from its segment and plug it into another, without a link for ``gap`` seconds in between.

        The host is configured with an address of the new segment the moment the link is there, as a network that hands out
        addresses at once would.
        """
        lab, site = self.lab, self.lab.site
        expects = [Verb.ADD.value] if self._asconf() and site.mobile_ip is None else []

        def leave() -> None:
            signs = {**site.signs(nic.name, to), **site.delays_ns(to)}
            lab.stimulus("move", nic, to=to.name, gap_s=gap, expects=expects, **signs)
            if gap > 0:
                site.unplug(nic.name)
            else:
                site.move(nic.name, to)

        lab.timeline.at(self.time_s, leave)
        if gap > 0:
            lab.timeline.at(self.time_s + gap, lambda: site.plug(nic.name, to))

    def attach(self, mobile: Mobile, name: str, *, to: Segment) -> None:
        """Add a NIC to the running mobile node, on a segment, and configure it."""
        lab, site = self.lab, self.lab.site
        nic = mobile.nic(name)
        wishes = mobile.sessions[-1].wishes
        verbs = [Verb.ADD, *([Verb.SET_PRIMARY] if wishes.set_primary else [])]
        if wishes.set_primary and wishes.delete:
            verbs.append(Verb.DELETE)
        expects = [verb.value for verb in verbs] if self._asconf() else []

        def act() -> None:
            self._coming("attach", nic, to, expects)
            site.attach(name, to)

        lab.timeline.at(self.time_s, act)

    def reconnect(self, session: Session, *, over: str, to: Segment, pause: float) -> None:
        """The conventional way (FIG. 6): end the association, add a NIC ``pause`` seconds later, connect anew over it."""
        lab, site = self.lab, self.lab.site
        nic = session.mobile.nic(over)

        def leave() -> None:
            self._coming("reconnect", nic, to, [])
            lab.agents.command(session.mobile.name, "disconnect", session=session.number)

        def return_() -> None:
            site.attach(over, to)
            lab.connect(session, over)

        lab.timeline.at(self.time_s, leave)
        lab.timeline.at(self.time_s + pause, return_)

    def kill(self, mobile_or_correspondent: Mobile | Correspondent) -> None:
        """Kill a node's agent, as a crash would."""
        self.lab.timeline.at(self.time_s, lambda: self.lab.agents.kill(mobile_or_correspondent.name))

    def _coming(self, action: str, nic: Nic, to: Segment, expects: list[str]) -> None:
        """Record that a NIC comes to a segment."""
        site = self.lab.site
        signs = {"new": site.address_on(to), **site.delays_ns(to)}
        self.lab.stimulus(action, nic, to=to.name, expects=expects, **signs)

    def _asconf(self) -> bool:
        return self.lab.site.asconf
