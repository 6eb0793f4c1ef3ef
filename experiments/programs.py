"""Two programs that nobody wrote for roamlab, and a move between them: what `./lab try` plays."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from roamlab.lab import said
from roamlab.lab.lab import Lab
from roamlab.record.program_events import OutageAllowed
from roamlab.registry import Seconds, Verdict, scenario
from roamlab.topologies import HomeAndVisited

_OVER: float = 2.0


@scenario(
    "programs",
    expect=Verdict.SURVIVED,
    topology=HomeAndVisited,
    needs=frozenset({"overlay"}),
)
def programs(
    lab: Lab,
    cn: str = "",
    mn: str = "ping -c 30 cn",
    ready: str = "",
    at: Seconds = 5.0,
    move: str = "visited",
    gap: Seconds = 2.0,
    do: str = "",
    wait: Seconds = 60.0,
    family: int = 4,
    auto_asconf: bool = False,
    directory: str = "/root",
    expect: str = "survived",
    max_outage: Seconds = 0.0,
) -> None:
    """Run a program on the correspondent node and one on the mobile node, and move the latter.

    ``cn`` and ``mn`` are lines for a shell. ``ready`` is the port, or a pattern of the output, by which the first is known to
    be ready; without, it is any port. ``at`` counts from the second one's start. ``do`` says in words what happens instead of
    the move (`roamlab.lab.said`). ``wait`` is how long after that the run goes on at most. An outage
    longer than ``max_outage``, where that is not 0, makes it broken.
    """
    deeds = said.read(do or f"{at:g} move to={move} gap={gap:g}")
    lab.family = family
    lab.site.asconf = False
    lab.site.directory = Path(directory)
    lab.expect(Verdict(expect))
    if max_outage:
        lab.record(OutageAllowed(outage_s=max_outage))
    if auto_asconf:
        for node in (lab.mobile, lab.correspondent):
            lab.site.announcing(node.name)
    if cn:
        lab.correspondent.run(cn, waits=True, ready=int(ready) if ready.isdecimal() else ready or None)
    client = lab.mobile.run(mn)
    since_s = float(ceil(lab.now_s))
    said.do(lab, deeds, since_s)
    over_s = since_s + max(deed.over_s for deed in deeds)
    lab.until_ended(client, least_s=over_s + _OVER, most_s=over_s + wait)
