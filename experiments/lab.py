"""The handles that a scenario acts with: its nodes, NICs, segments and sessions, and what happens at set times.

A scenario reads like the figure it reproduces::

    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=2.0)
    lab.until(20.0)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from experiments.agents import Agents
from experiments.clock import Clock, Timeline
from experiments.errors import LabError
from experiments.run_directory import EventLog
from protocols.mobility import Announce, Verb, Wishes

PORT: Final = 5001
Family = Literal[4, 6]
_CONNECT_NS: Final = 20 * 10**9
_DRAIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages of ``size`` bytes, ``every`` so many seconds, in both directions of a session."""

    session: Session
    every: float
    size: int


@dataclass(slots=True)
class Session:
    """What an application keeps with its correspondent; its associations may come and go."""

    number: int
    mobile: Mobile
    correspondent: Correspondent
    announce: Announce
    wishes: Wishes
    managed: bool = True

    def stream(self, every: float = 0.02, size: int = 200) -> Stream:
        """A stream to start: up and down at once, until two seconds before the scenario's end."""
        return Stream(self, every, size)


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC of the mobile node."""

    node: str
    name: str


@dataclass(frozen=True, slots=True)
class Correspondent:
    """The correspondent node."""

    name: str


@dataclass(slots=True)
class Mobile:
    """The mobile node."""

    name: str
    lab: Lab
    sessions: list[Session] = field(default_factory=list)

    def nic(self, name: str) -> Nic:
        """One of its NICs, by name."""
        return Nic(self.name, name)

    def connect(
        self,
        correspondent: Correspondent,
        *,
        family: Family = 4,
        announce: Announce = Announce.SOCKET,
        managed: bool = True,
        set_primary: bool = True,
        delete: bool = True,
    ) -> Session:
        """Set up an association over IPv4 or IPv6 (``family``) now, and wait for it.

        ``announce`` says who puts new addresses into ASCONFs, ``set_primary`` and ``delete`` how far the mobility manager
        goes (FIG. 7); without being ``managed`` the node keeps its association as it is. Raises LabError when there is no
        association within 20 s.
        """
        self.lab.site.family = family
        session = Session(
            len(self.sessions) + 1, self, correspondent, announce, Wishes(set_primary, delete), managed
        )
        self.sessions.append(session)
        self.lab.open(session)
        return session


class Lab:
    """A running network with its agents, as a scenario sees it."""

    def __init__(self, site: Any, agents: Agents, log: EventLog, clock: Clock) -> None:
        self.site = site
        self.agents = agents
        self._log = log
        self._clock = clock
        self.timeline = Timeline(clock, log.start_ns)
        self._up: set[int] = set()
        self.streams: list[tuple[float, Stream]] = []
        self.end_s = 0.0
        self.mobile = Mobile(site.mobile, self)
        self.correspondent = Correspondent(site.correspondent)

    def __getattr__(self, name: str) -> Any:
        """The topology's segments by name: ``lab.home``, ``lab.visited``."""
        if name.startswith("_") or name not in self.site.segments:
            raise AttributeError(
                f"this topology has no segment {name!r}; it has {', '.join(self.site.segments)}"
            )
        return self.site.segments[name]

    def without_asconf(self) -> None:
        """Switch dynamic address reconfiguration off on both nodes (net.sctp.addip_enable), before any session."""
        self.site.without_asconf()

    def at(self, time_s: float) -> At:
        """What is to happen at a time, in seconds since the run's start."""
        return At(self, time_s)

    def until(self, end_s: float) -> None:
        """Play everything that was set, and go on until ``end_s``."""
        self.end_s = end_s
        for start_s, stream in self.streams:
            self._start(start_s, stream)
        for second in range(1, int(end_s) + 1):
            self.timeline.at(float(second), partial(print, f"roamlab: at {second}/{end_s:g}", flush=True))
        self.timeline.play(end_s, self.agents.readers)

    # -- what the verbs of At come to --------------------------------------------------------------------------------

    def open(self, session: Session) -> None:
        """Start listening and managing for a session, connect it, and wait until it is up."""
        family = self.site.family
        name = session.mobile.name
        if len(session.mobile.sessions) == 1:
            self.agents.command(session.correspondent.name, "listen", local=self.site.wildcard, port=PORT)
            self.agents.command(name, "watch", family=family)
            if session.managed:
                self.agents.command(
                    name,
                    "manage",
                    announce=session.announce.value,
                    set_primary=session.wishes.set_primary,
                    delete=session.wishes.delete,
                )
        self.connect(session)
        deadline_ns = self._clock.now_ns() + _CONNECT_NS
        while session.number not in self._up and self._clock.now_ns() < deadline_ns:
            readers = self.agents.readers()
            for source in self._clock.wait(readers, deadline_ns):
                readers[source]()
        if session.number not in self._up:
            raise LabError(
                "no association came up within 20 s; see mn.log, cn.log and the capture in the run directory"
            )

    def noticed(self, kind: str, details: dict[str, Any]) -> None:
        """Take note of an agent's event."""
        if kind == "session.opened":
            self._up.add(details["session"])

    def connect(self, session: Session, nic: str = "") -> None:
        """Have the mobile node set up an association for a session over a NIC, anew where it had one."""
        by_kernel = session.announce is Announce.KERNEL
        self.agents.command(
            session.mobile.name,
            "connect",
            session=session.number,
            local=self.site.wildcard if by_kernel else self.site.mobile_address(nic),
            peer=self.site.correspondent_address,
            port=PORT,
            kernel_announces=by_kernel,
        )

    def _start(self, start_s: float, stream: Stream) -> None:
        session = stream.session
        every_ns = round(stream.every * 1e9)
        self._log.write(
            self._clock.now_ns(),
            "lab",
            "session.start",
            session=session.number,
            mobile=session.mobile.name,
            correspondent=session.correspondent.name,
            every_ns=every_ns,
            streams=["up", "down"],
        )
        for node in (session.mobile.name, session.correspondent.name):
            self.agents.command(
                node,
                "stream",
                session=session.number,
                every_ns=every_ns,
                size=stream.size,
                start_ns=self._log.start_ns + round(start_s * 1e9),
                end_ns=self._log.start_ns + round((self.end_s - _DRAIN_S) * 1e9),
            )

    def stimulus(self, action: str, at_s: float, nic: Nic, **details: Any) -> None:
        """Record what is done to a NIC now, so that the verdict can look for it in the capture."""
        self._log.write(
            self._clock.now_ns(), nic.node, "stimulus", action=action, at_s=at_s, nic=nic.name, **details
        )


@dataclass(frozen=True, slots=True)
class At:
    """The verbs of a scenario: what happens at one instant."""

    lab: Lab
    time_s: float

    def start(self, stream: Stream) -> None:
        """Start a stream."""
        self.lab.streams.append((self.time_s, stream))

    def move(self, nic: Nic, *, to: Any, gap: float = 0.0) -> None:
        """Take a NIC from its segment and plug it into another, without a link for ``gap`` seconds in between.

        The host is configured with an address of the new segment the moment the link is there, as a network that hands out
        addresses at once would.
        """
        lab, site = self.lab, self.lab.site
        expects = [Verb.ADD.value] if self._asconf() else []

        def leave() -> None:
            old = site.mobile_address(nic.name)
            lab.stimulus(
                "move",
                self.time_s,
                nic,
                to=to.name,
                old=old,
                new=site.address_on(to),
                gap_s=gap,
                expects=expects,
                **site.delays_ns(to),
            )
            if gap > 0:
                site.unplug(nic.name)
            else:
                site.move(nic.name, to)

        lab.timeline.at(self.time_s, leave)
        if gap > 0:
            lab.timeline.at(self.time_s + gap, lambda: site.plug(nic.name, to))

    def attach(self, mobile: Mobile, name: str, *, to: Any) -> None:
        """Add a NIC to the running mobile node, on a segment, and configure it."""
        lab, site = self.lab, self.lab.site
        nic = Nic(mobile.name, name)
        wishes = mobile.sessions[-1].wishes
        verbs = [Verb.ADD, *([Verb.SET_PRIMARY] if wishes.set_primary else [])]
        if wishes.set_primary and wishes.delete:
            verbs.append(Verb.DELETE)
        expects = [verb.value for verb in verbs] if self._asconf() else []

        def act() -> None:
            lab.stimulus(
                "attach",
                self.time_s,
                nic,
                to=to.name,
                new=site.address_on(to),
                expects=expects,
                **site.delays_ns(to),
            )
            site.attach(name, to)

        lab.timeline.at(self.time_s, act)

    def reconnect(self, session: Session, *, over: str, to: Any, pause: float) -> None:
        """The conventional way (FIG. 6): end the association, add a NIC ``pause`` seconds later, connect anew over it."""
        lab, site = self.lab, self.lab.site
        nic = Nic(session.mobile.name, over)

        def leave() -> None:
            lab.stimulus(
                "reconnect",
                self.time_s,
                nic,
                to=to.name,
                new=site.address_on(to),
                expects=[],
                **site.delays_ns(to),
            )
            lab.agents.command(session.mobile.name, "disconnect", session=session.number)

        def return_() -> None:
            site.attach(over, to)
            lab.connect(session, over)

        lab.timeline.at(self.time_s, leave)
        lab.timeline.at(self.time_s + pause, return_)

    def kill(self, mobile_or_correspondent: Mobile | Correspondent) -> None:
        """Kill a node's agent, as a crash would."""
        lab = self.lab
        lab.timeline.at(self.time_s, lambda: lab.agents.kill(mobile_or_correspondent.name))

    def _asconf(self) -> bool:
        return bool(self.lab.site.asconf)
