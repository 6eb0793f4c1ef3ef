"""What the shells of Mobile IP's machines have in common: carry out actions, record events, wake up in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from random import Random
from typing import Any, Protocol

from roamlab.agents.agent import Agent, now_ns
from roamlab.protocols.mobileip.actions import Action
from roamlab.record.mobile_ip_events import MipEvent, MipFailed


class Machine(Protocol):
    """What all three machines of roamlab/protocols/mobileip have."""

    def timer(self) -> int | None:
        """When to wake up, in ns."""

    def handle_timer(self, now: int) -> None:
        """It is time."""

    def next_action(self) -> Action | None:
        """The next action to carry out."""

    def next_event(self) -> MipEvent | None:
        """The next event to record."""


class Shell:
    """Drives one machine in an agent's loop. ``perform`` carries out an action; OSErrors of it are recorded.

    ``settled`` is called whenever the machine has nothing left to say; ``skew_ns`` is how far its clock is ahead of the
    agent's.
    """

    def __init__(
        self,
        agent: Agent,
        machine: Machine,
        perform: Callable[[Action], None],
        *,
        settled: Callable[[], None] = lambda: None,
        skew_ns: int = 0,
    ) -> None:
        self._agent = agent
        self._machine = machine
        self._perform = perform
        self._settled = settled
        self._skew_ns = skew_ns
        self._armed: int | None = None
        self._stopped = False

    def now(self) -> int:
        """The machine's clock."""
        return now_ns() + self._skew_ns

    def settle(self) -> None:
        """Carry out and record what the machine has to say; to be called after each thing it was told."""
        while (event := self._machine.next_event()) is not None:
            self._agent.emit(event)
        while (action := self._machine.next_action()) is not None:
            try:
                self._perform(action)
            except OSError as error:
                self._agent.emit(MipFailed(_words(action), str(error)))
        self._settled()
        self._arm()

    def stop(self) -> None:
        """Let the machine's timers rest for good."""
        self._stopped = True

    def _arm(self) -> None:
        due = self._machine.timer()
        if due is not None and (self._armed is None or due < self._armed):
            self._armed = due
            self._agent.at(due - self._skew_ns, lambda: self._wake(due))

    def _wake(self, due: int) -> None:
        if self._armed == due:
            self._armed = None
        if not self._stopped:
            self._machine.handle_timer(self.now())
            self.settle()


def fresh_random() -> Random:
    """A random source seeded by the kernel's, and so by the run's seed where the kernel's follows from it."""
    return Random(os.urandom(16))


def _words(action: Action) -> str:
    details: dict[str, Any] = {f.name: getattr(action, f.name) for f in fields(action)}
    said = " ".join(f"{name}={value}" for name, value in details.items() if not isinstance(value, bytes))
    return f"{type(action).__name__} {said}"
