"""What a scenario is, the registry of all, and how its parameters are read from text."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    ParamSpec,
    TypeVar,
    get_type_hints,
)

import msgspec

from roamlab.errors import BadInput
from roamlab.parameters import Seconds as Seconds  # noqa: PLC0414 - what scenarios need comes from here
from roamlab.parameters import check, plain, read, shorten, shown
from roamlab.record.hand import Hand
from roamlab.transports import find as find_transport
from roamlab.where import COMMAND

if TYPE_CHECKING:
    from roamlab.lab.lab import Lab

Topology = TypeVar("Topology")
Parameters = ParamSpec("Parameters")
REWRITING: Final = frozenset({"nft_families", "nfqueue"})
"""What it takes to rewrite outgoing packets."""
_READABLE: Final = 20  # names in a sentence


class Verdict(Enum):
    """What became of the session; design words. ``recovered`` is for programs: another connection took over."""

    SURVIVED = "survived"
    RECOVERED = "recovered"
    BROKE = "broke"
    NO_SESSION = "no session"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was asked to do: all that the inside needs to know.

    ``file`` is where the scenario is found inside, empty for one that is found by its name alone; ``topology`` what was asked
    for in place of the scenario's own. Paths in them are absolute or below the run directory. ``hand`` is the record of what a
    person did in it, ``live`` whether one does while it goes on.
    """

    scenario: str
    parameters: dict[str, Any]
    seed: int
    file: str = ""
    topology: str = ""
    hand: Hand | None = None
    live: bool = False
    shared: bool = False
    """whether it is played by a process of its own, in a guest that others may share (roamlab.runs.series)"""
    before: tuple[Plan, ...] = ()
    """what is played before it in the same guest, in this order: its bits follow from that too (docs/virtual-time.md)"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: ``play(lab, **parameters)`` acts on a lab built from ``topology(**its parameters)``.

    A parameter of ``play`` that is a dataclass stands for its fields, each a parameter that can be set (``settable``).
    ``needs`` are the abilities of a kernel that it cannot do without. ``sense(**parameters)`` says why values that are each in
    their range make no sense together, or None. ``memory_mib`` is what its guest has, ``limit_s`` the wall time that a run may
    take. ``file`` is what declares it, None for roamlab's own;
    it is ``installed`` where a package brings it by an entry point. ``topology_name`` names the topology that was asked for
    in place of its own.
    """

    name: str
    figure: str
    expect: Verdict
    topology: Callable[..., Any]
    play: Callable[..., None]
    needs: frozenset[str]
    sense: Callable[..., str | None] | None = None
    memory_mib: int = 512
    limit_s: float = 180.0
    file: Path | None = None
    installed: bool = False
    topology_name: str = ""

    @property
    def reference(self) -> str:
        """What `find` takes to find it again, on this machine: its name, or its file and name."""
        return self.name if self.file is None or self.installed else f"{self.file}:{self.name}"

    @property
    def summary(self) -> str:
        """The first line of the scenario's docstring."""
        return (inspect.getdoc(self.play) or "").partition("\n")[0]

    def own_parameters(self) -> dict[str, inspect.Parameter]:
        """The scenario's own parameters by name."""
        return {p.name: p for p in list(_signature(self.play).values())[1:]}

    def topology_parameters(self) -> dict[str, inspect.Parameter]:
        """Its topology's parameters by name."""
        return _signature(self.topology)

    def parameters(self) -> dict[str, inspect.Parameter]:
        """All that can be set."""
        return {**self.topology_parameters(), **self.own_parameters()}

    def changed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values`` that are not their parameters' defaults, as they are told (``parameters.shown``)."""
        known = self.parameters()
        return {n: shown(v) for n, v in values.items() if n not in known or v != known[n].default}

    def split(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the topology, and what ``play``, is called with for ``values``."""
        own = self.own_parameters()
        arguments = {name: values[name] for name in own if name in values}
        for name, kind in get_type_hints(self.play).items():
            if isinstance(kind, type) and is_dataclass(kind):
                arguments[name] = kind(
                    **{field: arguments.pop(field) for field in settable(kind) if field in arguments}
                )
        return {k: v for k, v in values.items() if k not in own}, arguments

    def needs_for(self, values: Mapping[str, Any]) -> frozenset[str]:
        """The abilities of a kernel that it cannot do without when it is played with these parameters."""
        transport = values.get("transport")
        return (
            self.needs
            | (REWRITING if values.get("way") == "rewriting" else frozenset())
            | (find_transport(transport).needs if isinstance(transport, str) else frozenset())
            | (frozenset({"ipip"}) if values.get("mobile_ip") is True else frozenset())
        )

    def modules_for(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The modules of other packages that hardly any scenario imports, and this one does with these parameters."""
        transport = values.get("transport")
        return find_transport(transport).modules if isinstance(transport, str) else ()

    def complete(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """All parameters with their values: those given (as text) read as their types, the others their defaults.

        Raises BadInput for a name that does not exist, a text that is no value of its type, and values that make no sense.
        """
        known = self.parameters()
        for name in texts:
            if name not in known:
                raise BadInput(f"{self.name} has no parameter {shorten(name)!r}{nearest(name, known)}")
        values = {
            name: read(name, texts[name], parameter) if name in texts else parameter.default
            for name, parameter in sorted(known.items())
        }
        self._refuse_nonsense(values)
        return values

    def checked(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with the values that a record of a run gives them, the others their defaults.

        Raises BadInput for a value that the parameter cannot have today.
        """
        values: dict[str, Any] = {}
        for name, parameter in sorted(self.parameters().items()):
            values[name] = parameter.default
            if name in recorded:
                try:
                    values[name] = msgspec.convert(recorded[name], plain(parameter.annotation))
                except msgspec.ValidationError:
                    raise BadInput(
                        f"{self.name} cannot be played with {name}={shorten(str(recorded[name]))}"
                    ) from None
                check(name, values[name], parameter)
        self._refuse_nonsense(values)
        return values

    def _refuse_nonsense(self, values: Mapping[str, Any]) -> None:
        wrong = self.sense(**values) if self.sense else None
        if wrong:
            raise BadInput(f"{self.name}: {wrong}")


_SCENARIOS: Final[dict[str, Scenario]] = {}
_DECLARED: Final[dict[Path, dict[str, Scenario]]] = {}
RESERVED: Final = frozenset({"kernel", "on_line", "runs", "seed", "topology"})
"""What `roamlab.run` takes besides a scenario's parameters."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def scenario(
    name: str,
    *,
    figure: str = "none",
    expect: Verdict,
    topology: Callable[..., Topology],
    needs: frozenset[str] = frozenset({"sctp"}),
    sense: Callable[..., str | None] | None = None,
    memory_mib: int = 512,
    limit_s: float = 180.0,
) -> Callable[
    [Callable[Concatenate[Lab[Topology], Parameters], None]],
    Callable[Concatenate[Lab[Topology], Parameters], None],
]:
    """Register the decorated function as the scenario ``name``; ``figure`` is the design's that it reproduces.

    ``sense`` is called with all parameters by name, and says in a sentence why they make no sense together, or None.

    ``memory_mib`` is what its guest has, ``limit_s`` the wall time that a run may take (s).

    Raises BadInput for a name that can be no directory's, and for a parameter that is RESERVED.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"a scenario's name has letters, digits, '.', '_' and '-'; {name!r} is not one")

    def register(
        play: Callable[Concatenate[Lab[Topology], Parameters], None],
    ) -> Callable[Concatenate[Lab[Topology], Parameters], None]:
        if taken := RESERVED & inspect.signature(play).parameters.keys():
            raise BadInput(f"{name} cannot have a parameter {min(taken)!r}: roamlab.run has one of that name")
        file = _own_file(play)
        declared = _SCENARIOS if file is None else _DECLARED.setdefault(file, {})
        declared[name] = Scenario(
            name, figure, expect, topology, play, needs, sense, memory_mib, limit_s, file
        )
        return play

    return register


def scenarios() -> dict[str, Scenario]:
    """The scenarios of ``experiments/`` by name, in the order of their names; not those that other rooms keep to themselves."""
    package = importlib.import_module("roamlab.experiments")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"roamlab.experiments.{module}")
    ours = {n: s for n, s in _SCENARIOS.items() if s.play.__module__.startswith(f"{package.__name__}.")}
    return dict(sorted(ours.items()))


def find(reference: str, topology: str = "") -> Scenario:
    """The scenario of that name, or of ``PATH.py`` or ``PATH.py:NAME``; in another ``topology`` where one is named.

    Raises BadInput with the nearest name when there is none.
    """
    found = _find(reference)
    return in_topology(found, topology) if topology else found


def in_topology(found: Scenario, topology: str) -> Scenario:
    """The scenario in another topology than its own. Raises BadInput when there is none of that name."""
    from roamlab import own_files

    built = own_files.topology(topology)
    return replace(found, topology=built, topology_name=own_files.absolute(topology))


def _find(reference: str) -> Scenario:
    if (own := _own(reference)) is not None:
        return own
    from roamlab import own_files

    if own_files.is_file(reference):
        return own_files.scenario(reference)
    known = {**own_files.installed(), **scenarios()}
    if reference not in known:
        raise BadInput(
            f"there is no scenario {shorten(reference)!r}{nearest(reference, known)}; `{COMMAND} list` shows all"
        )
    return known[reference]


def _own(name: str) -> Scenario | None:
    """The scenario of roamlab's own that is in a module of its name, as most are: it needs none of the others."""
    module = name.replace("-", "_")
    if module.isidentifier():
        with suppress(ModuleNotFoundError):
            importlib.import_module(f"roamlab.experiments.{module}")
    return _SCENARIOS.get(name)


def known(name: str, file: str = "", topology: str = "") -> Scenario | None:
    """The scenario that a run was of, if it is roamlab's own or its file was read in this process already.

    The same goes for the topology that it was played in. Nothing that a run directory names is executed for it.
    """
    found = _DECLARED.get(Path(file), {}).get(name) if file else _own(name) or scenarios().get(name)
    if not topology or found is None:
        return found
    from roamlab import own_files

    built = own_files.known_topology(topology)
    return replace(found, topology=built, topology_name=topology) if built else None


def declared_in(file: Path) -> dict[str, Scenario]:
    """The scenarios that a file has declared, by name, in the order in which they stand there."""
    return dict(_DECLARED.get(file, {}))


def declaration(play: Callable[..., None]) -> Scenario:
    """The scenario that a decorated function was registered as. Raises BadInput for one that was not."""
    for group in (_SCENARIOS, *_DECLARED.values()):
        for one in group.values():
            if one.play is play:
                return one
    raise BadInput(f"{getattr(play, '__name__', play)} is not a scenario; write @scenario(...) above it")


def forget(file: Path) -> None:
    """Forget what a file declared: it is about to be read again."""
    _DECLARED.pop(file, None)


def _own_file(play: Callable[..., None]) -> Path | None:
    """The file that declares a scenario; None for those of roamlab."""
    if play.__module__.startswith("roamlab."):
        return None
    return Path(inspect.unwrap(play).__code__.co_filename).resolve()


def settings(pairs: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts as a mapping. Raises BadInput for one without a key or a value, and for a key given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise BadInput(f"--set {shorten(pair)} is not KEY=VALUE; write it like --set gap=2")
        if name in found:
            raise BadInput(f"--set {shorten(name)} is given twice; it can have one value")
        found[name] = value
    return found


def check_seed(seed: int, option: str = "--seed") -> int:
    """The seed, which the guest takes as 64 bits without a sign. Raises BadInput for any other number."""
    if not 0 <= seed < 1 << 64:
        raise BadInput(f"{option} {shorten(str(seed))} is out of range; a seed is 0 to {(1 << 64) - 1}")
    return seed


def settable(kind: type) -> dict[str, inspect.Parameter]:
    """What can be set of a dataclass: its fields with a plain default."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        f.name: inspect.Parameter(
            f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name]
        )
        for f in fields(kind)
        if f.default is not MISSING
    }


def _signature(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    target: Callable[..., Any] = getattr(function, "build", function)
    hints = get_type_hints(target, include_extras=True)
    found: dict[str, inspect.Parameter] = {}
    for parameter in inspect.signature(target).parameters.values():
        kind = hints.get(parameter.name, str)
        if isinstance(kind, type) and is_dataclass(kind):
            found |= settable(kind)
        elif parameter.name != "self":
            found[parameter.name] = parameter.replace(annotation=kind)
    return found


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """What follows an unknown name in a sentence: the nearest known one, or all unless they are too many to read."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(known) or 'none'})" if len(known) <= _READABLE else ""
