"""What a scenario does to NICs and links at one instant: verbs of ``roamlab.lab.acts.At``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from roamlab.errors import LabError
from roamlab.protocols.mobility import Verb
from roamlab.record.conditions import Edge
from roamlab.record.stimuli import (
    Allow,
    Attach,
    Block,
    Detach,
    Fade,
    Impair,
    LinkDown,
    LinkUp,
    Readdress,
    Rebind,
    Reconnect,
)
from roamlab.transports import find

if TYPE_CHECKING:
    from roamlab.lab.handles import Nic, Node
    from roamlab.lab.lab import Lab
    from roamlab.topologies import Segment

_FADE_EVERY_S: Final = 0.1
_FADES_FROM: Final = -60.0
"""The level (dBm) that a NIC has when it begins to fade: no loss, the full rate."""
_UNDER_WAY_S: Final = 0.2  # what had passed a router by then has arrived


class LinkActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Lab[object]
    time_s: float

    def move(self, nic: Nic, *, to: Segment, gap: float = 0.0) -> None:
        """Take a NIC from its segment and plug it into another, without a link for ``gap`` seconds in between.

        The host is configured with an address of the new segment the moment the link is there, as a network that hands out
        addresses at once would.
        """
        lab, site = self.lab, self.lab.site

        def leave() -> None:
            stimulus = site.moving(nic, to)
            stimulus.gap_s = gap
            stimulus.expects = (Verb.ADD,) if self._asks(nic.node) and site.mobile_ip is None else ()
            lab.stimulus(nic.node, stimulus)
            if gap > 0:
                site.unplug(nic)
            else:
                site.move(nic, to)
            lab.gone()

        lab.timeline.at(self.time_s, leave)
        if gap > 0:
            lab.timeline.at(self.time_s + gap, lambda: site.plug(nic, to))

    def attach(self, node: Node, name: str, *, to: Segment) -> None:
        """Add a NIC to the running node, on a segment, and configure it."""
        lab, site = self.lab, self.lab.site
        nic = node.nic(name)
        verbs: list[Verb] = []
        if node.sessions:  # programs that were not written for roamlab have none of its sessions
            wishes = node.sessions[-1].wishes
            verbs = [Verb.ADD, *([Verb.SET_PRIMARY] if wishes.set_primary else [])]
            if wishes.set_primary and wishes.delete:
                verbs.append(Verb.DELETE)
        asks = self._asks(node.name)
        expects = tuple(verb for verb in verbs if verb in asks)

        def act() -> None:
            self._coming(Attach, nic, to, expects)
            site.attach(nic.node, name, to)

        lab.timeline.at(self.time_s, act)

    def detach(self, nic: Nic) -> None:
        """Take a NIC out of the running node, with its link and its addresses."""
        lab, site = self.lab, self.lab.site

        def act() -> None:
            lab.stimulus(nic.node, Detach(site.address(nic.node, nic.name), nic=nic.name))
            site.detach(nic)
            lab.gone()

        lab.timeline.at(self.time_s, act)

    def link_down(self, nic: Nic) -> None:
        """Take a NIC's link away where it is, as a base station that fails would; its addresses stay."""
        self._link(nic, up=False)

    def link_up(self, nic: Nic) -> None:
        """Give a NIC its link back."""
        self._link(nic, up=True)

    def readdress(self, nic: Nic, *, overlap: float = 0.0) -> None:
        """Change the addresses of a NIC that stays where it is, as a network that renumbers would.

        With an ``overlap`` the old addresses go so many seconds after the new ones came; else both happen at once. The new
        address takes the default route.
        """
        lab, site = self.lab, self.lab.site

        def act() -> None:
            expects = (Verb.ADD,) if self._asks(nic.node) else ()
            old, segment = site.address(nic.node, nic.name), site.where(nic)
            new = site.fresh_addresses(nic)
            up_ns, down_ns = site.delays_ns(segment, nic.node)
            stimulus = Readdress(
                to=segment.name, nic=nic.name, old=old, new=site.of_family(new), overlap_s=overlap
            )
            stimulus.expects, stimulus.up_ns, stimulus.down_ns = expects, up_ns, down_ns
            lab.stimulus(nic.node, stimulus)
            site.readdress(nic, new, keep=overlap > 0)

        lab.timeline.at(self.time_s, act)
        if overlap > 0:
            lab.timeline.at(self.time_s + overlap, lambda: site.drop_old_addresses(nic))

    def impair(
        self,
        nic: Nic,
        *,
        delay: float | None = None,
        loss: float | None = None,
        rate: float | None = None,
    ) -> None:
        """Change what a NIC's link does to packets, in both directions; what isn't named stays as it is.

        ``delay`` is in seconds and one way, ``loss`` in percent, ``rate`` in Mbit/s.
        """
        named = {"delay": delay, "loss": loss, "bw": rate}
        changes = {name: value for name, value in named.items() if value is not None}
        lab, site = self.lab, self.lab.site

        def act() -> None:
            lab.stimulus(nic.node, Impair(*self._link_of(nic), delay, loss, rate, nic=nic.name))
            site.impair(nic, **changes)

        lab.timeline.at(self.time_s, act)

    def fade(self, nic: Nic, *, over: float, level: float = -100.0) -> None:
        """Let the signal of a NIC fade within ``over`` seconds to a ``level`` (dBm), and stay there.

        Loss and rate of its link follow the level as in FIG. 8 (``roamlab.protocols.radio.link``).
        """
        from roamlab.protocols import radio  # where it is used: imports are a quarter of a short run

        lab, site = self.lab, self.lab.site
        steps = max(1, round(over / _FADE_EVERY_S))

        def begin() -> None:
            lab.stimulus(nic.node, Fade(*self._link_of(nic), over, level, nic=nic.name))

        def step(number: int) -> None:
            quality = radio.link(_FADES_FROM + (level - _FADES_FROM) * number / steps)
            site.impair(nic, loss=quality.loss, bw=quality.rate)

        lab.timeline.at(self.time_s, begin)
        for number in range(1, steps + 1):
            lab.timeline.at(self.time_s + over * number / steps, partial(step, number))

    def walk(self, *, to: float) -> None:
        """Have the mobile node walk to a place, ``to`` m from the first base station on; for a lab with a `Stroll`."""
        lab = self.lab

        def act() -> None:
            if lab.stroll is None:
                raise LabError("nobody walks here: the scenario has no radio")
            lab.stroll.target_m = to

        lab.timeline.at(self.time_s, act)

    def block(self, router: Node, nic: Nic, peer: Node) -> None:
        """Have a router drop all that goes between the segment that a NIC is on and a peer, both ways.

        The stimulus counts from 0.2 s later on, when what had passed the router has arrived.
        """
        lab, site = self.lab, self.lab.site

        def drop(*, back: bool) -> None:
            site.block(router.name, *site.ends(nic, peer.name, back=back))

        for back in (False, True):
            lab.timeline.at(self.time_s, partial(drop, back=back))

        def blocked() -> None:
            lab.stimulus(nic.node, Block(site.address_on(site.where(nic), nic.node), nic=nic.name))

        lab.timeline.at(self.time_s + _UNDER_WAY_S, blocked)

    def allow(self, router: Node, nic: Nic, peer: Node) -> None:
        """Undo :meth:`block`."""
        lab, site = self.lab, self.lab.site

        def act() -> None:
            new = site.address_on(site.where(nic), nic.node)
            lab.stimulus(nic.node, Allow(new, router.name, nic=nic.name))
            for back in (False, True):
                site.allow(router.name, *site.ends(nic, peer.name, back=back))

        lab.timeline.at(self.time_s, act)

    def rebind(self, nic: Nic) -> None:
        """Have the NAT that a NIC is behind forget its connections, as one does that restarts: they get other ports."""
        lab, site = self.lab, self.lab.site

        def act() -> None:
            nat = lab.routers.rebind(site.where(nic))
            lab.stimulus(nic.node, Rebind(nic=nic.name, router=nat.node, outside=nat.outside))

        lab.timeline.at(self.time_s, act)

    def datagram(self, node: Node, peer: Node, *, size: int) -> None:
        """Send one UDP datagram of ``size`` octets to a peer's discard port (RFC 863, IPv4), to show what becomes of it."""
        lab = self.lab
        lab.timeline.at(self.time_s, lambda: lab.routers.send(node.name, peer.address, size))

    def edge(self, nic: Nic) -> None:
        """Say that the link of a NIC to the segment that it is on then is unlike the others, so that the capture must show it.

        The topology makes it so; where the segment's delay differs by direction, its edge has "up" or "down".
        """
        lab, site = self.lab, self.lab.site

        def act() -> None:
            segment = site.where(nic)
            up_s, down_s = segment.edge_delay()
            lab.condition(
                Edge(
                    mobile=nic.node,
                    nic=nic.name,
                    segment=segment.name,
                    up_s=up_s,
                    down_s=down_s,
                    loss=float(segment.edge.get("loss", 0.0)),
                    bw=segment.edge.get("bw"),
                    node=segment.router,
                )
            )

        lab.timeline.at(self.time_s, act)

    def _link(self, nic: Nic, *, up: bool) -> None:
        lab, site = self.lab, self.lab.site

        def act() -> None:
            own = site.address(nic.node, nic.name)
            lab.stimulus(nic.node, LinkUp(own, nic=nic.name) if up else LinkDown(own, nic=nic.name))
            site.link(nic, up=up)

        lab.timeline.at(self.time_s, act)

    def _asks(self, node: str) -> frozenset[Verb]:
        """The requests (RFC 5061) that a move of a node leads to: those of its sessions' transports."""
        transports = [session.transport for session in self.lab.node(node).sessions] or ["sctp"]
        none: frozenset[Verb] = frozenset()
        return none.union(*(find(name).reconfigures for name in transports)) if self.lab.site.asconf else none

    def _link_of(self, nic: Nic) -> tuple[str, str]:
        """The other end of a NIC's link: its segment's router, and the segment, whose name the router's port has."""
        segment = self.lab.site.where(nic)
        return segment.router, segment.name

    def _coming(
        self, verb: type[Attach | Reconnect], nic: Nic, to: Segment, expects: tuple[Verb, ...]
    ) -> None:
        """Record that a NIC comes to a segment."""
        site = self.lab.site
        new = site.address_on(to, nic.node)
        up_ns, down_ns = site.delays_ns(to, nic.node)
        arrival = verb(to=to.name, nic=nic.name, new=new, expects=expects, up_ns=up_ns, down_ns=down_ns)
        self.lab.stimulus(nic.node, arrival)
