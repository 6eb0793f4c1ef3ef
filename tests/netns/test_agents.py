"""Agents as processes: they serve, they die, and their orchestrator knows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.errors import LabError
from experiments.playing.agents import Agents
from experiments.playing.clock import SystemClock
from nodes.agent import Agent
from nodes.launch import AgentProcess, launch

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: entering a network namespace takes CAP_SYS_ADMIN"
)

Event = tuple[int, str, str, dict[str, Any]]


class Parrot(Agent):
    """Says what it is told, and can fall over."""

    def do_say(self, word: str) -> None:
        self.emit("said", word=word)

    def do_fall(self) -> None:
        raise RuntimeError("fell over")


class Aviary:
    """One agent in this process's own namespace, and what it has reported."""

    def __init__(self, log: Path) -> None:
        self.events: list[Event] = []
        self.agents = Agents(SystemClock(), lambda *event: self.events.append(event))
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.process: AgentProcess = launch(Parrot, "mn", namespace, log)
        os.close(namespace)
        self.agents.adopt(self.process)
        self.agents.await_ready()

    def pump(self) -> None:
        """Wait for the next thing that the agent does."""
        readers = self.agents.readers()
        clock = SystemClock()
        for source in clock.wait(readers, clock.now_ns() + 10 * 10**9):
            readers[source]()

    def kinds(self) -> list[str]:
        return [kind for _, _, kind, _ in self.events]


@pytest.fixture
def aviary(tmp_path: Path) -> Iterator[Aviary]:
    made = Aviary(tmp_path / "mn.log")
    yield made
    made.agents.stop()


def test_an_agent_carries_out_commands_and_reports(aviary: Aviary) -> None:
    aviary.agents.command("mn", "say", word="hello")
    aviary.pump()
    assert aviary.events[-1][1:] == ("mn", "said", {"word": "hello"})


def test_an_agent_that_was_killed_is_named_with_its_signal(aviary: Aviary) -> None:
    os.kill(aviary.process.pid, signal.SIGKILL)
    with pytest.raises(LabError, match=r"the agent of mn died \(SIGKILL\); see mn.log"):
        aviary.pump()
    assert "agent.died" in aviary.kinds()


def test_an_agent_that_fell_over_leaves_its_traceback_in_its_log(aviary: Aviary, tmp_path: Path) -> None:
    aviary.agents.command("mn", "fall")
    with pytest.raises(LabError, match="exit status 1"):
        aviary.pump()
    assert "RuntimeError: fell over" in (tmp_path / "mn.log").read_text()


def test_a_death_that_is_part_of_the_experiment_does_not_end_it(aviary: Aviary) -> None:
    aviary.agents.kill("mn")
    aviary.pump()
    assert aviary.kinds()[-1] == "agent.died"


def test_a_command_to_a_dead_agent_names_it(aviary: Aviary) -> None:
    aviary.agents.kill("mn")
    aviary.pump()
    with pytest.raises(LabError, match="the agent of mn is dead and cannot say"):
        aviary.agents.command("mn", "say", word="hello")


def test_an_agent_ends_when_its_orchestrator_lets_go(aviary: Aviary) -> None:
    aviary.process.control.close()
    _, status = os.waitpid(aviary.process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    aviary.agents._agents.clear()
