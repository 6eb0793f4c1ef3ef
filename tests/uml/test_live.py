"""A live session in a real guest: paced and stopped from outside, and played again to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Kernel
from roamlab.live.facts import AnyFact, Hop, Leg, NicAt, Said, Standing
from roamlab.live.scenario_file import text
from roamlab.live.session import LiveSession
from roamlab.live.stage import Stage
from roamlab.record.hand import AnyAct, FailAgent, Hand, ImpairLink, MoveNic, ReviveAgent, Walk
from roamlab.record.identity import hashes
from roamlab.record.result import Result
from roamlab.record.run_directory import RunDirectory
from roamlab.record.verified import manifest
from roamlab.registry import find
from roamlab.repeat.prove import replay
from roamlab.runs import orchestrator
from roamlab.where import ROOT


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    if not lab_kernels():
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    return select("uml")


class Player:
    """Plays a session by the stage's clock, as fast as the guest goes, and does things at set times."""

    def __init__(self, session: LiveSession) -> None:
        self.session, self.stage = session, Stage(session, speed=20.0)
        self.facts: list[AnyFact] = []
        taken = session.take

        def take() -> list[AnyFact]:
            self.facts += (found := taken())
            return found

        session.take = take  # type: ignore[method-assign]
        session.start()

    def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            assert not self.session.failure
            self.stage.turn(0.04)
            time.sleep(0.002)

    def at(self, time_s: float) -> None:
        self.until(lambda: self.stage.now_s >= time_s or self.session.over_s is not None)


@pytest.fixture(scope="module")
def played(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Hand, Player]:
    runs = tmp_path_factory.mktemp("live")
    scenario = find("live")
    session = LiveSession(scenario, scenario.complete({}), seed=3, kernel=kernel, runs=runs)
    player = Player(session)
    player.at(2.0)
    session.act(MoveNic(node="mn", nic="wlan0", to="visited", gap=0.7))
    player.at(3.5)
    player.stage.set_time(running=False)
    player.stage.turn(0.04)
    stood = session.ready_s
    session.act(ImpairLink(node="mn", nic="wlan0", delay=0.08, loss=5.0))
    for _ in range(20):
        player.stage.turn(0.04)
        time.sleep(0.01)
    assert session.ready_s <= stood + 0.051  # the look to which it was under way
    player.stage.set_time(running=True)
    player.at(6.0)
    session.end()
    player.until(lambda: session.over_s is not None)
    assert session.result is not None
    return session.result, session.hand, player


def test_a_session_is_a_run_like_any_other(played: tuple[Result, Hand, Player]) -> None:
    result, hand, _ = played
    run = RunDirectory.open(Path(result.run_dir))
    assert result.judgement.verdict == "survived"
    assert result.status == 0
    assert manifest(run).hand == hand
    assert [msgspec.to_builtins(act)["do"] for act in hand.acts] == ["move", "impair"]
    assert not list(run.path.glob("hand*"))
    assert [outage.stimulus for outage in result.judgement.outages]


def test_the_page_sees_what_happens(played: tuple[Result, Hand, Player]) -> None:
    result, hand, player = played
    moved = next(f for f in player.facts if isinstance(f, NicAt) and f.segment == "visited")
    assert moved.t == pytest.approx(hand.acts[0].at + 0.7, abs=0.01)
    hops = [fact for fact in player.facts if isinstance(fact, Hop)]
    air = [h for h in hops if {h.a, h.b} == {"mn", "fa"} and not h.lost and h.t < hand.acts[1].at]
    assert min(h.u - h.t for h in air) == pytest.approx(0.005, abs=0.001)
    labels = [f.label for f in player.facts if isinstance(f, Leg) and (f.a, f.b) == ("mn", "cn")]
    assert any(label.startswith("ASCONF · ADD 198.51.100.10") for label in labels)
    assert any(fact.lost for fact in hops)
    words = [fact.word for fact in player.facts if isinstance(fact, Standing)]
    assert words[0] == "waiting"
    assert words.index("silent") < len(words) - 1 - words[::-1].index("alive")
    assert result.judgement.sent.up > 0


def test_it_replays_to_the_bit_by_its_directory_and_by_its_scenario(
    played: tuple[Result, Hand, Player], kernel: Kernel, tmp_path: Path
) -> None:
    result, hand, _ = played
    again = replay(Path(result.run_dir), kernel=None, runs=tmp_path, on_line=lambda _: None)
    assert again.differing == ()
    began = find("live")
    file = tmp_path / "mine" / "by_hand.py"
    file.parent.mkdir()
    file.write_text(text(began, began.complete({}), hand, "play it"))
    own = find(str(file))
    other = orchestrator.run(
        own, own.complete({}), seed=3, kernel=kernel, runs=tmp_path, on_line=lambda _: None
    )
    assert hashes(Path(other.run_dir)) == hashes(Path(result.run_dir))


@pytest.mark.parametrize(
    ("settings", "acts", "seen"),
    [
        (
            {"mobile_ip": "true", "transport": "udp"},
            (
                (2.0, MoveNic(node="mn", nic="wlan0", to="visited")),
                (3.5, FailAgent(node="ha")),
                (4.5, ReviveAgent(node="ha")),
            ),
            ("registered: 192.0.2.10 at 198.51.100.1", "fail", "revive"),
        ),
        (
            {"radio": "true", "speed": "40"},
            ((2.0, Walk(to=90.0)),),
            ("wlan1 has a good signal", "wlan1 has the better signal"),
        ),
    ],
    ids=["mobile-ip", "radio"],
)
def test_agents_die_and_nodes_walk_by_hand_and_again_to_the_bit(
    settings: dict[str, str],
    acts: tuple[tuple[float, AnyAct], ...],
    seen: tuple[str, ...],
    kernel: Kernel,
    tmp_path: Path,
) -> None:
    scenario = find("live")
    session = LiveSession(scenario, scenario.complete(settings), seed=1, kernel=kernel, runs=tmp_path)
    player = Player(session)
    for time_s, act in acts:
        player.at(time_s)
        session.act(act)
    player.at(6.0)
    session.end()
    player.until(lambda: session.over_s is not None)
    assert session.result is not None
    assert session.result.judgement.verdict in (
        "survived",
        "broke",
    )  # an act without a sign would be `invalid`
    words = [fact.words for fact in player.facts if isinstance(fact, Said)]
    for each in seen:
        assert any(word.startswith(each) for word in words), each
    again = replay(Path(session.result.run_dir), kernel=None, runs=tmp_path, on_line=lambda _: None)
    assert again.differing == ()


def test_a_killed_server_leaves_nothing_running(kernel: Kernel, tmp_path: Path) -> None:
    del kernel
    words = [
        sys.executable,
        "-m",
        "roamlab.cli",
        "live",
        "--json",
        "--runs",
        str(tmp_path),
        "--kernel",
        "uml",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    assert server.stdout is not None
    server.stdout.readline()
    waiting = time.monotonic() + 300
    while not list(tmp_path.glob("live/*/events.jsonl")):
        assert time.monotonic() < waiting
        time.sleep(0.05)
    group = _descendants(server.pid)
    assert group
    server.send_signal(signal.SIGKILL)
    server.communicate()
    while left := [pid for pid in group if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < waiting, left
        time.sleep(0.05)


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(c) for c in (task / "children").read_text().split()]
    except OSError:
        return []
    children = sorted(set(children))
    return children + [below for child in children for below in _descendants(child)]
