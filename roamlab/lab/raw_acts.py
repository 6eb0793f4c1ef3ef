"""What endpoints of roamlab's own say at one instant: verbs of ``roamlab.lab.acts.At``.

Raw associations are in ``roamlab/lab/raw.py``, cookie games in ``roamlab/lab/cookies.py``, neighbours in
``roamlab/lab/neighbours.py``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from roamlab.record.commands import ChunkSpec, Mute, Say
from roamlab.record.stimuli import RawPacket

if TYPE_CHECKING:
    from roamlab.lab.cookies import Echo, Prober
    from roamlab.lab.lab import Lab
    from roamlab.lab.neighbours import Neighbour
    from roamlab.lab.raw import Acknowledge, Ask, Beat, CookieEcho, Raw, RawAssociation


class RawActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def associate(
        self,
        raw: Raw,
        *,
        tsn: int,
        also: tuple[str, ...] = (),
        prefer: str = "",
        prefers_first: bool = False,
    ) -> RawAssociation:
        """Set up a raw association with this initial TSN, which is the serial number of its first ASCONF too.

        Its INIT lists the addresses ``also`` beside its first, and has SET PRIMARY of the one that it is to ``prefer`` (RFC
        5061, 5.4), behind the addresses or, with ``prefers_first``, before them.
        """
        one = raw.next_association()
        initiate = partial(raw.initiate, one, tsn=tsn, also=also, prefer=prefer, prefers_first=prefers_first)
        self.lab.timeline.at(self.time_s, initiate)
        return one

    def say(
        self,
        one: RawAssociation,
        *chunks: Ask | Acknowledge | Beat | CookieEcho,
        answers: list[str],
        source: str = "",
        to: str = "",
    ) -> None:
        """Send these chunks in one packet, from ``source`` or the association's first address.

        It goes ``to`` another address of the correspondent node's than the association was set up with where one is named.
        """
        what = " and ".join(map(str, chunks))
        self._say(one, what, tuple(chunk.spec() for chunk in chunks), answers, source, to)

    def mute(self, one: RawAssociation) -> None:
        """Answer nothing in an association from now on, not even a HEARTBEAT."""
        lab = self.lab
        lab.timeline.at(self.time_s, partial(lab.agents.command, one.raw.host, Mute(one.port)))

    def repeat(self, one: RawAssociation, *, answers: list[str]) -> None:
        """Send the association's last packet once more."""
        self._say(one, "the same", (), answers)

    def _say(
        self,
        one: RawAssociation,
        what: str,
        chunks: tuple[ChunkSpec, ...],
        answers: list[str],
        source: str = "",
        to: str = "",
    ) -> None:
        lab, act = self.lab, one.raw.next_act()

        def say() -> None:
            target = lab.correspondent.name
            lab.stimulus(one.raw.host, RawPacket(what, act, target, one.port, tuple(answers)))
            lab.agents.command(one.raw.host, Say(one.port, act, chunks, source, to))

        lab.timeline.at(self.time_s, say)

    def try_cookie(self, prober: Prober, echo: Echo) -> None:
        """Try a cookie: an INIT now (none for a replay), and the COOKIE-ECHO when it is due."""
        timeline = self.lab.timeline
        if prober.initiates(echo):
            timeline.at(self.time_s, prober.initiate)
        due_s = self.time_s + prober.due_s(echo)
        timeline.at(due_s, partial(prober.echo, due_s, echo))

    def call(self, neighbour: Neighbour) -> None:
        """Let a neighbour set up its association, from the mobile node's port."""
        self.lab.timeline.at(self.time_s, neighbour.connect)
