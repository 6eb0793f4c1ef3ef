"""The handles that a scenario acts with: its nodes, NICs, segments and sessions, and what happens at set times.

A scenario reads like the figure it reproduces::

    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=2.0)
    lab.until(20.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Literal

from roamlab.errors import LabError, NoSession
from roamlab.lab.acts import At
from roamlab.lab.clock import Clock, Timeline
from roamlab.lab.under_way import UnderWay
from roamlab.protocols.mobility import Announce, Wishes
from roamlab.record.run_directory import EventLog
from roamlab.registry import Verdict

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from roamlab.lab.contracts import Commands, HasHome, HasVisited, HasVisited2, Site
    from roamlab.lab.mobile_ip import MobileIp, Terms
    from roamlab.lab.request_acts import Anywhere
    from roamlab.topologies import HomeAndVisited, Segment

    Net_co = TypeVar("Net_co", covariant=True, default=HomeAndVisited)
else:  # the default is for who reads types; Python has it from 3.13 on
    from typing import TypeVar

    Net_co = TypeVar("Net_co", covariant=True)

PORT: Final = 5001
Family = Literal[4, 6]
Transport = Literal["sctp", "tcp", "udp"]
Style = Literal["one-to-one", "one-to-many"]
"""Of the correspondent's listening socket: to Linux one endpoint an association, or one for all."""
_CONNECT_NS: Final = 20 * 10**9
_AGAIN_NS: Final = 10**9
_DRAIN_S: Final = 2.0
# As long as six retransmissions take, each twice as long as the last (RFC 9260, 6.3.3).
_LAST_WAIT_S: Final = 63.0


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages of ``size`` bytes, ``every`` so many seconds, in both directions of a session."""

    session: Session
    every: float
    size: int


@dataclass(slots=True)
class Session:
    """What an application keeps with its correspondent; its associations may come and go.

    ``called``: the correspondent node set it up, to the mobile node's home address; ``anywhere``: that listened on all its
    addresses.
    """

    number: int
    mobile: Mobile
    correspondent: Correspondent
    announce: Announce
    wishes: Wishes
    managed: bool = True
    transport: Transport = "sctp"
    called: bool = False
    anywhere: bool = False

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

    def connect(self, mobile: Mobile, *, transport: Transport = "sctp", anywhere: bool = False) -> Session:
        """Set up a session to the mobile node's home address now, and wait for it. Raises LabError as Mobile.connect."""
        number = len(mobile.sessions) + 1
        session = Session(
            number,
            mobile,
            self,
            Announce.SOCKET,
            Wishes(),
            managed=False,
            transport=transport,
            called=True,
            anywhere=anywhere,
        )
        return mobile.keep(session)


@dataclass(slots=True)
class Mobile:
    """The mobile node."""

    name: str
    lab: Lab[object]
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
        transport: Transport = "sctp",
    ) -> Session:
        """Set up an association (connection, flow) over IPv4 or IPv6 (``family``) now, and wait for it.

        ``announce`` says who puts new addresses into ASCONFs, ``set_primary`` and ``delete`` how far the mobility manager
        goes (FIG. 7); without being ``managed`` the node keeps its association as it is. Raises LabError when there is no
        association within 20 s.
        """
        self.lab.site.family = family
        number, wishes = len(self.sessions) + 1, Wishes(set_primary, delete)
        return self.keep(Session(number, self, correspondent, announce, wishes, managed, transport))

    def keep(self, session: Session) -> Session:
        """Add a session and open it."""
        self.sessions.append(session)
        self.lab.open(session)
        return session


class Lab(Generic[Net_co]):
    """A running network with its agents, as a scenario sees it.

    ``topology`` is what the network was built from; ``Lab`` alone stands for ``Lab[HomeAndVisited]``. The segments are
    attributes of the topology, and those that are named as in FIG. 1 of the lab, too: ``lab.home``, ``lab.visited``.
    """

    def __init__(self, site: Site, topology: Net_co, agents: Commands, log: EventLog, clock: Clock) -> None:
        self.site = site
        self.topology = topology
        self.agents = agents
        self._log = log
        self._clock = clock
        self.timeline = Timeline(clock, log.start_ns)
        self._heeding: dict[str, list[Callable[[dict[str, Any]], None]]] = {}
        self._up: set[int] = set()
        self._listening: list[str] = []
        self.seed = 1
        self._settled = False
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.streams: list[tuple[float, Stream]] = []
        self.end_s = 0.0
        self._under_way = UnderWay()
        self.mobile = Mobile(site.mobile, self)
        self.correspondent = Correspondent(site.correspondent)

    if TYPE_CHECKING:  # so that a segment that this topology has not is found by who reads types

        @property
        def home(self: Lab[HasHome]) -> Segment:
            """The segment where the mobile node starts."""

        @property
        def visited(self: Lab[HasVisited]) -> Segment:
            """A foreign segment."""

        @property
        def visited2(self: Lab[HasVisited2]) -> Segment:
            """Another foreign segment."""

    else:

        def __getattr__(self, name: str) -> Segment:
            if name.startswith("_") or name not in self.site.segments:
                known = ", ".join(self.site.segments)
                raise AttributeError(f"this topology has no segment {name!r}; it has {known}")
            return self.site.segments[name]

    def without_asconf(self) -> None:
        """Switch dynamic address reconfiguration off on both nodes (net.sctp.addip_enable), before any session."""
        self.site.without_asconf()

    def mobile_ip(self, terms: Terms) -> MobileIp:
        """Set Mobile IP up, with the mobile node at home, and wait until that has found its home agent.

        From now on the mobile node's NICs keep the home address wherever they are plugged in.
        """
        started = self.site.start_mobile_ip(terms)
        self._await(
            lambda: self._settled, "the mobile node heard no home agent within 20 s; see mn.log, ha.log"
        )
        return started

    def mobility_agents(self, terms: Terms) -> MobileIp:
        """Start home and foreign agents, with a mobile node that makes no use of them."""
        return self.site.start_mobile_ip(terms, used=False)

    def at(self, time_s: float) -> At:
        """What is to happen at a time, in seconds since the run's start; all of it later where the set-up took longer."""
        return At(self, time_s)

    def until(self, end_s: float) -> None:
        """Play everything that was set, and go on until ``end_s``; longer where messages are under way that may yet arrive."""
        self.end_s = end_s
        self.timeline.postpone(start_s for start_s, _ in self.streams)
        for start_s, stream in self.streams:
            self._start(start_s, stream)
        self.streams.clear()
        for second in range(1, int(end_s) + 1):
            self.timeline.at(float(second), partial(print, f"roamlab: at {second}/{end_s:g}", flush=True))
        self.timeline.play(end_s, self.agents.readers, self._log.batch)
        self._await_last(end_s)

    def _await_last(self, end_s: float) -> None:
        """Go on, second by second, while a session that outlived the last stimulus has messages under way."""
        reliable = {session.number for session in self.mobile.sessions if session.transport != "udp"}
        last_s = end_s
        while last_s < end_s + _LAST_WAIT_S and self._under_way.any(reliable):
            last_s += 1.0
            print(f"roamlab: at {last_s:g}/{last_s:g}", flush=True)
            self.timeline.play(last_s, self.agents.readers, self._log.batch)

    # -- what the verbs of At come to --------------------------------------------------------------------------------

    def open(self, session: Session) -> None:
        """Start listening and managing for a session, connect it, and wait until it is up."""
        waiting = session.mobile.name if session.called else session.correspondent.name
        earlier = session.mobile.sessions[:-1]
        if session.transport not in {s.transport for s in earlier if s.called == session.called}:
            anywhere = session.anywhere or not session.called
            local = self.site.wildcard if anywhere else self.site.mobile_address()
            style = {"transport": session.transport, "one_to_many": self.site.one_to_many}
            self.agents.command(waiting, "listen", local=local, port=PORT, **style)
            wanted = len(self._listening) + 1
            self._await(
                lambda: len(self._listening) >= wanted,
                f"{waiting} did not come to listen within 20 s; see {waiting}.log in the run directory",
            )
        if not earlier:
            self.agents.command(session.mobile.name, "watch", family=self.site.family)
            if session.managed:
                self.agents.command(
                    session.mobile.name,
                    "manage",
                    announce=session.announce.value,
                    set_primary=session.wishes.set_primary,
                    delete=session.wishes.delete,
                )
        self.connect(session)
        self._await(
            lambda: session.number in self._up,
            "no session came up within 20 s; see mn.log, cn.log and the capture in the run directory",
            NoSession,
            partial(self._greet, session) if session.transport == "udp" else None,
        )

    def _greet(self, session: Session) -> None:
        self.agents.command(self._caller(session), "greet", session=session.number)

    def _await(
        self,
        condition: Callable[[], bool],
        otherwise: str,
        error: type[LabError] = LabError,
        again: Callable[[], None] | None = None,
    ) -> None:
        """Read what agents report until a condition holds; for each second without a report do something ``again``."""
        deadline_ns = self._clock.now_ns() + _CONNECT_NS
        while not condition() and (now_ns := self._clock.now_ns()) < deadline_ns:
            readers = self.agents.readers()
            readable = self._clock.wait(
                readers, min(deadline_ns, now_ns + _AGAIN_NS) if again else deadline_ns
            )
            for source in readable:
                readers[source]()
            if again and not readable:
                again()
        if not condition():
            raise error(otherwise)

    def noticed(self, time_ns: int, node: str, kind: str, details: dict[str, Any]) -> None:
        """Take note of an agent's event."""
        self._under_way.noticed(time_ns, kind, details)
        for heed in self._heeding.get(kind, ()):
            heed(details)
        if kind == "mip.table":
            self.tables[node] = details["rows"]
        if kind == "mip.state" and node == self.mobile.name:
            self._settled = details["state"] == "at home"
        if kind == "listening":
            self._listening.append(node)
        if kind == "session.opened":
            self._up.add(details["session"])

    def on_event(self, kind: str, heed: Callable[[dict[str, Any]], None]) -> None:
        """Call ``heed`` with the details of each agent's event of a kind."""
        self._heeding.setdefault(kind, []).append(heed)

    def record(self, kind: str, **details: Any) -> None:
        """Record an event of the lab's own."""
        self._log.write(self._clock.now_ns(), "lab", kind, **details)

    def expect(self, verdict: Verdict) -> None:
        """Say which verdict this kernel is known to come to, where that isn't the scenario's (docs/findings.md)."""
        self.record("expectation", verdict=verdict.value)

    def connect(self, session: Session, nic: str = "") -> None:
        """Have a session's association set up, by the mobile node over a NIC; anew where it had one."""
        by_kernel = session.announce is Announce.KERNEL
        mobile = self.site.wildcard if by_kernel else self.site.mobile_address(nic)
        correspondent = self.site.correspondent_address
        self.agents.command(
            self._caller(session),
            "connect",
            session=session.number,
            local=correspondent if session.called else mobile,
            peer=mobile if session.called else correspondent,
            port=PORT,
            transport=session.transport,
            kernel_announces=by_kernel,
        )

    @staticmethod
    def _caller(session: Session) -> str:
        return session.correspondent.name if session.called else session.mobile.name

    def _start(self, start_s: float, stream: Stream) -> None:
        session, every_ns = stream.session, round(stream.every * 1e9)
        self._log.write(
            self._clock.now_ns(),
            "lab",
            "session.start",
            session=session.number,
            mobile=session.mobile.name,
            correspondent=session.correspondent.name,
            every_ns=every_ns,
            transport=session.transport,
            streams=["up", "down"],
        )
        for node in (session.mobile.name, session.correspondent.name):
            self.agents.command(
                node,
                "stream",
                session=session.number,
                every_ns=every_ns,
                size=stream.size,
                start_ns=self.timeline.ns(start_s),
                end_ns=self.timeline.ns(self.end_s - _DRAIN_S),
            )

    def stimulus(self, action: str, nic: Nic | Anywhere, **details: Any) -> None:
        """Record what is done to a NIC now, so that the verdict can look for it in the capture."""
        now_ns = self._clock.now_ns()
        self._under_way.stimulated(now_ns)
        at_s = round((now_ns - self._log.start_ns) / 1e9, 2)  # what the verdict calls it by
        self._log.write(now_ns, nic.node, "stimulus", action=action, at_s=at_s, nic=nic.name, **details)
