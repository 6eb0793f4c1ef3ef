"""Attacks in a scenario: who attacks from where and knows what.

    attacker = Attacker(lab, "on-path")
    session = lab.mobile.connect(lab.correspondent)
    lab.at(4.0).forge(attacker, Request(Verb.ADD, attacker.address), source=attacker.address)

Everything stays within the run's namespaces and the documentation prefixes of the address plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from roamlab.lab.attack_acts import AGENT
from roamlab.lab.handles import Family
from roamlab.lab.lab import Lab
from roamlab.nodes.attacker import AttackerNode
from roamlab.record import commands
from roamlab.record.attack_events import AttackOverheard, AttackStakes
from roamlab.topologies.addresses import ATTACKER, VICTIM, VICTIMS, VISITED
from roamlab.topologies.attacked import OFF_PATH, ON_PATH, VICTIM_NODE

Position = Literal["off-path", "on-path", "inside"]
_VICTIM_ADDRESSES: Final = 6
_INFORMANT: Final = "informant"


def lossless(edge_loss: float, **_: object) -> str | None:
    """Why an attack can't be judged with these parameters (a scenario's ``sense``), or None."""
    if not edge_loss:
        return None
    return f"edge_loss={edge_loss:g}: lost messages could not be told from those the attacker withholds; leave it at 0"


class Attacker:
    """An attacker off the path, who is told addresses and ports and guesses the rest; on it; or inside the mobile node.

    To be made before the session, so that it sees the set-up, for sessions of one ``family``. It plays for its own address
    (by default) or a victim's, who has ``victims`` besides, and attacks ``target``, by default the correspondent node.
    ``concedes`` is what this kernel is expected to let it have (``roamlab.judge.gains.KINDS``).
    """

    def __init__(
        self,
        lab: Lab[object],
        position: Position,
        *,
        family: Family = 4,
        concedes: Iterable[str] = (),
        victim: bool = False,
        target: str = "",
    ) -> None:
        self._lab = lab
        self._acts = 0
        self.target = target or lab.correspondent.name
        site = lab.site
        self.node = {"off-path": OFF_PATH, "on-path": ON_PATH, "inside": lab.mobile.name}[position]
        lab.family = family
        self.own_address = site.of_family(ATTACKER.addresses(1))
        self.address = site.of_family(VISITED.addresses(VICTIM)) if victim else self.own_address
        numbers = range(1, _VICTIM_ADDRESSES + 1) if victim else ()
        self.victims = [site.of_family(VICTIMS.addresses(number)) for number in numbers]
        where = VICTIM_NODE if victim else OFF_PATH
        lab.record(AttackStakes((self.address, *self.victims), where, self.target, tuple(concedes), position))
        site.staff(AGENT, AttackerNode, self.node)
        if position == "off-path":
            site.staff(_INFORMANT, AttackerNode, ON_PATH)
            lab.on_event(AttackOverheard, self._tell)
        lab.agents.await_ready()
        lab.agents.command(_INFORMANT if position == "off-path" else AGENT, commands.Overhear())
        if not victim:
            lab.agents.command(AGENT, commands.Own((self.address,)))

    def own(self, address: str) -> None:
        """Answer for one more address, such as one that the mobile node has left."""
        self._lab.agents.command(AGENT, commands.Own((address,)))

    def next_act(self) -> int:
        """The number of its next act: verdicts know its packets by it."""
        self._acts += 1
        return self._acts

    def _tell(self, heard: AttackOverheard) -> None:
        known = commands.Learn(heard.mobile, heard.correspondent, heard.sport, heard.dport)
        self._lab.agents.command(AGENT, known)
