"""A run that goes on in a guest, whose time and acts come from a stage."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from roamlab.errors import BadInput, LabError
from roamlab.kernels.conductor import Conductor
from roamlab.kernels.job import Kernel
from roamlab.kernels.uml import VIRTUAL_START_NS, UmlKernel
from roamlab.live.facts import AnyFact
from roamlab.live.rules import Rules
from roamlab.live.tail import Tail
from roamlab.live.telling import Telling
from roamlab.record import guarded
from roamlab.record.hand import (
    EVERY_S,
    LOOKS,
    MOST_LOOKS,
    PAGE,
    AnyAct,
    Hand,
    Look,
    effect_s,
    end_of,
    look_s,
)
from roamlab.record.result import Result
from roamlab.registry import Scenario
from roamlab.reports.network import configured_addresses
from roamlab.runs import orchestrator
from roamlab.topologies import RoamingTopo

_NS: Final = 10**9
_STEP_NS: Final = 50_000_000
_HELD_S: Final = 0.3
"""For how long a run may hold back what nobody inside waits for: packets and single messages."""
_BEGINS: Final = re.compile(r"roamlab: by hand from (\d{1,9}) late (\d{1,9})")
_AT_ONCE: Final = 16
"""Acts of one look: what fits its page."""
_SOON: Final = 2  # looks ahead, where time cannot be stopped


class LiveSession:
    """One live run: what `orchestrator.run` asks of who acts (`Live`), and what a stage asks of a run (`Source`)."""

    def __init__(
        self,
        scenario: Scenario,
        parameters: Mapping[str, Any],
        *,
        seed: int,
        kernel: Kernel,
        runs: Path,
        on_line: Callable[[str], None] = lambda _line: None,
    ) -> None:
        built, _ = scenario.split(parameters)
        self.topology: RoamingTopo = scenario.topology(**built)
        self.scenario, self.parameters, self.seed, self.kernel = scenario, dict(parameters), seed, kernel
        self._runs = runs
        self._on_line = on_line
        self._lock = threading.RLock()
        paced = isinstance(kernel, UmlKernel) and kernel.virtual_time
        self._conductor = Conductor(self._stopped_at) if paced else None
        self.apart_m = float(parameters["apart"]) if parameters.get("radio") else None
        self._telling = Telling(configured_addresses(self.topology))
        self._rules = Rules(self.topology, mobile_ip=bool(parameters.get("mobile_ip")), apart_m=self.apart_m)
        self._rules.agents = self._telling.agents
        self._tail: Tail | None = None
        self._run_dir: Path | None = None
        self._stopped_ns = -1
        self._stands = False
        self._next_ns = 0
        self._wanted_s = 0.0
        self._first: int | None = None
        self._late_s = 0
        self._pending: list[AnyAct] = []
        self._end_pending = False
        self._acts: list[AnyAct] = []
        self._end_s: float | None = None
        self._looks: int | None = None
        """The file that the guest looks at."""
        self._ready_s = 0.0
        self._learnt: list[AnyFact] = []
        self._over_s: float | None = None
        self.result: Result | None = None
        self.failure = ""
        self._thread = threading.Thread(target=self._play, daemon=True)

    # -- the run -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run is over and judged; whether it is."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _play(self) -> None:
        try:
            self.result = orchestrator.run(
                self.scenario,
                self.parameters,
                seed=self.seed,
                kernel=self.kernel,
                runs=self._runs,
                on_line=self._heard,
                live=self,
            )
        except (LabError, OSError) as error:
            self.failure = str(error)

    def _heard(self, line: str) -> None:
        if self._first is None and (found := _BEGINS.fullmatch(line.strip())):
            with self._lock:
                self._first, self._late_s = int(found[1]), int(found[2])
                if self._conductor is None:  # and nobody may be looking any more
                    self._learn()
                    self._tell_soon()
        self._on_line(line)

    @property
    def conductor(self) -> Conductor | None:
        """Who paces the guest's time."""
        return self._conductor

    def begins(self, run_dir: Path) -> None:
        """The run is about to begin."""
        with self._lock:
            self._run_dir, self._tail = run_dir, Tail(run_dir)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._looks = os.open(run_dir / LOOKS, flags, 0o600)
            os.ftruncate(self._looks, PAGE * MOST_LOOKS)
        if self._conductor is not None:
            self._conductor.allow(_STEP_NS)

    def ends(self) -> Hand:
        """The guest is gone: take away what told it what to do, and give the record of that."""
        with self._lock:
            assert self._run_dir is not None
            guarded.remove(self._run_dir, LOOKS)  # where the guest did not come to that
            if self._looks is not None:
                os.close(self._looks)
                self._looks = None
            return Hand(tuple(self._acts), self._end_s or round(self._ready_s + _HELD_S, 3))

    @property
    def run_dir(self) -> Path | None:
        """Where the run's files are, once it has begun."""
        return self._run_dir

    @property
    def hand(self) -> Hand:
        """The record so far."""
        with self._lock:
            return Hand(tuple(self._acts), self._end_s or round(self._ready_s + _HELD_S, 3))

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def paced(self) -> bool:
        """Whether the guest's time is paced from here."""
        return self._conductor is not None

    @property
    def ready_s(self) -> float:
        """The time up to which all facts are known."""
        return self._ready_s

    @property
    def over_s(self) -> float | None:
        """When the run ended."""
        return self._over_s

    def want(self, until_s: float) -> None:
        """Let the guest go on until all facts up to a time are known."""
        with self._lock:
            self._wanted_s = until_s + _HELD_S
            if self._conductor is None:
                self._tell_soon()
            else:
                self._go_on()

    def _stopped_at(self, time_ns: int) -> None:
        """The guest stands still before a time (ns since its boot); called by the conductor."""
        with self._lock:
            self._stopped_ns, self._stands = time_ns, True
            self._go_on()

    def _go_on(self) -> None:
        if self._conductor is None or not self._stands:
            return
        if self._epoch_ns is None:  # still booting, or making the network
            self._learn()
        if self._epoch_ns is None:
            self._allow(self._stopped_ns + _STEP_NS)
            return
        now_s = (self._stopped_ns - self._epoch_ns) / _NS
        if now_s >= self._wanted_s and not self._end_pending:
            return
        number = self._number(now_s)
        if self._first is not None and number >= self._first:
            self._tell(number)
        if self._end_s is not None:  # nothing more can be told
            self._stands = False
            self._conductor.free()
        else:
            self._allow(self._look_ns(number if self._stopped_ns < self._look_ns(number) else number + 1))

    def _allow(self, until_ns: int) -> None:
        assert self._conductor is not None
        self._stands, self._next_ns = False, until_ns
        self._conductor.allow(until_ns)

    def _number(self, now_s: float) -> int:
        """The look at which the guest stands, or the next one."""
        return max(0, -(-round((now_s - self._late_s - look_s(0)) * _NS) // round(EVERY_S * _NS)))

    def _look_ns(self, number: int) -> int:
        assert self._epoch_ns is not None
        return self._epoch_ns + round((look_s(number) + self._late_s) * _NS)

    @property
    def _epoch_ns(self) -> int | None:
        """The run's start, in ns since the guest's boot."""
        epoch = self._telling.epoch_ns
        return None if epoch is None else epoch - VIRTUAL_START_NS

    # -- acts --------------------------------------------------------------------------------------------------------

    def act(self, act: AnyAct) -> float:
        """Have something done at the next look."""
        with self._lock:
            number = self._next_look()
            if len(self._pending) == _AT_ONCE:
                raise BadInput("too much is to be done at one instant; let time go on")
            done = self._rules.accept(act, effect_s(number))
            self._pending.append(done)
            if self._conductor is None:
                self._tell_soon()
            return done.at

    def end(self) -> None:
        """End at the next look; without one yet, as soon as there is."""
        with self._lock:
            self._end_pending = True
            if self._conductor is None:
                self._tell_soon()
            else:
                self._go_on()

    def _next_look(self) -> int:
        if self._first is None:
            raise BadInput("the session is still being set up; wait a second")
        if self._end_s is not None or self._end_pending or self._over_s is not None:
            raise BadInput("this session is over")
        if self._conductor is None:
            return self._soon()
        stop_ns = self._stopped_ns if self._stands else self._next_ns
        return max(self._first, self._number((stop_ns - (self._epoch_ns or 0)) / _NS))

    def _tell(self, number: int) -> None:
        """Write what the look of that number is to find."""
        if self._looks is None or not (self._pending or self._end_pending):
            return
        # An act that came while the guest was under way to this look was given the time of an earlier one.
        acts = tuple(msgspec.structs.replace(act, at=effect_s(number)) for act in self._pending)
        os.pwrite(self._looks, msgspec.json.encode(Look(acts, self._end_pending)), number * PAGE)
        self._acts.extend(acts)
        self._pending.clear()
        if self._end_pending:
            self._end_s, self._end_pending = end_of(number), False

    def _soon(self) -> int:
        """In real time: a look that is surely not over yet."""
        return max(self._first or 0, self._number(self._wall_s()) + _SOON)

    def _tell_soon(self) -> None:
        if self._first is not None and self._run_dir is not None and self._end_s is None:
            self._tell(self._soon())

    def _wall_s(self) -> float:
        epoch = self._telling.epoch_ns
        return 0.0 if epoch is None else (time.time_ns() - epoch) / _NS

    # -- facts -------------------------------------------------------------------------------------------------------

    def _learn(self) -> None:
        if self._tail is not None:
            self._learnt += self._telling.events(self._tail.events())
            self._learnt += self._telling.packets(self._tail.packets())

    def take(self) -> list[AnyFact]:
        """What was learnt since the last time."""
        gone = not self._thread.is_alive() and self._thread.ident is not None
        with self._lock:
            stopped_ns, epoch_ns = self._stopped_ns, self._epoch_ns
            self._learn()
            if epoch_ns is not None:
                now_s = self._wall_s() if self._conductor is None else (stopped_ns - epoch_ns) / _NS
                if self._end_s is None:
                    self._ready_s = max(self._ready_s, now_s - _HELD_S)
                self._learnt += self._telling.standing(round(self._ready_s * _NS))
            if gone and self._over_s is None:
                virtual = self.result.judgement.virtual_s if self.result else None
                self._over_s = self._ready_s = max(self._ready_s, virtual or 0.0)
            found, self._learnt = self._learnt, []
        return found
