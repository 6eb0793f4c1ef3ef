"""A scenario tried out before anything boots: its function is played against a network that only keeps account.

The handles and verbs are those of a run, with the real site behind them; what a kernel, agents and time would do is left out.
So a mistake is found where it stands: a segment, NIC or node that the topology has not, a value of another kind than a verb
takes, a misspelt name. Without agents nothing is ever reported: what a scenario asks of results, it finds empty here.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from types import FrameType, FunctionType, TracebackType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, Union, cast, get_args, get_origin

from roamlab import topologies
from roamlab.errors import BadInput, LabError, NoSession
from roamlab.lab import lab as handles
from roamlab.lab.by_hand import Looking
from roamlab.lab.clock import Clock, Timeline
from roamlab.lab.handles import Nic, Node
from roamlab.lab.lab import Lab
from roamlab.lab.programs import Program
from roamlab.lab.routers import Routers
from roamlab.lab.site import Site
from roamlab.record.attack_events import AttackStakes
from roamlab.record.conditions import BlackHole, Translation
from roamlab.record.hand import Look
from roamlab.record.run_directory import EventLog, RunDirectory
from roamlab.registry import Scenario, nearest
from roamlab.topologies import RoamingTopo, Segment

if TYPE_CHECKING:
    from roamlab.agents.agent import Agent
    from roamlab.lab.acts import At
    from roamlab.lab.agents import Agents
    from roamlab.lab.handles import Session
    from roamlab.lab.mobile_ip import MobileIp, Terms
    from roamlab.lab.programs import Programs
    from roamlab.network.net import Mininet
    from roamlab.record.event import Event
    from roamlab.topologies import Segment
    from roamlab.transports.base import Readable

_WAITING: Final = (KeyError, IndexError, StopIteration, NoSession)
"""What comes of asking for results that are not there yet: no mistake."""


class Recorder:
    """What a rehearsed scenario did: its sessions, and each verb with its time (s) and what it was given, by name.

    ``prepared`` is what was set before the first session, by name: ``attach`` a list of NICs and segments, ``addresses`` of
    the correspondent, ``prefers`` an address, ``mobile_ip`` its Terms, ``asconf`` and ``auth`` where they were switched off,
    ``attacker`` a position, ``until`` the time (s) that was played before.
    """

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.acts: list[tuple[float, str, Mapping[str, Any]]] = []
        self.prepared: dict[str, Any] = {}

    def at(self, at: At) -> At:
        """The same verbs, each of which is written down first."""
        return cast("At", _RecordedAt(at, self.acts))


class _RecordedAt:
    def __init__(self, at: At, acts: list[tuple[float, str, Mapping[str, Any]]]) -> None:
        self._at, self._acts = at, acts

    def __getattr__(self, verb: str) -> Callable[..., None]:
        do = getattr(self._at, verb)

        def act(*words: object, **named: object) -> None:
            do(*words, **named)
            given = inspect.signature(do).bind(*words, **named)
            given.apply_defaults()
            self._acts.append((self._at.time_s, verb, given.arguments))

        return act


def rehearse(
    scenario: Scenario, parameters: Mapping[str, Any], seed: int = 1, recorder: Recorder | None = None
) -> None:
    """Play a scenario without a kernel; ``recorder`` notes what it does.

    Raises BadInput with the first mistake in one sentence, behind the file and the line where it stands.
    """
    file = scenario.play.__code__.co_filename
    place = _Place(file)
    try:
        built, own = scenario.split(parameters)
        with redirect_stdout(io.StringIO()), _RehearsedSite(scenario.topology(**built), place) as site:
            site.lab.seed = seed
            cast("_RehearsedLab", site.lab).recorder = recorder
            with place.checking():
                scenario.play(site.lab, **own)
            site.played()
    except _WAITING:
        return
    except Exception as error:
        raise BadInput(f"{place.of(error)}: {_sentence(error)}") from None


class _Place:
    """Where a rehearsal is in the scenario's file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._acting: int | None = None

    def line(self) -> int:
        """The line of the file from which what goes on now was called, or was set on the timeline."""
        if self._acting is not None:
            return self._acting
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - there is no other way to ask for it
        while frame is not None and frame.f_code.co_filename != self._file:
            frame = frame.f_back
        return frame.f_lineno if frame is not None else 1

    def acting(self, line: int, action: Callable[[], None]) -> None:
        """Do what a line of the file has set on the timeline."""
        self._acting = line
        action()
        self._acting = None

    def of(self, error: BaseException) -> str:
        """File and line of a mistake."""
        line = self._acting
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._file and self._acting is None:
                line = trace.tb_lineno
            trace = trace.tb_next
        shown = os.path.relpath(self._file) if Path(self._file).is_relative_to(Path.cwd()) else self._file
        return f"{shown}:{line or 1}"

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Compare what the file gives to functions of roamlab with what they take, as long as the block lasts."""

        def called(frame: FrameType, event: str, _: object) -> None:
            caller = frame.f_back
            if event == "call" and caller is not None and caller.f_code.co_filename == self._file:
                _check(frame)

        before = sys.getprofile()
        sys.setprofile(called)
        try:
            yield
        finally:
            sys.setprofile(before)


# -- the site and what it stands on ------------------------------------------------------------------------------------


class _RehearsedSite(Site):
    """The site of a run, on a network that keeps account of its NICs alone."""

    def __init__(self, topology: RoamingTopo, place: _Place) -> None:
        clock = _Clock()
        super().__init__(topology, RunDirectory(Path(os.devnull)), clock, announce_step=lambda _: None)
        self._place = place

    def __enter__(self) -> Self:
        self._agents = cast("Agents", _Agents())
        self._net = cast("Mininet", _Net(self._topology))
        self._log = cast("EventLog", _Log())
        self.lab = _RehearsedLab(self, self._topology, self._agents, self._log, self._clock)
        self.lab.timeline = _Timeline(self._clock, 0, self._place)
        self.lab.programs = cast("Programs", _Programs(self._topology))
        self.lab.routers = _Routers(self)
        for name in (*self.correspondents, *self.mobiles):
            self.start_again(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was made that would have to go."""

    def staff(self, name: str, make: Callable[..., Agent], host: str = "") -> None:
        """Take note that a host has an agent."""
        del make
        _known(host or name, self._topology)
        cast("_Agents", self._agents).staff(name)

    def played(self) -> None:
        """Raise BadInput where something was set for a time that never comes."""
        if cast("_Timeline", self.lab.timeline).waiting() and not self.lab.end_s:
            raise BadInput(
                "the scenario never calls lab.until(...), so nothing that it schedules would be played"
            )


class _RehearsedLab(Lab[RoamingTopo]):
    """A lab that waits for nothing: nobody would ever report."""

    recorder: Recorder | None = None

    def at(self, time_s: float) -> At:
        """The verbs for a time, written down where there is a recorder."""
        at = super().at(time_s)
        return self.recorder.at(at) if self.recorder else at

    def node(self, name: str) -> Node:
        """A node, which has written down what it is told before its session."""
        if name not in self._nodes:
            super().node(name)
            self._nodes[name] = _RehearsedNode(name, self)
        return self._nodes[name]

    def open(self, session: Session) -> None:
        """Take note of a session."""
        super().open(session)
        if self.recorder:
            self.recorder.sessions.append(session)

    def _prepare(self, session: Session) -> None:
        del session

    def until(self, end_s: float) -> None:
        """Take note of the time."""
        self.prepare("until", end_s)
        super().until(end_s)

    def mobile_ip(self, terms: Terms) -> MobileIp:
        """Take note of the terms."""
        self.prepare("mobile_ip", terms)
        return super().mobile_ip(terms)

    def without_asconf(self) -> None:
        """Take note of it."""
        self.prepare("asconf", False)
        super().without_asconf()

    def without_auth(self) -> None:
        """Take note of it."""
        self.prepare("auth", False)
        super().without_auth()

    def record(self, event: Event) -> None:
        """Take note of an attacker."""
        if isinstance(event, AttackStakes):
            self.prepare("attacker", event.position)
        super().record(event)

    def prepare(self, name: str, value: object) -> None:
        """Write down what was set, where that is done before the first session."""
        if self.recorder and not self.recorder.sessions:
            self.recorder.prepared[name] = value

    def prepared(self, name: str) -> list[object]:
        """What a list of that name has so far; another one where nobody records."""
        held: list[object] = self.recorder.prepared.setdefault(name, []) if self.recorder else []
        return held

    def _looks(self) -> AbstractContextManager[Looking]:
        return nullcontext(lambda _: Look())

    def _await(
        self,
        condition: Callable[[], bool],
        otherwise: str,
        error: type[LabError] = LabError,
        again: Callable[[], None] | None = None,
    ) -> None:
        del condition, otherwise, error, again


class _RehearsedNode(Node):
    """A node that has written down what it is told."""

    __slots__ = ()

    def attach(self, name: str, segment: Segment) -> Nic:
        """Take note of a NIC."""
        cast("_RehearsedLab", self.lab).prepared("attach").append((self.name, name, segment.name))
        return super().attach(name, segment)

    def add_address(self, number: int = 1) -> str:
        """Take note of an address."""
        cast("_RehearsedLab", self.lab).prepared("addresses").append((self.name, number))
        return super().add_address(number)

    def prefers(self, address: str) -> None:
        """Take note of the address."""
        cast("_RehearsedLab", self.lab).prepare("prefers", address)
        super().prefers(address)


class _Routers(Routers):
    """Routers that are asked for things and change nothing."""

    def translate(self, segment: Segment) -> Translation:
        """Take note of a NAT."""
        self._made.add(segment.name)
        return Translation(subnet=str(segment.subnet.ipv4), outside="", node=segment.router)

    def rebind(self, segment: Segment) -> Translation:
        """Raise LabError where there is no NAT."""
        self.check(segment)
        return self.translate(segment)

    def send(self, node: str, address: str, size: int) -> None:
        """Send nothing."""

    def swallow(self, segment: Segment, mtu: int, mobile: str) -> BlackHole:
        """Take note of a black hole."""
        return BlackHole(mtu=mtu, mobile=mobile, address="", node=segment.router)


class _Clock:
    """Time that goes by when it is waited for."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        return self._now_ns

    def wait(self, sources: Iterable[Readable], until_ns: int) -> list[Readable]:
        del sources
        self._now_ns = max(self._now_ns, until_ns)
        return []


class _Timeline(Timeline):
    """A timeline whose actions know the line that set them."""

    def __init__(self, clock: Clock, start_ns: int, place: _Place) -> None:
        super().__init__(clock, start_ns)
        self._place = place

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` at a time, in the name of the line that this is called from."""
        super().at(time_s, partial(self._place.acting, self._place.line(), action))

    def waiting(self) -> int:
        """How many actions were not played."""
        return len(self._actions)


class _Log:
    """Keeps nothing."""

    start_ns = 0

    def write(self, *_: object, **__: object) -> None:
        """Take an event."""

    def batch(self) -> AbstractContextManager[None]:
        """Take several."""
        return nullcontext()


class _Agents:
    """Agents that are told things and do nothing."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def staff(self, name: str) -> None:
        """There is an agent of this name from now on."""
        self._names.add(name)

    def await_ready(self) -> None:
        """All are."""

    def command(self, name: str, *_: object, **__: object) -> None:
        """Take a command. Raises BadInput for an agent that there isn't."""
        if name not in self._names:
            raise BadInput(
                f"there is no agent {name!r} to command{nearest(name, dict.fromkeys(self._names))}"
            )

    def readers(self) -> Mapping[Readable, Callable[[], None]]:
        """Nobody says anything."""
        return {}

    def kill(self, name: str) -> None:
        """End one."""
        self._names.discard(name)


class _Anything:
    """What any question may be asked of, and answers nothing."""

    def __getattr__(self, name: str) -> _Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> _Anything:
        return self

    def __iter__(self) -> Iterator[object]:
        return iter(())


class _Programs(_Anything):
    """Programs that are not started, and go on until the end."""

    def __init__(self, topology: RoamingTopo) -> None:
        self._topology = topology

    def run(self, node: str, words: str | Sequence[str], *, name: str = "", **_: object) -> Program:
        """Take note of one. Raises BadInput where the topology has no such node."""
        return Program(name or str(words), _known(node, self._topology), pid=0, stdin=-1)

    def readers(self) -> Mapping[Readable, Callable[[], None]]:
        """None says anything."""
        return {}


class _Nic(_Anything):
    """A NIC, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Net(_Anything):
    """The network of a topology: which nodes there are, and which NICs they have now."""

    def __init__(self, topology: RoamingTopo) -> None:
        self._topology = topology
        self._nics: dict[str, dict[str, _Nic]] = {}
        for left, right, info in topology.links(withInfo=True):
            for node, key in ((left, "intfName1"), (right, "intfName2")):
                held = self._nics.setdefault(node, {})
                name = str(info.get(key) or f"{node}-eth{len(held)}")
                held[name] = _Nic(name)

    def __getitem__(self, name: str) -> _Anything:
        _known(name, self._topology)
        return _Anything()

    def nic(self, node: str, name: str = "") -> _Nic:
        """A NIC of a node, by default its first. Raises BadInput where it has none of that name now."""
        held = self._nics.get(_known(node, self._topology), {})
        if not name and held:
            return next(iter(held.values()))
        if name not in held:
            raise BadInput(f"{node} has no NIC {name!r} then{nearest(name, held)}")
        return held[name]

    def attach(self, node: str, name: str, segment: str) -> _Nic:
        """Add a NIC to a node."""
        held = self._nics.setdefault(_known(node, self._topology), {})
        _known(segment, self._topology)
        if name in held:
            raise BadInput(f"{node} has a NIC {name!r} already")
        held[name] = _Nic(name)
        return held[name]

    def detach(self, nic: _Nic, *_: object, **__: object) -> None:
        """Remove a NIC."""
        for held in self._nics.values():
            if held.get(nic.name) is nic:
                del held[nic.name]


def _known(name: str, topology: RoamingTopo) -> str:
    """A node's name, or a segment's. Raises BadInput where the topology has none of that name."""
    names = [*topology.hosts(), *topology.switches()]
    if name not in names:
        raise BadInput(f"this topology has no node {name!r}{nearest(str(name), dict.fromkeys(names))}")
    return name


# -- what is said of a mistake -----------------------------------------------------------------------------------------


def _sentence(error: BaseException) -> str:
    if isinstance(error, AttributeError) and error.name and "object has no attribute" in str(error):
        names = dict.fromkeys(name for name in dir(error.obj) if not name.startswith("_"))
        kind = type(error.obj).__name__.removeprefix("_Rehearsed")
        return f"{kind} has no {error.name!r}{nearest(error.name, names)}"
    if isinstance(error, LabError | AttributeError):
        return str(error)
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _check(frame: FrameType) -> None:
    """Raise BadInput where a function of roamlab was called with a value of another kind than it takes."""
    if str(frame.f_globals.get("__name__", "")).partition(".")[0] != "roamlab":
        return
    function, given = _function(frame), frame.f_locals
    if function is None:
        return
    for name, parameter in inspect.signature(function).parameters.items():
        hint, value = parameter.annotation, given.get(name)
        if hint is parameter.empty or value is parameter.default or name not in given:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or _fits(value, hint, frame):
            continue
        called = type(given["self"]).__name__ if function.__name__ == "__init__" else function.__name__
        raise BadInput(f"{called}() takes {_name(hint)} as {name}, not {value!r}")


def _function(frame: FrameType) -> FunctionType | None:
    """The function that a frame carries out, where it can be told."""
    code = frame.f_code
    owner = type(frame.f_locals["self"]) if "self" in frame.f_locals else None
    found = inspect.getattr_static(owner, code.co_name, None) if owner else frame.f_globals.get(code.co_name)
    found = getattr(found, "fget", None) or getattr(found, "__func__", found)
    return found if isinstance(found, FunctionType) and found.__code__ is code else None


def _fits(value: object, hint: object, frame: FrameType) -> bool:
    """Whether a value may be what an annotation says; so it is where nobody can tell."""
    if not isinstance(hint, str):
        return _is_of(value, hint)
    spaces: list[Mapping[str, object]] = [frame.f_globals, vars(handles), vars(topologies), _BUILTINS]
    for part in hint.split("|"):
        name = part.partition("[")[0].strip().rpartition(".")[2]
        kind = next((space[name] for space in spaces if name in space), Any)
        if _is_of(value, kind):
            return True
    return False


def _is_of(value: object, kind: object) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _is_of(value, arguments[0])
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_is_of(value, each) for each in arguments)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(kind, type) or kind in _UNTOLD or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(value, kind)


def _name(hint: object) -> str:
    return hint if isinstance(hint, str) else getattr(hint, "__name__", str(hint))


_BUILTINS: Final[Mapping[str, object]] = {
    **{kind.__name__: kind for kind in (str, int, float, bool)},
    "None": type(None),
}
_UNTOLD: Final = (Annotated, Any)
"""Names that are classes to Python 3.11 and say nothing of a value by themselves."""
