"""Agents as processes: they serve, they die, and their orchestrator knows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roamlab.agents.agent import Agent
from roamlab.agents.launch import AgentProcess, launch
from roamlab.errors import LabError
from roamlab.lab.agents import Agents
from roamlab.lab.clock import SystemClock

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: entering a network namespace takes CAP_SYS_ADMIN"
)

Event = tuple[int, str, str, dict[str, Any]]


class Parrot(Agent):
    """Says what it is told, and can fall over."""

    def do_say(self, word: str) -> None:
        self.emit("said", word=word)

    def do_note(self, word: str) -> None:
        self.account("noted", word=word)

    def do_alarms(self, due: list[int]) -> None:
        for when in due:
            self.at(when, partial(self.emit, "rang", due=when))

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


def test_what_nobody_waits_for_comes_with_the_next_event_or_by_itself(aviary: Aviary) -> None:
    aviary.agents.command("mn", "note", word="one")
    aviary.agents.command("mn", "say", word="two")
    aviary.pump()
    assert [(kind, details["word"]) for _, _, kind, details in aviary.events[1:]] == [
        ("noted", "one"),
        ("said", "two"),
    ]
    aviary.agents.command("mn", "note", word="three")
    aviary.pump()
    assert aviary.kinds()[-1] == "noted"
    assert aviary.events[-1][0] >= aviary.events[-2][0]


def test_timers_go_off_in_their_order_and_not_before_they_are_due(aviary: Aviary) -> None:
    start = aviary.events[-1][0]
    due = [start + 30_000_000, start + 10_000_000, start - 1]
    aviary.agents.command("mn", "alarms", due=due)
    while aviary.kinds().count("rang") < len(due):
        aviary.pump()
    rang = [(time_ns, details["due"]) for time_ns, _, kind, details in aviary.events if kind == "rang"]
    assert [when for _, when in rang] == sorted(due)
    assert all(time_ns >= when for time_ns, when in rang)


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
