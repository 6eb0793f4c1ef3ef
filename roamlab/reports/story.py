"""A run directory read for a picture of it: whatever is there, and the names of what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec

from roamlab.errors import LabError
from roamlab.protocols import trace as traces
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.trace import Trace
from roamlab.record import guarded, run_directory, verified
from roamlab.record.event import Event
from roamlab.record.events import DataReceived, RunEnd, RunStart, SessionStart
from roamlab.record.manifest import Manifest
from roamlab.record.messages import Messages, messages
from roamlab.record.result import Judgement
from roamlab.record.run_directory import RunDirectory
from roamlab.record.stimuli import Stimulus
from roamlab.registry import Plan, known
from roamlab.topologies import RoamingTopo
from roamlab.transports import find

MOBILE_NODE: Final = "mn"
CORRESPONDENT_NODE: Final = "cn"


@dataclass(frozen=True)
class Story:
    """Everything a picture of a run is made from.

    ``events`` have ``t`` in ns since the run's start, sorted; ``epoch_ns`` takes them to the capture's clock. ``missing`` are
    sentences about what the run directory lacks; each of ``plan``, ``manifest``, ``judgement`` and ``trace`` is empty or None
    where it is one of those.
    """

    run: RunDirectory
    plan: dict[str, Any]
    manifest: Manifest | None
    judgement: Judgement | None
    events: tuple[Event, ...]
    trace: Trace | None
    epoch_ns: int
    missing: tuple[str, ...]

    @property
    def scenario(self) -> str:
        """The scenario's name, as far as any file tells it."""
        return str(self.plan.get("scenario") or (self.judgement.scenario if self.judgement else "unknown"))

    @cached_property
    def session(self) -> SessionStart | None:
        """What the first session was started with, if one was."""
        return next((e for e in self.events if isinstance(e, SessionStart)), None)

    @cached_property
    def messages(self) -> Messages:
        """What was sent and delivered, in ns since the run's start."""
        return messages(self.events)

    @cached_property
    def topology(self) -> RoamingTopo | None:
        """The network that the run was played in, with the run's parameters; None where no scenario tells it."""
        try:
            own = (self.manifest.file, self.manifest.topology) if self.manifest else ("", "")
            scenario = known(self.scenario, *own)
            if scenario is None:
                return None
            parameters, _ = scenario.split(self.plan.get("parameters", {}))
            built = scenario.topology(**parameters)
        except (LabError, TypeError, KeyError):  # a scenario or parameter of another version of the lab
            return None
        return built if isinstance(built, RoamingTopo) else None

    @property
    def mobile(self) -> str:
        """The mobile node's name."""
        known = self.topology.mobile if self.topology else MOBILE_NODE
        return self.session.mobile if self.session else known

    @property
    def correspondent(self) -> str:
        """The correspondent node's name."""
        known = self.topology.correspondent if self.topology else CORRESPONDENT_NODE
        return self.session.correspondent if self.session else known

    @cached_property
    def end_ns(self) -> int:
        """When the last thing happened (ns since the run's start); at least 1, so that it can divide."""
        last_event = self.events[-1].t if self.events else 0
        sightings = self.trace.sightings if self.trace else ()
        last_packet = max((s.time_ns for s in sightings), default=self.epoch_ns) - self.epoch_ns
        return int(max(last_event, last_packet, 1))

    @property
    def carrier(self) -> str:
        """What carried the session, in the word of its transport."""
        return find(self.session.transport).carrier if self.session else "session"

    @cached_property
    def stimuli(self) -> list[Stimulus]:
        """What the scenario did."""
        return [event for event in self.events if isinstance(event, Stimulus)]

    @property
    def actions(self) -> tuple[str, ...]:
        """The verbs of what the scenario did, in order."""
        return tuple(stimulus.action for stimulus in self.stimuli)


def read(run: RunDirectory) -> Story:
    """Read a run directory, however much of it there is. Raises nothing for what is missing or damaged: it is named."""
    missing: list[str] = []
    plan = _json(run, run_directory.PLAN, Plan, missing)
    found = _json(run, run_directory.MANIFEST, Manifest, missing)
    manifest = msgspec.convert(found, Manifest) if found else None
    verdict = _json(run, run_directory.VERDICT, dict[str, Any], missing)
    missing += [f"{sentence}." for sentence in verified.alterations(run)]
    judgement = None
    if verdict:
        try:
            judgement = msgspec.convert(verdict, Judgement)
        except msgspec.ValidationError as error:
            missing.append(f"{run_directory.VERDICT} is of another version: {guarded.printable(str(error))}.")
    events = list(_until_damage(run.events, missing))
    trace = _trace(run, missing)
    if not events:
        missing.append("There are no events: the guest ended before the lab could report anything.")
    elif not any(isinstance(event, RunEnd) for event in events):
        last = events[-1]
        missing.append(
            f"The run did not finish; the last event is {last.kind} of {last.node} at {last.t / 1e9:.3f} s."
        )
    if events and not any(isinstance(event, DataReceived) for event in events):
        missing.append("Nothing was delivered to an application in either direction.")
    return Story(run, plan, manifest, judgement, tuple(events), trace, _epoch(events, trace), tuple(missing))


def _json(run: RunDirectory, name: str, kind: type, missing: list[str]) -> dict[str, Any]:
    """A file's content, which has the shape of ``kind``; empty, and said in ``missing``, where it hasn't."""
    if not (run.path / name).exists():
        missing.append(f"There is no {name}.")
        return {}
    try:
        content: dict[str, Any] = run.read(name)
        msgspec.convert(content, kind)
    except (LabError, msgspec.ValidationError):
        missing.append(f"{name} is damaged.")
        return {}
    return content


def _until_damage(events: Callable[[], Iterator[Event]], missing: list[str]) -> Iterator[Event]:
    try:
        yield from events()
    except (msgspec.DecodeError, LabError):
        missing.append(f"{run_directory.EVENTS} is damaged; everything after the damage is left out.")


def _trace(run: RunDirectory, missing: list[str]) -> Trace | None:
    try:
        trace = traces.read(guarded.read(run.path, run_directory.CAPTURE, guarded.FILE_LIMIT))
    except FileNotFoundError:
        missing.append(f"There is no {run_directory.CAPTURE}, so no packets can be drawn.")
        return None
    except (DecodeError, LabError) as error:
        missing.append(f"{run_directory.CAPTURE} cannot be read: {error}.")
        return None
    if trace.truncated:
        missing.append(f"{run_directory.CAPTURE} is cut off; packets after the cut are not shown.")
    return trace


def _epoch(events: list[Event], trace: Trace | None) -> int:
    """The run's start on the capture's clock: what the first event says, otherwise the first packet."""
    told = next((event.epoch_ns for event in events if isinstance(event, RunStart)), None)
    if told is None and trace and trace.sightings:
        told = min(sighting.time_ns for sighting in trace.sightings)
    return int(told or 0)
