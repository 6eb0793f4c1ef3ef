"""Agents as processes: they serve, they die, and their orchestrator knows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from roamlab.agents.agent import Agent
from roamlab.agents.launch import AgentProcess, launch
from roamlab.errors import LabError
from roamlab.lab.agents import Agents
from roamlab.lab.clock import SystemClock
from roamlab.record.commands import Command
from roamlab.record.event import Event

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: entering a network namespace takes CAP_SYS_ADMIN"
)


class Said(Event, tag="test.said"):
    word: str


class Noted(Event, tag="test.noted"):
    word: str


class Rang(Event, tag="test.rang"):
    due: int


class Speak(Command, tag="test.speak"):
    word: str


class Note(Command, tag="test.note"):
    word: str


class Alarms(Command, tag="test.alarms"):
    due: list[int]


class Fall(Command, tag="test.fall"):
    pass


class Parrot(Agent):
    """Says what it is told, and can fall over."""

    def obey(self, command: Command) -> None:
        match command:
            case Speak(word):
                self.emit(Said(word))
            case Note(word):
                self.mention(Noted(word))
            case Alarms(due):
                for when in due:
                    self.at(when, partial(self.emit, Rang(when)))
            case Fall():
                raise RuntimeError("fell over")
            case _:
                super().obey(command)


class Aviary:
    """One agent in this process's own namespace, and what it has reported."""

    def __init__(self, log: Path) -> None:
        self.events: list[Event] = []
        self.agents = Agents(SystemClock(), self.events.append)
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
        return [event.kind for event in self.events]


@pytest.fixture
def aviary(tmp_path: Path) -> Iterator[Aviary]:
    made = Aviary(tmp_path / "mn.log")
    yield made
    made.agents.stop()


def test_an_agent_carries_out_commands_and_reports(aviary: Aviary) -> None:
    aviary.agents.command("mn", Speak("hello"))
    aviary.pump()
    said = aviary.events[-1]
    assert (said.node, said.kind, said.details()) == ("mn", "test.said", {"word": "hello"})


def test_what_nobody_waits_for_comes_with_the_next_event_or_by_itself(aviary: Aviary) -> None:
    aviary.agents.command("mn", Note("one"))
    aviary.agents.command("mn", Speak("two"))
    aviary.pump()
    assert [(event.kind, event.details()["word"]) for event in aviary.events[1:]] == [
        ("test.noted", "one"),
        ("test.said", "two"),
    ]
    aviary.agents.command("mn", Note("three"))
    aviary.pump()
    assert aviary.kinds()[-1] == "test.noted"
    assert aviary.events[-1].t >= aviary.events[-2].t


def test_timers_go_off_in_their_order_and_not_before_they_are_due(aviary: Aviary) -> None:
    start = aviary.events[-1].t
    due = [start + 30_000_000, start + 10_000_000, start - 1]
    aviary.agents.command("mn", Alarms(due))
    while aviary.kinds().count("test.rang") < len(due):
        aviary.pump()
    rang = [(event.t, event.due) for event in aviary.events if isinstance(event, Rang)]
    assert [when for _, when in rang] == sorted(due)
    assert all(time_ns >= when for time_ns, when in rang)


def test_an_agent_that_was_killed_is_named_with_its_signal(aviary: Aviary) -> None:
    os.kill(aviary.process.pid, signal.SIGKILL)
    with pytest.raises(LabError, match=r"the agent of mn died \(SIGKILL\); see mn.log"):
        aviary.pump()
    assert "agent.died" in aviary.kinds()


def test_an_agent_that_fell_over_leaves_its_traceback_in_its_log(aviary: Aviary, tmp_path: Path) -> None:
    aviary.agents.command("mn", Fall())
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
    with pytest.raises(LabError, match=r"the agent of mn is dead and cannot test\.speak"):
        aviary.agents.command("mn", Speak("hello"))


def test_an_agent_ends_when_its_orchestrator_lets_go(aviary: Aviary) -> None:
    aviary.process.control.close()
    _, status = os.waitpid(aviary.process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    aviary.agents._agents.clear()
