"""The orchestrator's side of its agents: commands out, events in, deaths noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from roamlab.agents.launch import AgentProcess
from roamlab.errors import LabError
from roamlab.lab.clock import Clock
from roamlab.record import attack_events, event, mobile_ip_events  # noqa: F401 - agents report these
from roamlab.record.commands import Command, For, Stop
from roamlab.record.event import Event
from roamlab.record.events import AgentDied, AgentReady

if TYPE_CHECKING:
    from roamlab.transports.base import Readable

_READY_S = 20
_STOP_S = 5
_PIECE = (
    1 << 18
)  # bytes read at once, into one buffer: a new one of this size would be taken from the kernel each time


class Agents:
    """All agents of a run. ``on_event`` gets every event; its time is CLOCK_REALTIME."""

    def __init__(self, clock: Clock, on_event: Callable[[Event], None]) -> None:
        self._clock = clock
        self._on_event = on_event
        self._agents: dict[str, AgentProcess] = {}
        self._buffers: dict[str, bytes] = {}
        self._ready: set[str] = set()
        self._shared: dict[str, str] = {}
        self._condemned: set[str] = set()
        self._piece = bytearray(_PIECE)
        self._decoder = event.decoder(Event)
        self._encoder = msgspec.json.Encoder()

    def adopt(self, agent: AgentProcess) -> None:
        """Take charge of a process that was just forked."""
        self._condemned.discard(agent.name)
        self._agents[agent.name] = agent
        self._buffers[agent.name] = b""

    def adopt_for(self, agent: AgentProcess, nodes: Iterable[str]) -> None:
        """Take charge of a process that is the agent of several nodes."""
        self.adopt(agent)
        self._shared.update(dict.fromkeys(nodes, agent.name))

    def await_ready(self) -> None:
        """Wait until every agent has said that it serves. Raises LabError when one doesn't."""
        deadline = self._clock.now_ns() + _READY_S * 10**9
        while missing := self._agents.keys() - self._ready:
            if self._clock.now_ns() > deadline:
                raise LabError(
                    f"the agent of {min(missing)} did not start; see {min(missing)}.log in the run directory"
                )
            readers = self.readers()
            for source in self._clock.wait(readers, deadline):
                readers[source]()

    def command(self, name: str, command: Command) -> None:
        """Tell the agent of a node to do something. Raises LabError when it is gone."""
        if name in self._shared:
            self.command(self._shared[name], For(name, self._encoder.encode(command).decode()))
            return
        if name not in self._agents:
            do = event.kind_of(type(command))
            raise LabError(
                f"the agent of {name} is dead and cannot {do}; see {name}.log in the run directory"
            )
        try:
            self._agents[name].control.sendall(self._encoder.encode(command) + b"\n")
        except BrokenPipeError:
            self._read(name)

    def readers(self) -> Mapping[Readable, Callable[[], None]]:
        """What to wait on, and what to call when it can be read."""
        return {agent.control: partial(self._read, name) for name, agent in self._agents.items()}

    def kill(self, name: str) -> None:
        """End an agent with SIGKILL, as a crash would: a death that is part of the experiment and does not end it."""
        if name in self._shared:
            raise LabError(
                f"{name} has no agent of its own to kill: {self._shared[name]} serves several nodes"
            )
        if name in self._agents:
            self._condemned.add(name)
            os.kill(self._agents[name].pid, signal.SIGKILL)

    def stop(self) -> None:
        """Let every agent report what it has and end; one that does not within seconds is killed."""
        for name in [*self._agents]:
            with suppress(LabError):  # dead already, and reported
                self.command(name, Stop())
        deadline = self._clock.now_ns() + _STOP_S * 10**9
        while self._agents:
            if self._clock.now_ns() > deadline:
                for name in [*self._agents]:
                    self.kill(name)
                deadline += _STOP_S * 10**9
            readers = self.readers()
            for source in self._clock.wait(readers, deadline):
                readers[source]()

    def _read(self, name: str) -> None:
        agent = self._agents[name]
        try:
            data = bytes(memoryview(self._piece)[: agent.control.recv_into(self._piece)])
        except ConnectionError:
            data = b""
        if not data:
            self._gone(name, agent)
            return
        *lines, self._buffers[name] = (self._buffers[name] + data).split(b"\n")
        for line in lines:
            said = self._decoder.decode(line)
            if isinstance(said, AgentReady):
                self._ready.add(name)
            self._on_event(said)

    def _gone(self, name: str, agent: AgentProcess) -> None:
        del self._agents[name]
        agent.control.close()
        _, status = os.waitpid(agent.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        self._on_event(AgentDied(how, t=self._clock.now_ns(), node=name))
        if name not in self._condemned:
            raise LabError(f"the agent of {name} died ({how}); see {name}.log in the run directory")
