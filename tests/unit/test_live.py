"""The live lab's rules, clock and application, without a guest."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roamlab.errors import BadInput
from roamlab.live.app import About, application
from roamlab.live.drawing import draw
from roamlab.live.facts import AnyFact, Flow, NicAt, Said
from roamlab.live.rules import Rules
from roamlab.live.scenario_file import text
from roamlab.live.show import Looking
from roamlab.live.stage import Stage
from roamlab.record.hand import (
    AnyAct,
    AttachNic,
    CutLink,
    DetachNic,
    FailAgent,
    Hand,
    ImpairLink,
    MendLink,
    MoveNic,
    ReviveAgent,
    Walk,
)
from roamlab.registry import find
from roamlab.topologies import HomeAndVisited
from tests.browser import samples

MOVE = MoveNic(node="mn", nic="wlan0", to="visited", gap=1.0)


# -- rules -------------------------------------------------------------------------------------------------------------


def test_a_hand_may_do_what_the_network_allows_and_nothing_else() -> None:
    rules = Rules(HomeAndVisited())
    for act, why in (
        (MoveNic(node="mn", nic="wlan0", to="home"), "on home already"),
        (MoveNic(node="mn", nic="wlan0", to="visted"), "did you mean 'visited'"),
        (MoveNic(node="mn", nic="wlan1", to="visited"), "no NIC 'wlan1'"),
        (MoveNic(node="cn", nic="eth0", to="visited"), "no mobile node 'cn'"),
        (MoveNic(node="mn", nic="wlan0", to="visited", gap=-1.0), "out of range"),
        (MoveNic(node="mn", nic="wlan0", to="visited", gap=float("nan")), "out of range"),
        (AttachNic(node="mn", nic="wlan1", to="home"), "one address on each segment"),
        (AttachNic(node="mn", nic="../x", to="visited"), "cannot be the name"),
        (DetachNic(node="mn", nic="wlan0"), "only NIC"),
        (MendLink(node="mn", nic="wlan0"), "has its link"),
        (ImpairLink(node="mn", nic="wlan0"), "nothing is to change"),
        (ImpairLink(node="mn", nic="wlan0", loss=101.0), "out of range"),
    ):
        with pytest.raises(BadInput, match=why):
            rules.accept(act, 1.0)
    assert rules.accept(MOVE, 2.025).at == 2.025
    with pytest.raises(BadInput, match="on its way to visited"):
        rules.accept(CutLink(node="mn", nic="wlan0"), 3.025)
    rules.accept(AttachNic(node="mn", nic="wlan1", to="home"), 3.2)
    rules.accept(DetachNic(node="mn", nic="wlan0"), 3.2)
    with pytest.raises(BadInput, match="only NIC"):
        rules.accept(DetachNic(node="mn", nic="wlan1"), 3.3)


def test_agents_die_and_live_and_who_walks_is_not_carried() -> None:
    rules = Rules(HomeAndVisited(), apart_m=90.0)
    rules.agents = {"ha", "fa"}
    for act, why in (
        (ReviveAgent(node="ha"), "not dead"),
        (FailAgent(node="hb"), "no mobility agent 'hb'"),
        (Walk(to=1e9), "out of range"),
        (MOVE, "have it walk"),
    ):
        with pytest.raises(BadInput, match=why):
            rules.accept(act, 1.0)
    for act in (FailAgent(node="ha"), ReviveAgent(node="ha"), FailAgent(node="ha"), Walk(to=45.0)):
        rules.accept(act, 1.0)
    with pytest.raises(BadInput, match="dead already"):
        rules.accept(FailAgent(node="ha"), 1.0)
    with pytest.raises(BadInput, match="nobody walks"):
        Rules(HomeAndVisited()).accept(Walk(to=1.0), 1.0)


# -- the clock ---------------------------------------------------------------------------------------------------------


class Script:
    """A source that has facts at known times, and gives them as it is wanted to."""

    def __init__(self, facts: list[AnyFact], over_s: float = 10.0) -> None:
        self._facts = facts
        self._end_s = over_s
        self.ready_s = 0.0
        self.over_s: float | None = None
        self.paced = True
        self.wanted: list[float] = []

    def want(self, until_s: float) -> None:
        self.wanted.append(until_s)
        self.ready_s = min(max(self.ready_s, until_s), self._end_s)
        if self.ready_s == self._end_s:
            self.over_s = self._end_s

    def take(self) -> list[AnyFact]:
        found = [fact for fact in self._facts if fact.t <= self.ready_s]
        self._facts = [fact for fact in self._facts if fact.t > self.ready_s]
        return found

    def act(self, act: AnyAct) -> float:
        return act.at

    def end(self) -> None:
        self.over_s = self.ready_s


def test_time_stands_goes_on_and_runs_at_any_speed() -> None:
    stage = Stage(Script([]), speed=2.0)
    stage.turn(0.5)
    assert stage.now_s == 1.0
    stage.set_time(running=False)
    stage.turn(5.0)
    assert stage.now_s == 1.0
    stage.set_time(running=True, speed=1e9)
    stage.turn(0.05)
    assert stage.now_s == 2.0  # as fast as 20


def test_a_step_goes_to_the_next_event_and_no_further() -> None:
    facts: list[AnyFact] = [
        Said(t=1.5, node="mn", kind="x", words="a"),
        Said(t=1.6, node="mn", kind="x", words="b"),
    ]
    source = Script(facts)
    stage = Stage(source)
    for expected in (1.5, 1.6):
        stage.step("event")
        for _ in range(100):
            stage.turn(0.0)
        assert (stage.now_s, stage.running) == (expected, False)
    assert max(source.wanted) < 2.0


def test_a_viewer_that_comes_late_is_told_what_is_so_and_a_slow_one_is_sent_away() -> None:
    async def watch() -> None:
        moved = NicAt(t=0.2, node="mn", nic="wlan0", segment="visited")
        stage = Stage(Script([NicAt(t=0.1, node="mn", nic="wlan0", segment="home"), moved], over_s=1e9))
        stage.turn(1.0)
        async with stage.viewer() as slow:
            first = json.loads(slow.get_nowait() or b"")
            assert first["begin"] is True
            assert first["facts"] == [msgspec.to_builtins(moved)]
            for _ in range(600):
                stage.turn(0.01)
            while (message := slow.get_nowait()) is not None:
                assert message
        assert stage.now_s == pytest.approx(7.0)

    asyncio.run(watch())


def test_an_hour_takes_no_more_room_than_a_minute() -> None:
    class Endless(Script):
        def take(self) -> list[AnyFact]:
            return [
                Flow(t=self.ready_s, way="up", got=1),
                Said(t=self.ready_s, node="mn", kind="x", words="y"),
            ]

    async def last() -> list[int]:
        stage = Stage(Endless([], over_s=1e9), speed=20.0)
        sizes = []
        for _ in range(2):
            for _ in range(4500):
                stage.turn(0.04)
            async with stage.viewer() as queue:
                sizes.append(len(queue.get_nowait() or b""))
        return sizes

    one, two = asyncio.run(last())
    assert two < one * 1.1


# -- a run that is over ------------------------------------------------------------------------------------------------


def test_a_run_that_is_over_is_stepped_through_and_wound_back(tmp_path: Path) -> None:
    show = Looking(samples.real(tmp_path), 1.0)
    stage, end_s = show.stage, show.end_s
    for _ in range(2):
        stage.set_time(running=True, speed=20.0)
        for _ in range(200):
            stage.turn(0.16)
        assert (stage.running, stage.now_s) == (False, end_s)
        show.go_to(0.0)
        assert stage.now_s == 0.0
    show.go_to(4.9)
    stage.step("event")
    for _ in range(1000):
        stage.turn(0.0)
    assert not stage.running
    moved = 5.0
    assert stage.now_s == pytest.approx(moved, abs=0.1)
    with pytest.raises(BadInput, match="can only be looked at"):
        show.act(MOVE)
    with pytest.raises(BadInput, match="not played by hand"):
        show.scenario()
    assert show.file("verdict.json").startswith(b"{")
    with pytest.raises(BadInput, match="no manifest"):
        show.file("manifest.json")


# -- the application ---------------------------------------------------------------------------------------------------


class Shown:
    def __init__(self) -> None:
        self.stage = Stage(Script([]))
        self.about = About(
            title="t", note="n", acts=True, scenario=True, paced=True, drawing=draw(HomeAndVisited(), {})
        )
        self.acts: list[AnyAct] = []

    def act(self, act: AnyAct) -> float:
        self.acts.append(Rules(HomeAndVisited()).accept(act, 1.0))
        return 1.0

    def end(self) -> None: ...

    def go_to(self, time_s: float) -> None: ...

    def scenario(self) -> str:
        return "x"

    def file(self, name: str) -> bytes:
        raise BadInput(f"no {name}")


def ask(
    show: Shown, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request to the application, by ASGI."""
    named = {"host": "127.0.0.1:80", "content_type": "application/json", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET" if body is None else "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(application(show, "secret")(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(part.get("body", b"") for part in sent[1:])


@pytest.fixture
def show() -> Shown:
    return Shown()


def test_who_has_no_token_finds_nothing(show: Shown) -> None:
    assert ask(show, "/secret/")[0] == 200
    for path in (
        "/",
        "/about",
        "/live.js",
        "/secrets/",
        "/secret/../secret2/",
        "/secret/%2e%2e/app.py",
        "/secret/app.py",
    ):
        assert ask(show, path)[0] == 404


def test_what_another_origin_asks_for_is_refused(show: Shown) -> None:
    body = msgspec.json.encode(MOVE)
    for headers in (
        {"origin": "http://127.0.0.1:81"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        assert ask(show, "/secret/do", body, **headers)[0] == 403
        assert ask(show, "/secret/about", **headers)[0] == 403
    assert ask(show, "/secret/do", body, host="evil.example")[0] == 400
    assert ask(show, "/secret/do", body, content_type="text/plain")[0] == 409
    assert show.acts == []
    assert ask(show, "/secret/do", body, origin="http://127.0.0.1:80", sec_fetch_site="same-origin")[0] == 200
    assert len(show.acts) == 1


def test_every_answer_keeps_other_pages_out(show: Shown) -> None:
    for path in ("/secret/", "/secret/about", "/nothing"):
        headers = ask(show, path)[1]
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 2000,
        b'{"do":"rm"}',
        b'{"do":"move","node":"mn"}',
        b'{"do":"move","node":"mn","nic":"wlan0","to":"nowhere"}',
        b"x" * 5000,
    ],
)
def test_bad_requests_are_answered_in_a_sentence(show: Shown, body: bytes) -> None:
    status, _, answer = ask(show, "/secret/do", body)
    assert status in (400, 409)
    assert json.loads(answer)["error"]
    assert show.acts == []


# -- the scenario ------------------------------------------------------------------------------------------------------


def test_a_session_is_a_scenario_that_can_be_read_and_played(tmp_path: Any) -> None:
    acts = (
        MoveNic(at=2.025, node="mn", nic="wlan0", to="visited", gap=0.5),
        AttachNic(at=4.025, node="mn", nic="wlan1", to="home"),
        ImpairLink(at=5.025, node="mn", nic="wlan1", delay=0.1, loss=1.0),
        CutLink(at=5.525, node="mn", nic="wlan1"),
        MendLink(at=5.625, node="mn", nic="wlan1"),
        DetachNic(at=6.025, node="mn", nic="wlan0"),
        FailAgent(at=6.525, node="ha"),
        ReviveAgent(at=6.625, node="ha"),
    )
    began = find("live")
    parameters = began.complete({"every": "0.05", "core_delay_ms": "7", "mobile_ip": "true"})
    file = tmp_path / "mine.py"
    file.write_text(text(began, parameters, Hand(acts, 9.025), "play it"))
    from roamlab.lab.rehearsal import Recorder, rehearse

    recorder, played = Recorder(), find(str(file))
    rehearse(played, played.complete({}), recorder=recorder)
    assert [(at, verb) for at, verb, _ in recorder.acts] == [
        (1.0, "start"),
        (2.025, "move"),
        (4.025, "attach"),
        (5.025, "impair"),
        (5.525, "link_down"),
        (5.625, "link_up"),
        (6.025, "detach"),
        (6.525, "fail"),
        (6.625, "revive"),
    ]
    assert played.topology().path_delay("home", "cn") == began.topology(core_delay_ms=7.0).path_delay(
        "home", "cn"
    )
