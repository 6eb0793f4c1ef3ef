"""Any node, any number of sessions, and what can happen at a time, in a guest: each verb leaves its sign in the capture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from roamlab.judge.verdict import judge
from roamlab.kernels.choose import lab_kernels, select
from roamlab.protocols import pcapng
from roamlab.protocols.pcapng import Writer
from roamlab.record.event import Event
from roamlab.record.events import AddressDown, LinkDown, RunStart
from roamlab.record.result import Asked, Happened, Result
from roamlab.record.run_directory import CAPTURE, PLAN, RunDirectory
from roamlab.record.stimuli import Attach, Kill, Start, Stimulus
from roamlab.registry import find
from roamlab.runs import orchestrator

pytestmark = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)

Play = Callable[..., Result]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play a scenario once a module, whoever asks for it."""
    runs = tmp_path_factory.mktemp("runs")
    played: dict[tuple[str, ...], Result] = {}

    def once(name: str, **settings: str) -> Result:
        key = (name, *map(str, sorted(settings.items())))
        if key not in played:
            scenario = find(name)
            played[key] = orchestrator.run(
                scenario,
                scenario.complete(settings),
                seed=1,
                kernel=select("uml"),
                runs=runs,
                on_line=lambda _line: None,
            )
        return played[key]

    return once


def events(result: Result) -> list[Event]:
    return list(RunDirectory.open(Path(result.run_dir)).events())


def stimuli(result: Result) -> list[Stimulus]:
    return [e for e in events(result) if isinstance(e, Stimulus)]


LINKS = ["overlap", "readdress", "link-down", "impair", "fade", "block", "program-restart"]


@pytest.mark.parametrize(
    "name",
    [
        *LINKS,
        "mobile-to-mobile",
        "called-mobile-moves",
        "both-move",
        "both-move-overlap",
        "two-mobiles",
        "two-correspondents",
    ],
)
def test_it_comes_to_the_verdict_that_it_announces(play: Play, name: str) -> None:
    result = play(name)
    assert result.judgement.verdict == result.judgement.expected, result.judgement.reasons


def test_each_session_of_a_run_has_a_verdict_of_its_own(play: Play) -> None:
    sessions = play("two-mobiles").judgement.sessions
    assert [(s.number, s.mobile, s.correspondent, s.verdict) for s in sessions] == [
        (1, "mn", "cn", "survived"),
        (2, "mn2", "cn", "survived"),
    ]
    # mn moves at 5 s, mn2 at 7 s: each session has the outage of its own node's move alone.
    for session, moved_ns in zip(sessions, (5 * 10**9, 7 * 10**9), strict=True):
        assert {outage.from_ns // 10**9 for outage in session.outages} <= {
            moved_ns // 10**9 - 1,
            moved_ns // 10**9,
        }
        assert session.outages
        # So has its chain: what happens to the other mobile node is not in it.
        assert session.chain[0].detail == Happened("stimulus.move")
        assert int(session.chain[0].t) == moved_ns // 10**9
        assert {step.node for step in session.chain} <= {session.mobile, "cn"}
        assert any(isinstance(step.detail, Asked) for step in session.chain)


def test_a_session_whose_far_end_moves_has_its_bound_the_other_way_round(play: Play) -> None:
    """One move each, over the same delays: what is up for who calls is down for who is called."""
    near, far = (play(name).judgement.sessions[0] for name in ("mobile-to-mobile", "called-mobile-moves"))
    assert near.verdict == far.verdict == "survived"
    bounds = {o.direction: o.bound_ns for o in far.outages}
    assert bounds["up"] > bounds["down"] > 0  # of the far end's move: what comes to it waits longer
    bounds = {o.direction: o.bound_ns for o in near.outages}
    assert bounds["down"] > bounds["up"] > 0


def test_both_ends_announce_their_new_addresses_to_ones_that_the_other_has_left(play: Play) -> None:
    result = play("both-move")
    asked = [reason for reason in result.judgement.reasons if "asked for and not answered" in reason]
    assert len(asked) == 2


def test_a_killed_program_begins_another_association_when_it_is_started_again(play: Play) -> None:
    result = play("program-restart")
    assert "the session needed 2 associations" in result.judgement.reasons[0]
    assert [type(stimulus) for stimulus in stimuli(result)] == [Kill, Start]


def test_a_link_that_lost_its_carrier_keeps_its_address(play: Play) -> None:
    result = play("link-down")
    kinds = {type(e) for e in events(result) if e.node == "mn"}
    assert LinkDown in kinds
    assert AddressDown not in kinds


def without(result: Result, there: Path, drop: Callable[[pcapng.Packet], bool]) -> list[str]:
    """The reasons of a run whose capture lacks some packets: a copy, judged."""
    there.mkdir()
    run = Path(result.run_dir)
    for name in (PLAN, "events.jsonl"):
        (there / name).write_bytes((run / name).read_bytes())
    captured = pcapng.read(run / CAPTURE)
    with (there / CAPTURE).open("wb") as file:
        writer = Writer(file)
        numbers = {item.name: writer.interface(item.name) for item in captured.interfaces}
        for packet in captured.packets:
            if not drop(packet):
                writer.packet(
                    numbers[packet.interface_name], packet.time_ns, packet.data, direction=packet.direction
                )
    judgement = judge(RunDirectory.open(there))
    assert judgement.verdict == "invalid"
    return judgement.reasons


@pytest.mark.parametrize("name", ["link-down", "impair", "fade", "block", "program-restart"])
def test_a_verb_without_its_sign_in_the_capture_makes_the_run_invalid(
    play: Play, name: str, tmp_path: Path
) -> None:
    """What others than the node captured after the verb is taken away: nothing shows it any more."""
    result = play(name)
    first = next(stimulus for stimulus in stimuli(result) if not isinstance(stimulus, Attach))
    since = first.t + next(e.epoch_ns for e in events(result) if isinstance(e, RunStart))
    own = f"{first.node}."

    def away(packet: pcapng.Packet) -> bool:
        if (
            name == "program-restart"
        ):  # its sign is that the node itself says no more, where it had said something
            return packet.time_ns < since and packet.interface_name.startswith(own)
        return packet.time_ns >= since and not packet.interface_name.startswith(own)

    shown = f"the {first.action} at {first.at_s} s is not in the capture"
    assert shown in without(result, tmp_path / "cut", away)
