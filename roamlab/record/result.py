"""What a run comes to: the verdict, its figures, its outages as intervals, and the steps that led there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import msgspec

from roamlab.registry import Verdict

Way = Literal["up", "down"]
"""A direction of a session: up is from the mobile node, down towards it."""
Better = Literal["less", "more", ""]
"""Which way a figure is better; nothing where neither is."""


class Both(msgspec.Struct, frozen=True):
    """One figure for each direction: up is from the mobile node, down towards it."""

    up: float | None = None
    down: float | None = None


class Count(msgspec.Struct, frozen=True):
    """One count of messages for each direction."""

    up: int = 0
    down: int = 0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an outage: its name and how long it took (ns).

    ``needed`` says that physics or the protocol asks for it, so that it belongs to the bound; else it is a wait.
    """

    name: str
    length_ns: int
    needed: bool


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A silence at the receiving application of one direction: the longest of those that belong to a stimulus.

    Times are in ns since the run's start. ``from_ns`` is the last delivery before the silence, ``until_ns`` the first after
    it, or None where delivery never resumed. ``bound_ns`` is the shortest that the silence could have been (docs/measures.md),
    or None where no bound applies. ``stimulus`` counts the run's stimuli from 0. ``parts`` add up to the outage; there are
    none without an end or without a bound.
    """

    direction: Way
    from_ns: int
    until_ns: int | None
    bound_ns: int | None = None
    stimulus: int = 0
    parts: list[Part] = []

    @property
    def length_ns(self) -> int | None:
        """How long it was; None where it did not end."""
        return None if self.until_ns is None else self.until_ns - self.from_ns

    @property
    def waits_s(self) -> dict[str, float]:
        """What it contained besides its bound: lengths in s by name."""
        return {part.name: round(part.length_ns / 1e9, 9) for part in self.parts if not part.needed}


def longest(outages: list[Outage], direction: Way) -> Outage | None:
    """The longest outage in a direction, one without an end before any other; None where there is none."""
    mine = [outage for outage in outages if outage.direction == direction]
    return max(mine, key=lambda o: (o.until_ns is None, o.length_ns or 0), default=None)


class Measure(msgspec.Struct, frozen=True):
    """A figure that one kind of scenario has: ``value`` in ``unit`` (``s``, ``bytes``, ``KiB``, or nothing for a number).

    ``better`` says which way it is better.
    """

    name: str
    value: float
    unit: str = ""
    better: Better = ""

    @property
    def key(self) -> str:
        """The name with its unit, as columns and properties are called: ``longest_wait_s``."""
        return f"{self.name}_{self.unit.lower()}" if self.unit else self.name

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ")

    @property
    def text(self) -> str:
        """The value with its unit."""
        return f"{self.value:g} {self.unit}".rstrip()


class Talk(msgspec.Struct, frozen=True):
    """What became of a service that a program used, over all its conversations (docs/programs.md).

    ``outcome`` is ``survived`` (the same conversation went on), ``recovered`` (another took over) or ``broke``; ``text`` says
    so in a sentence, ``facts`` what was to be seen besides.
    """

    service: str
    outcome: str
    text: str
    outages: tuple[Outage, ...] = ()
    facts: tuple[str, ...] = ()


class ProgramEnd(msgspec.Struct, frozen=True):
    """A program and how it ended.

    ``status`` is None where it ran until the lab ended it; ``ended_ns`` is since the run's start.
    """

    name: str
    node: str
    words: str
    status: int | None
    ended_ns: int | None


# -- the causal chain --------------------------------------------------------------------------------------------------


class Happened(msgspec.Struct, frozen=True, tag_field="what", tag="event"):
    """An event: its kind (docs/events.md)."""

    kind: str


class Asked(msgspec.Struct, frozen=True, tag_field="what", tag="requests"):
    """An ASCONF leaves or arrives with these requests (``ADD IP``, ``SET PRIMARY``, ``DELETE IP``)."""

    arrives: bool
    verbs: tuple[str, ...]


class Answered(msgspec.Struct, frozen=True, tag_field="what", tag="answer"):
    """An ASCONF-ACK leaves or arrives; it refuses these requests of the ASCONF that it answers."""

    arrives: bool
    refused: tuple[str, ...] = ()


class SetUp(msgspec.Struct, frozen=True, tag_field="what", tag="set-up"):
    """One of the four messages that set an association up (``INIT``, ``INIT-ACK``, ``COOKIE-ECHO``, ``COOKIE-ACK``).

    ``prefers`` is the address that it asks for as primary path (RFC 5061, 5.4), if it does.
    """

    message: str
    arrives: bool
    tunnelled: bool = False
    cookie: bool = False
    prefers: str = ""


class Registered(msgspec.Struct, frozen=True, tag_field="what", tag="registration"):
    """A Registration Request or Reply leaves or arrives; ``accepted`` is None for a request."""

    arrives: bool
    accepted: bool | None


class Carried(msgspec.Struct, frozen=True, tag_field="what", tag="data"):
    """A message of the session arrives, on a path of its own: the first on the new path, or about one that dies.

    ``path`` is ``new``, ``dying`` (the first that came over it) or ``other`` (the first that came another way afterwards).
    """

    direction: Way
    path: Literal["new", "dying", "other"]
    tunnelled: bool = False


class More(msgspec.Struct, frozen=True, tag_field="what", tag="more"):
    """The chain ends here, before so many more stimuli."""

    stimuli: int


Detail = Happened | Asked | Answered | SetUp | Registered | Carried | More


class CausalStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the causal chain.

    ``t`` is in seconds since the run's start; ``step`` and ``text`` say for people what ``detail`` says for programs;
    ``packet`` is the packet's place in the capture, counted from 0, or None for what came from an agent or the lab.
    """

    t: float
    step: str
    node: str
    text: str
    detail: Detail
    packet: int | None = None


class FigureStep(msgspec.Struct, frozen=True):
    """A step that the design's figure draws, and what became of it.

    ``number`` is its place in the figure, from 1; ``says`` what the figure says; ``place`` that of the step of the causal
    chain that shows it, counted from 0, or None for a step that was not taken. ``refused`` says that what it asked for was
    refused.
    """

    number: int
    says: str
    place: int | None
    refused: bool = False

    @property
    def outcome(self) -> str:
        """What became of the step, in a word or two."""
        return "not taken" if self.place is None else "refused" if self.refused else "taken"


# -- a run's result ----------------------------------------------------------------------------------------------------


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run and each of its sessions have in common.

    ``reasons`` are sentences. ``outage_s`` is the length of each direction's longest outage: 0 where there was none, None
    where it did not end or nothing was measured. ``lower_bound_s`` is what that outage could have come to at least.
    """

    verdict: str
    reasons: list[str]
    sent: Count = Count()
    delivered: Count = Count()
    lost: Count = Count()
    duplicated: Count = Count()
    outage_s: Both = Both()
    lower_bound_s: Both = Both()
    outages: list[Outage] = []


class SessionJudgement(Findings, frozen=True, kw_only=True):
    """What became of one session.

    ``mobile`` is the node whose messages go up, ``correspondent`` the other. ``chain`` is the session's own causal chain, where
    the run has several sessions, up to ten; where it has one, the run's is this session's.
    """

    number: int
    mobile: str
    correspondent: str
    transport: str
    chain: list[CausalStep] = []

    @property
    def name(self) -> str:
        """The session in words."""
        return f"session {self.number} ({self.mobile} and {self.correspondent})"


class Judgement(Findings, frozen=True, kw_only=True):
    """``verdict.json``: everything that follows from the plan, the capture and the events, and nothing else.

    The verdict is that of the session that fared worst; ``sessions`` has each. Messages are counted over all of them; outages
    and bounds are those of the session with the longest outage.
    """

    scenario: str
    figure: str
    expected: str
    sessions: list[SessionJudgement] = []
    measures: list[Measure] = []
    virtual_s: float = 0.0
    chain: list[CausalStep] = []
    steps: list[FigureStep] = []
    talks: list[Talk] = []
    programs: list[ProgramEnd] = []

    @property
    def waits_s(self) -> dict[str, float]:
        """The waits in the longest outages: by name, the longer of the two directions' (s)."""
        waits: dict[str, float] = {}
        for outage in (longest(self.outages, "up"), longest(self.outages, "down")):
            for name, length in (outage.waits_s if outage else {}).items():
                waits[name] = max(length, waits.get(name, 0.0))
        return waits

    @property
    def figures(self) -> dict[str, float]:
        """The measures' values by their keys."""
        return {measure.key: measure.value for measure in self.measures}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with the run that it is about; ``as_dict`` is what ``--json`` prints.

    ``parameters`` are those that differ from their defaults; ``status`` is the exit status.
    """

    judgement: Judgement
    parameters: dict[str, Any]
    kernel: dict[str, Any]
    seed: int
    run_dir: str
    wall_s: float
    status: int

    @property
    def verdict(self) -> Verdict:
        """What became of the session."""
        return Verdict(self.judgement.verdict)

    @property
    def expected(self) -> Verdict:
        """What the scenario, or what is known of this kernel, says should become of it."""
        return Verdict(self.judgement.expected)

    @property
    def reasons(self) -> list[str]:
        """Why, a sentence each."""
        return self.judgement.reasons

    @property
    def outages(self) -> list[Outage]:
        """The longest silence of each direction since the first stimulus, with its bound."""
        return self.judgement.outages

    @property
    def measures(self) -> list[Measure]:
        """Figures that this kind of scenario has besides."""
        return self.judgement.measures

    @property
    def chain(self) -> list[CausalStep]:
        """What led from the stimulus to the outcome, in order."""
        return self.judgement.chain

    @property
    def directory(self) -> Path:
        """The run directory."""
        return Path(self.run_dir)

    @property
    def capture(self) -> Path:
        """What the nodes sent and received, as pcapng; missing where the run ended too early."""
        return self.directory / "capture.pcapng"

    @property
    def events(self) -> Path:
        """What the agents and the lab reported, a JSON object a line; missing where the run ended too early."""
        return self.directory / "events.jsonl"

    def _repr_html_(self) -> str:
        # By its name: what is drawn stands above what is recorded, and is needed in notebooks alone.
        return str(import_module("roamlab.reports.notebook").html(self))

    def as_dict(self) -> dict[str, Any]:
        """One flat object."""
        return {
            **msgspec.to_builtins(self.judgement),
            "parameters": self.parameters,
            "kernel": self.kernel,
            "seed": self.seed,
            "run_dir": self.run_dir,
            "wall_s": self.wall_s,
            "status": self.status,
        }

    @classmethod
    def of(cls, printed: object) -> Result:
        """The result that `as_dict` gave. Raises msgspec.ValidationError for anything else."""
        judgement = msgspec.convert(printed, Judgement)
        rest = msgspec.convert(printed, _Beside)
        return cls(judgement=judgement, **msgspec.structs.asdict(rest))


class _Beside(msgspec.Struct):
    """What a result has besides its judgement."""

    parameters: dict[str, Any]
    kernel: dict[str, Any]
    seed: int
    run_dir: str
    wall_s: float
    status: int
