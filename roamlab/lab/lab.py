"""A running network as a scenario sees it: its nodes and segments, and what happens at set times.

A scenario reads like the figure it reproduces::

    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.02))
    lab.at(5.0).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=2.0)
    lab.until(20.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, Generic
from typing import TypeVar as _TypeVar

from roamlab.errors import LabError, NoSession
from roamlab.lab.acts import At
from roamlab.lab.by_hand import FOR_EVER_S, ByHand, Looking, looks
from roamlab.lab.clock import Clock, Timeline
from roamlab.lab.handles import PORT, Family, Nic, Node, SctpStack, Session, Stream, Style, Transport
from roamlab.lab.under_way import UnderWay
from roamlab.protocols.mobility import Announce
from roamlab.record import commands
from roamlab.record.commands import Connect, Greet, Listen, Manage, Watch
from roamlab.record.event import Event
from roamlab.record.events import Expectation, Listening, SessionOpened, SessionStart, Way
from roamlab.record.mobile_ip_events import MipState, MipTable, TableRow
from roamlab.record.run_directory import EventLog
from roamlab.record.stimuli import Arrival, Stimulus
from roamlab.registry import Verdict, nearest
from roamlab.transports import find

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from roamlab.lab.contracts import Commands, HasHome, HasVisited, HasVisited2, Site
    from roamlab.lab.mobile_ip import MobileIp, MobilityAgent, Terms
    from roamlab.lab.programs import Program, Programs, Ready
    from roamlab.lab.radio import Stroll
    from roamlab.lab.routers import Routers
    from roamlab.record.conditions import Condition
    from roamlab.topologies import HomeAndVisited, Segment
    from roamlab.transports.base import Readable

    Net_co = TypeVar("Net_co", covariant=True, default=HomeAndVisited)
else:  # the default is for who reads types; Python has it from 3.13 on
    from typing import TypeVar

    Net_co = TypeVar("Net_co", covariant=True)

E = _TypeVar("E", bound=Event)
__all__ = ["PORT", "Family", "Lab", "Nic", "Node", "SctpStack", "Session", "Stream", "Style", "Transport"]

_CONNECT_NS: Final = 20 * 10**9
_AGAIN_NS: Final = 10**9
_DRAIN_S: Final = 2.0
# As long as six retransmissions take, each twice as long as the last (RFC 9260, 6.3.3).
_LAST_WAIT_S: Final = 63.0


class Lab(Generic[Net_co]):
    """A running network with its agents, as a scenario sees it.

    ``topology`` is what the network was built from; ``Lab`` alone stands for ``Lab[HomeAndVisited]``. The segments are
    attributes of the topology, and those that are named as in FIG. 1 of the lab, too: ``lab.home``, ``lab.visited``.

    Attributes:
        mobiles, correspondents: the nodes of each kind, in the topology's order.
        mobile, correspondent: the first of each.
        sessions: all that were set up.
        exact: whether what the lab does takes no time.

    """

    def __init__(self, site: Site, topology: Net_co, agents: Commands, log: EventLog, clock: Clock) -> None:
        self.site = site
        self.topology = topology
        self.agents = agents
        self._log = log
        self._clock = clock
        self.timeline = Timeline(clock, log.start_ns)
        self._handlers: dict[type[Event], list[Callable[[Any], None]]] = {}
        self.exact = True
        self._up: set[int] = set()
        self._heard = 0
        self.seed = 1
        self._settled = False
        self.tables: dict[str, Sequence[TableRow]] = {}
        self.streams: list[tuple[float, Stream]] = []
        self.end_s = 0.0
        self._under_way = UnderWay()
        self._hand: ByHand | None = None
        self.stroll: Stroll | None = None
        """Where the mobile node walks between base stations, where it does."""
        self._nodes: dict[str, Node] = {}
        self.mobiles = tuple(map(self.node, site.mobiles))
        self.correspondents = tuple(map(self.node, site.correspondents))
        self.mobile, self.correspondent = self.mobiles[0], self.correspondents[0]
        self.sessions: list[Session] = []
        self._listening: dict[tuple[str, str], str] = {}
        """Where nodes listen, by node and transport."""
        self._prepared: set[tuple[str, str, str]] = set()
        """What transports have prepared: which one, between whom."""
        self._watching: set[tuple[str, str]] = set()
        """Nodes that watch their NICs, each with the transports whose sessions are managed there."""
        self._running: list[tuple[float, Stream]] = []

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
                segments = self.site.segments
                close = nearest(name, dict.fromkeys([*segments, *(n for n in vars(Lab) if n[0] != "_")]))
                raise AttributeError(
                    f"the lab has no segment or method {name!r}{close}; its segments are {', '.join(segments)}"
                )
            return self.site.segments[name]

    def node(self, name: str) -> Node:
        """A node of the network by name, routers included. Raises LabError for one that there isn't."""
        if name not in self._nodes:
            known = self.site.hosts
            if name not in known:
                raise LabError(f"this topology has no node {name!r}{nearest(name, dict.fromkeys(known))}")
            self._nodes[name] = Node(name, self)
        return self._nodes[name]

    def start(self, node: Node) -> Segment:
        """The segment that a node starts on. Raises LabError for one that can't move."""
        return self.site.start(node.name)

    @property
    def family(self) -> int:
        """The family (4 or 6) that addresses are given in: that of the last session, unless it is set."""
        return self.site.family

    @family.setter
    def family(self, family: int) -> None:
        self.site.family = family

    @property
    def wildcard(self) -> str:
        """The unspecified address of the lab's family."""
        return self.site.wildcard

    def without_asconf(self) -> None:
        """Switch dynamic address reconfiguration off on all nodes (net.sctp.addip_enable), before any session."""
        self.site.without_asconf()

    def without_auth(self) -> None:
        """Take ASCONFs without AUTH on all nodes, in associations that are set up from now on."""
        self.site.without_auth()

    @cached_property
    def routers(self) -> Routers:
        """What routers do besides routing."""
        from roamlab.lab.routers import Routers  # few scenarios have any

        return Routers(self.site)

    def behind_nat(self, segment: Segment) -> None:
        """Make the router of a segment a NAT for it (IPv4), from now on."""
        self.condition(self.routers.translate(segment))

    def black_hole(self, segment: Segment, mtu: int) -> None:
        """Have the router of a segment drop what it forwards that is larger than ``mtu`` octets (IPv4), and say nothing."""
        self.condition(self.routers.swallow(segment, mtu, self.mobile.name))

    def mobile_ip(self, terms: Terms) -> MobileIp:
        """Set Mobile IP up, with the first mobile node at home, and wait until that has found its home agent.

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
        """Play everything that was set, and go on until ``end_s``; longer where messages are under way that may yet arrive.

        A run by hand ends when the hand says so.
        """
        self.end_s = end_s if self._hand is None else FOR_EVER_S
        self.timeline.postpone(start_s for start_s, _ in self.streams)
        for start_s, stream in self.streams:
            self._start(start_s, stream)
        self.streams.clear()
        if self._hand is None:
            for second in range(1, int(end_s) + 1):
                self.timeline.at(float(second), partial(print, f"roamlab: at {second}/{end_s:g}", flush=True))
            self.timeline.play(end_s, self._readers, self._log.batch)
        else:
            with self._looks() as look:
                end_s = self.end_s = self._hand.play(self, look, self._readers, self._log.batch)
        self._await_last(end_s)

    def by_hand(self, acts: Callable[[Lab[Any]], None], *, until: float) -> None:
        """Play what a person did in the live lab: ``acts`` sets it when all else is set, and the run ends at ``until`` (s).

        With what the scenario sets besides, and with the looks that the live lab took, it comes to the same bits.
        """
        self._hand = ByHand(acts, until)

    def _looks(self) -> AbstractContextManager[Looking]:
        return looks(self.site.run_dir)

    def follow(self, hand: ByHand) -> None:
        """Have a hand do what it does in this run, and say when it ends."""
        self._hand = hand

    def segment(self, name: str) -> Segment:
        """A segment by name. Raises LabError for one that there isn't."""
        if name not in self.site.segments:
            segments = self.site.segments
            raise LabError(f"this topology has no segment {name!r}{nearest(name, segments)}")
        return self.site.segments[name]

    def mobility_agent(self, name: str) -> MobilityAgent:
        """A home or foreign agent by its node. Raises LabError for one that there isn't."""
        return self.site.mobility_agent(name)

    def end_streams(self) -> None:
        """Have nobody send any more in the sessions' streams."""
        for _, stream in self._running:
            for node in (stream.session.mobile, stream.session.correspondent):
                with suppress(LabError):  # it was killed, and sends nothing
                    node.tell(commands.EndStream(stream.session.number))
        self._running.clear()

    @cached_property
    def programs(self) -> Programs:
        """The programs that run on nodes besides the lab's own agents."""
        from roamlab.lab.programs import Programs  # few scenarios have any

        return Programs(self.site, self._clock, self._emit)

    def run(
        self,
        node: str,
        words: str | Sequence[str],
        *,
        ready: Ready = None,
        waits: bool = False,
        name: str = "",
        env: Mapping[str, str] | None = None,
        fed: bool = False,
    ) -> Program:
        """Start any program on a node; see `Node.run`."""
        program = self.programs.run(node, words, name=name, env=env, fed=fed)
        if waits or ready is not None:
            self.programs.await_ready(program, ready)
        return program

    def until_ended(self, program: Program, *, least_s: float, most_s: float) -> None:
        """Play everything that was set, until a program has ended: from ``least_s`` on, and until ``most_s`` at the longest."""
        self.end_s = most_s
        self.timeline.postpone()
        now_s = 0.0
        while now_s < most_s and (program.status is None or now_s < least_s):
            now_s = min(now_s + 1.0, most_s)
            print(f"roamlab: at {now_s:g}/{most_s:g}", flush=True)
            self.timeline.play(now_s, self._readers, self._log.batch)

    @property
    def now_s(self) -> float:
        """Seconds since the run's start."""
        return (self._clock.now_ns() - self._log.start_ns) / 1e9

    @property
    def plan_s(self) -> float:
        """Seconds since the plan's beginning, which is some seconds later where the set-up took long."""
        return (self._clock.now_ns() - self.timeline.ns(0.0)) / 1e9

    def _readers(self) -> Mapping[Readable, Callable[[], None]]:
        if "programs" not in self.__dict__:
            return self.agents.readers()
        return {**self.agents.readers(), **self.programs.readers()}

    def _emit(self, event: Event) -> None:
        event.t = self._clock.now_ns()
        self._log.write(event)

    def _await_last(self, end_s: float) -> None:
        """Go on, second by second, while a session that outlived the last stimulus has messages under way."""
        reliable = {session.number for session in self.sessions if find(session.transport).reliable}
        last_s = end_s
        while last_s < end_s + _LAST_WAIT_S and self._under_way.any(reliable):
            last_s += 1.0
            print(f"roamlab: at {last_s:g}/{last_s:g}", flush=True)
            self.timeline.play(last_s, self._readers, self._log.batch)

    # -- what the verbs of At come to --------------------------------------------------------------------------------

    def open(self, session: Session) -> None:
        """Start listening and managing for a session, connect it, and wait until it is up."""
        roams = session.listener in self.mobiles and session.managed
        if (
            roams and not session.called
        ):  # the one that is called announces by its kernel: it has no socket yet
            session.listener.announces()
        ends = (session.transport, session.caller.name, session.listener.name)
        if ends not in self._prepared:
            self._prepared.add(ends)
            self._prepare(session)
        if (session.listener.name, session.transport) not in self._listening:
            wanted = self._heard + 1
            self._listen(session)
            self._await(
                lambda: self._heard >= wanted,
                f"{session.listener.name} did not start to listen within 20 s; "
                f"see {session.listener.name}.log in the run directory",
            )
        for node in [session.mobile, *([session.listener] if roams else [])]:
            if (node.name, session.transport) not in self._watching:
                self._watch(node, session)
        self.connect(session)
        self._await(
            lambda: session.number in self._up,
            "no session came up within 20 s; see mn.log, cn.log and the capture in the run directory",
            NoSession,
            partial(self._greet, session) if not find(session.transport).repeats else None,
        )

    def _prepare(self, session: Session) -> None:
        """Have its transport make both nodes ready for a session."""
        find(session.transport).prepare(self.site, session.caller.name, session.listener.name)

    def _listen(self, session: Session) -> None:
        """Have the one who is called listen: a mobile node at the address that it has, the others at all of theirs."""
        node, transport = session.listener, session.transport
        local = node.address if session.called and not session.anywhere else self.wildcard
        local = self._listening.setdefault((node.name, transport), local)
        style = node.style == "one-to-many"
        node.tell(Listen(local, PORT, transport, style))

    def _watch(self, node: Node, session: Session) -> None:
        """Have a node that can move report its NICs, and act on them where the session is managed."""
        if node.name not in {name for name, _ in self._watching}:
            node.tell(Watch(self.family))
        self._watching.add((node.name, session.transport))
        if session.managed:
            wishes, announce = session.wishes, session.announce
            if node is not session.mobile:  # it was called: see `open`
                announce = Announce.KERNEL
            node.tell(Manage(announce.value, wishes.set_primary, wishes.delete, session.transport))

    def begin_again(self, node: Node) -> None:
        """Start a node's agent that was killed: it listens, watches and connects as it did, and its streams go on."""
        self.site.start_again(node.name)
        for session in node.sessions:
            if node is session.listener:
                self._listen(session)
        watched = {transport for name, transport in self._watching if name == node.name}
        self._watching -= {(node.name, transport) for transport in watched}
        for session in node.sessions:
            if session.transport in watched:
                watched.remove(session.transport)
                self._watch(node, session)
        for session in node.sessions:
            if node is session.caller:
                self.connect(session)
        for start_s, stream in self._running:
            self._stream(start_s, stream, node)

    def _greet(self, session: Session) -> None:
        session.caller.tell(Greet(session.number))

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

    def noticed(self, event: Event) -> None:
        """Take note of an agent's event."""
        self._under_way.noticed(event)
        for handle in self._handlers.get(type(event), ()):
            handle(event)
        match event:
            case MipTable():
                self.tables[event.node] = event.rows
            case MipState() if event.node == self.mobile.name:
                self._settled = event.state == "at home"
            case Listening():
                self._heard += 1
            case SessionOpened():
                self._up.add(event.session)

    def on_event(self, kind: type[E], handle: Callable[[E], None]) -> None:
        """Call ``handle`` with each agent's event of a class."""
        self._handlers.setdefault(kind, []).append(handle)

    def record(self, event: Event) -> None:
        """Record an event of the lab's own."""
        event.t, event.node = self._clock.now_ns(), "lab"
        self._log.write(event)

    def expect(self, verdict: Verdict) -> None:
        """Say which verdict this kernel is known to come to, where that isn't the scenario's (docs/findings.md)."""
        self.record(Expectation(verdict.value))

    def connect(self, session: Session, nic: str = "") -> None:
        """Have a session's association set up, by a mobile node over a NIC; again where it had one."""
        by_kernel = session.announce is Announce.KERNEL
        mobile = self.site.wildcard if by_kernel else self.site.address(session.mobile.name, nic)
        correspondent = session.correspondent.address
        local, peer = (correspondent, mobile) if session.called else (mobile, correspondent)
        session.caller.tell(Connect(session.number, local, peer, PORT, session.transport, by_kernel))

    def _start(self, start_s: float, stream: Stream) -> None:
        session, every_ns = stream.session, round(stream.every * 1e9)
        nodes = session.mobile.name, session.correspondent.name
        self.record(SessionStart(session.number, *nodes, every_ns, session.transport, stream.ways))
        self._running.append((start_s, stream))
        for node in (session.mobile, session.correspondent):
            self._stream(start_s, stream, node)

    def _stream(self, start_s: float, stream: Stream, node: Node) -> None:
        """Have a node send its side of a stream, from now on where that is later than its start."""
        session, every_ns = stream.session, round(stream.every * 1e9)
        way: Way = "up" if node is session.mobile else "down"
        if node not in (session.mobile, session.correspondent) or way not in stream.ways:
            return
        start_ns, first = self.timeline.ns(start_s), 0
        if self.timeline.begun and (late_ns := self._clock.now_ns() - start_ns) > 0:
            first = late_ns // every_ns + 1
        begin_ns, end_ns = start_ns + first * every_ns, self.timeline.ns(self.end_s - _DRAIN_S)
        told = commands.Stream(session.number, every_ns, stream.size, begin_ns, end_ns, way=way, first=first)
        told.answers = stream.answers and way == "down"
        node.tell(told)

    def gone(self) -> None:
        """Note that a link is gone: where that took a moment, what was sent in it says nothing of how a session takes that."""
        if not self.exact:
            self._under_way.stimulated(self._clock.now_ns())

    def condition(self, condition: Condition) -> None:
        """Record what the network is like from now on."""
        condition.t = self._clock.now_ns()
        self._log.write(condition)

    def stimulus(self, node: str, stimulus: Stimulus) -> None:
        """Record what is done to a node now, so that the verdict can look for it in the capture."""
        stimulus.t, stimulus.node = self._clock.now_ns(), node
        self._under_way.stimulated(stimulus.t)
        if isinstance(stimulus, Arrival):
            own = self.node(node)
            peers = dict.fromkeys(session.peer_of(own).name for session in own.sessions)
            stimulus.peer = next(iter(peers)) if len(peers) > 1 else ""
        stimulus.at_s = round((stimulus.t - self._log.start_ns) / 1e9, 2)
        self._log.write(stimulus)
