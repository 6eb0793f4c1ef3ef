"""The one clock that all viewers see, and what they are sent.

What viewers do reaches a run as acts and as time allowed to it, never by how fast they take what they are sent: one that is too
slow is dropped, and comes again with what is so by then.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec

from roamlab.live.facts import AnyFact, Hop, Leg, Said
from roamlab.live.source import Source

TURN_S: Final = 0.04
SLOWEST, FASTEST = 0.05, 20.0
_AHEAD_S: Final = 0.1
"""How far beyond what is shown facts are wanted, s of wall time."""
_STEP_S: Final = 0.05
_FARTHEST_S: Final = 30.0
"""How far a step goes on where nothing happens, s."""
_KEPT: Final = 3000
_FLEETING_S: Final = 3.0
_QUEUE: Final = 250
Step = Literal["packet", "event", "look"]


class Now(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What viewers are sent: the time that is shown, how it goes on, and the facts that came to be known.

    ``begin`` says that what was sent before does not count any more; ``over`` when the run ended; ``word`` what it came to.
    """

    now: float
    speed: float
    running: bool
    facts: list[AnyFact] = []
    begin: bool = False
    over: float | None = None
    word: str = ""


class Stage:
    """Shows a source. ``word`` says what has come of the run, empty while nothing has."""

    def __init__(self, source: Source, *, speed: float = 1.0, word: Callable[[], str] = lambda: "") -> None:
        self._source = source
        self._word = word
        self.speed = speed
        self.running = True
        self.now_s = 0.0
        self._step: Step | None = None
        self._step_from_s = 0.0
        self._viewers: set[asyncio.Queue[bytes | None]] = set()
        self._latest: dict[tuple[str, ...], AnyFact] = {}
        self._lasting: deque[AnyFact] = deque(maxlen=_KEPT)
        self._fleeting: deque[AnyFact] = deque()
        self._order = itertools.count()
        self._coming: list[tuple[float, int, AnyFact]] = []
        """What is known and not yet shown, by time."""
        self._encoder = msgspec.json.Encoder()
        self._said: tuple[float, float, bool, float | None, str] | None = None

    # -- what viewers ask --------------------------------------------------------------------------------------------

    def set_time(self, *, running: bool | None = None, speed: float | None = None) -> None:
        """Stop time, let it go on, or have it go faster or slower."""
        if speed is not None:
            self.speed = min(max(speed, SLOWEST), FASTEST)
        if running is not None:
            self.running, self._step = running, None

    def go_to(self, time_s: float) -> None:
        """Show another time of a run whose source begins again."""
        for facts in (self._latest, self._lasting, self._fleeting, self._coming):
            facts.clear()
        self._step, self.now_s = None, max(0.0, time_s)
        self._source.want(self.now_s)
        for fact in self._source.take():
            self._keep(fact)
        message = self._encoder.encode(self._whole())
        for queue in list(self._viewers):
            self._send(queue, message)

    def step(self, what: Step) -> None:
        """Stop, and go on to the next packet, event or look."""
        self.running, self._step, self._step_from_s = False, what, self.now_s

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[asyncio.Queue[bytes | None]]:
        """What one viewer is sent, beginning with what is so now; None ends it."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE)
        queue.put_nowait(self._encoder.encode(self._whole()))
        self._viewers.add(queue)
        try:
            yield queue
        finally:
            self._viewers.discard(queue)

    def dismiss(self) -> None:
        """Send viewers away."""
        for queue in list(self._viewers):
            self._drop(queue)

    # -- time --------------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Let time go on, for ever."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TURN_S)
            now = time.monotonic()
            self.turn(min(now - before, 4 * TURN_S))
            before = now

    def turn(self, passed_s: float) -> None:
        """Let time go on by what has passed on the wall, as far as the run has come, and tell viewers."""
        source = self._source
        target_s = self.now_s + (passed_s * self.speed if self.running else 0.0)
        if not source.paced:
            target_s = max(target_s, source.ready_s)
        if self._step is not None:
            source.want(self.now_s + _STEP_S)
        else:
            source.want(target_s + (_AHEAD_S * self.speed if self.running else 0.0))
        known = source.take()
        for fact in known:
            heapq.heappush(self._coming, (fact.t, next(self._order), fact))
        if self._step is not None:
            self._go_a_step()
        else:
            self.now_s = max(self.now_s, min(target_s, source.ready_s))
        if source.over_s is not None and self.now_s >= source.over_s:
            self.running = False
        while self._coming and self._coming[0][0] <= self.now_s:
            self._keep(heapq.heappop(self._coming)[2])
        self._tell(known)

    def _go_a_step(self) -> None:
        """Show what comes next, once it is known."""
        ready_s, kinds = self._source.ready_s, {"packet": (Hop, Leg), "event": (Said,), "look": ()}
        wanted = kinds[self._step or "look"]
        next_s = self._step_from_s + _STEP_S if self._step == "look" else None
        if wanted:
            found = (t for t, _, fact in self._coming if isinstance(fact, wanted) and t > self._step_from_s)
            next_s = min(found, default=None)
        over_s = self._source.over_s
        far = self.now_s - self._step_from_s > _FARTHEST_S or (over_s is not None and self.now_s >= over_s)
        if next_s is not None and next_s <= ready_s:
            self.now_s, self._step = next_s, None
        elif far:
            self._step = None
        else:
            self.now_s = max(self.now_s, ready_s)

    # -- what is sent ------------------------------------------------------------------------------------------------

    def _keep(self, fact: AnyFact) -> None:
        if fact.fleeting:
            self._fleeting.append(fact)
            while self._fleeting and self._fleeting[0].t < self.now_s - _FLEETING_S:
                self._fleeting.popleft()
        elif fact.key:
            self._latest[fact.key] = fact
        else:
            self._lasting.append(fact)

    def _whole(self) -> Now:
        coming = [fact for _, _, fact in sorted(self._coming)]
        facts = [*self._latest.values(), *self._lasting, *self._fleeting, *coming]
        return self._now(facts, begin=True)

    def _now(self, facts: list[AnyFact], *, begin: bool = False) -> Now:
        return Now(
            now=round(self.now_s, 6),
            speed=self.speed,
            running=self.running,
            facts=facts,
            begin=begin,
            over=self._source.over_s,
            word=self._word(),
        )

    def _tell(self, known: list[AnyFact]) -> None:
        said = (self.now_s, self.speed, self.running, self._source.over_s, self._word())
        if not known and said == self._said:
            return
        self._said = said
        if not self._viewers:
            return
        message = self._encoder.encode(self._now(known))
        for queue in list(self._viewers):
            self._send(queue, message)

    def _send(self, queue: asyncio.Queue[bytes | None], message: bytes) -> None:
        try:
            queue.put_nowait(message)
        except asyncio.QueueFull:
            self._drop(queue)

    def _drop(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._viewers.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
