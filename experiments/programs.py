"""Two programs that nobody wrote for roamlab, and a move between them: what `./lab try` plays."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from roamlab.errors import BadInput
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
    wait: Seconds = 60.0,
    family: int = 4,
    auto_asconf: bool = False,
    directory: str = "/root",
    expect: str = "survived",
    max_outage: Seconds = 0.0,
) -> None:
    """Run a program on the correspondent node and one on the mobile node, and move the latter.

    ``cn`` and ``mn`` are lines for a shell. ``ready`` is the port, or a pattern of the output, by which the first is known to
    be ready; without, it is any port. ``at`` counts from the second one's start. ``wait`` is how long after the move the run
    goes on at most. An outage longer than ``max_outage``, where that is not 0, makes it broken.
    """
    if move not in lab.site.segments:
        raise BadInput(f"this topology has no segment {move!r}; it has {', '.join(lab.site.segments)}")
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
    moves_s = ceil(lab.now_s) + at
    lab.at(moves_s).move(lab.mobile.nic("wlan0"), to=lab.site.segments[move], gap=gap)
    lab.timeline.at(moves_s + gap, lambda: lab.site.announce(lab.mobile.name, "wlan0"))
    lab.until_ended(client, least_s=moves_s + gap + _OVER, most_s=moves_s + gap + wait)
