"""What can be done to Mobile IP's parties at one instant: verbs of ``roamlab.lab.lab.At``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roamlab.record import commands, stimuli

if TYPE_CHECKING:  # a run without Mobile IP has no use for it, and imports are a quarter of a short run
    from roamlab.lab.handles import Node
    from roamlab.lab.lab import Lab
    from roamlab.lab.mobile_ip import MobilityAgent


class MobileIpActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def crash(self, agent: MobilityAgent) -> None:
        """Let a mobility agent's process die; its host goes on, with the tunnels and routes that it has."""
        lab = self.lab

        def die() -> None:
            lab.stimulus(agent.name, stimuli.Crash())
            lab.agents.kill(agent.name)

        lab.timeline.at(self.time_s, die)

    def fail(self, agent: MobilityAgent, *, back: float = 0.0) -> None:
        """Let a mobility agent's host die: its process is gone, its links are dead.

        With ``back`` it starts again so many seconds later, knowing nothing of before.
        """
        lab, site = self.lab, self.lab.site

        def die() -> None:
            lab.stimulus(agent.name, stimuli.Fail(back))
            lab.agents.kill(agent.name)
            site.cut(agent.name)

        def start_again() -> None:
            site.mend(agent.name)
            site.start_agent(agent)

        lab.timeline.at(self.time_s, die)
        if back > 0:
            lab.timeline.at(self.time_s + back, start_again)

    def revive(self, agent: MobilityAgent) -> None:
        """Start a mobility agent that crashed or failed again; it knows nothing of before."""
        lab, site = self.lab, self.lab.site

        def start_again() -> None:
            lab.stimulus(agent.name, stimuli.Revive())
            site.mend(agent.name)
            site.start_agent(agent)

        lab.timeline.at(self.time_s, start_again)

    def halt(self, mobile: Node) -> None:
        """Let the mobile node's Mobile IP fall silent: it renews nothing. Its sessions go on."""
        self._order(mobile, stimuli.Halt, commands.Halt())

    def withdraw(self, mobile: Node) -> None:
        """Let the mobile node deregister its care-of address from afar."""
        self._order(mobile, stimuli.Withdraw, commands.Withdraw())

    def replay(self, mobile: Node) -> None:
        """Send the mobile node's last Registration Request again, bit for bit, as one who recorded it would."""
        self._order(mobile, stimuli.Replay, commands.Replay())

    def _order(
        self, mobile: Node, verb: type[stimuli.RegistrationStimulus], command: commands.Command
    ) -> None:
        lab = self.lab

        def act() -> None:
            lab.stimulus(mobile.name, verb(nic=lab.site.mobile_nic))
            mobile.tell(command)

        lab.timeline.at(self.time_s, act)
