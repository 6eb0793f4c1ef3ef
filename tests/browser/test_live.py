"""What a student does with the live lab: drags the mobile node, reads the verdict, downloads the scenario, plays it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.record.identity import hashes
from roamlab.where import ROOT
from tests.browser import samples
from tests.browser.test_accessibility import LOOKS, serious

WAIT_S = 300


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a live session, and where its run goes; shared, and played by the tests in their order."""
    if not lab_kernels():
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    runs = tmp_path_factory.mktemp("live")
    words = ["live", "--json", "--kernel", "uml", "--runs", str(runs)]
    server = subprocess.Popen(
        [sys.executable, "-m", "roamlab.cli", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=runs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())["address"], runs
    finally:
        server.terminate()
        server.communicate()


def wait(reached: Callable[[], bool]) -> None:
    """The page's policy forbids what playwright would wait with."""
    until = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.05)


def clock(page: Any) -> float:
    return float(page.locator("#clock").text_content().split()[0])


def told(page: Any) -> float:
    """The time that the page was told last; the clock runs on a little by itself."""
    return float(page.get_attribute("#clock", "data-now"))


@pytest.fixture(scope="module")
def page(chromium: Any, live: tuple[str, Path]) -> Iterator[Any]:
    context = chromium.new_context(
        viewport={"width": 1440, "height": 1200}, accept_downloads=True, has_touch=True
    )
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    made.goto(live[0])
    made.wait_for_selector("body[data-ready]", timeout=WAIT_S * 1000)
    yield made
    context.close()
    assert [error for error in errors if "409" not in error] == []


def test_a_hand_takes_the_node_to_another_segment(page: Any) -> None:
    wait(lambda: clock(page) > 1.5)
    plug = page.locator(".plug circle").bounding_box()
    target = page.locator(".spot.segment", has_text="visited").first.bounding_box()
    page.mouse.move(plug["x"] + plug["width"] / 2, plug["y"] + plug["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + target["width"] / 2, target["y"] + target["height"] / 3, steps=6)
    assert page.locator(".spot.target").count() == 1
    page.mouse.up()
    wait(lambda: "198.51.100.10" in page.locator("#state").text_content())
    wait(lambda: "since move wlan0" in page.locator("#why").text_content())
    wait(lambda: "ASCONF" in page.locator("#ladder").text_content())


def test_time_stands_and_goes_on_packet_by_packet(page: Any) -> None:
    page.click("#play")
    wait(lambda: page.locator("#play").text_content() == "Go on")
    stood = told(page)
    page.click("#packet")
    wait(lambda: told(page) > stood)
    assert told(page) < stood + 1
    stood = told(page)
    time.sleep(0.3)
    assert told(page) == stood
    wait(lambda: clock(page) == round(stood, 3))


def test_the_keyboard_alone_moves_it_back(page: Any) -> None:
    page.click("#play")
    page.focus(".plug")
    page.keyboard.press("ArrowUp")
    assert page.locator(".spot.target").text_content().startswith("home")
    pressed = told(page)
    page.keyboard.press("Enter")
    wait(lambda: "192.0.2.10" in page.locator("#state").text_content())
    wait(lambda: told(page) > pressed + 1)  # a second move within a round trip would break the session
    page.click("#play")  # what follows takes long, and needs no time to go on


def test_a_finger_drags_as_a_mouse_does(page: Any) -> None:
    plug, target = (
        page.locator(".plug circle").bounding_box(),
        page.locator(".spot.segment", has_text="visited2").bounding_box(),
    )
    start = (plug["x"] + plug["width"] / 2, plug["y"] + plug["height"] / 2)
    end = (target["x"] + target["width"] / 2, target["y"] + target["height"] / 3)
    finger = page.context.new_cdp_session(page)
    for kind, place in (("Start", start), ("Move", start), ("Move", end), ("End", None)):
        points = [] if place is None else [{"x": place[0], "y": place[1]}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    finger.detach()
    wait(lambda: page.locator("#said").text_content().startswith("wlan0 moves to visited2"))


def test_what_cannot_be_is_refused_in_a_sentence(page: Any) -> None:
    page.select_option("#move select[name=to]", "visited2")
    page.click("#move button")
    wait(lambda: page.locator("#said.refused").count() == 1)
    assert page.locator("#said").text_content() == "wlan0 is on visited2 already"


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(chromium: Any, live: tuple[str, Path], look: dict[str, Any]) -> None:
    context = chromium.new_context(bypass_csp=True, **look)
    viewer = context.new_page()
    viewer.goto(live[0])
    viewer.wait_for_selector("body[data-ready]", timeout=WAIT_S * 1000)
    assert viewer.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = serious(viewer)
    context.close()
    assert found == []


def test_the_session_ends_and_its_scenario_plays_it_again(
    page: Any, live: tuple[str, Path], tmp_path: Path
) -> None:
    page.click("#end")
    page.wait_for_selector("body[data-over=true]", timeout=WAIT_S * 1000)
    wait(lambda: page.locator("#word").text_content() == "survived")
    with page.expect_download() as waiting:
        page.click("#scenario")
    file = tmp_path / "by_hand.py"
    waiting.value.save_as(file)
    words = ["run", str(file), "--kernel", "uml", "--runs", str(tmp_path), "--no-report", "--json"]
    said = subprocess.run(
        [sys.executable, "-m", "roamlab.cli", *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert said.returncode == 0, said.stderr
    (first,) = live[1].glob("live/*")
    (second,) = tmp_path.glob("live/*")
    assert hashes(first) == hashes(second)


def test_a_run_that_is_over_is_wound_to_any_time(chromium: Any, tmp_path: Path) -> None:
    run = samples.real(tmp_path)
    server = subprocess.Popen(
        [sys.executable, "-m", "roamlab.cli", "live", str(run.path), "--json", "--stopped"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert server.stdout is not None
    context = chromium.new_context(bypass_csp=True, viewport={"width": 390, "height": 800})
    try:
        page = context.new_page()
        page.goto(json.loads(server.stdout.readline())["address"])
        page.wait_for_selector("body[data-ready]", timeout=WAIT_S * 1000)
        assert page.locator("#acts").is_hidden()
        page.locator("#seek").fill("5.5")
        page.locator("#seek").dispatch_event("change")
        wait(lambda: "198.51.100.10" in page.locator("#state").text_content())
        page.locator("#seek").fill("0.5")
        page.locator("#seek").dispatch_event("change")
        wait(lambda: "198.51.100.10" not in page.locator("#state").text_content())
        page.locator("#seek").fill("1000")
        page.locator("#seek").dispatch_event("change")
        wait(lambda: page.locator("#word").text_content() == "survived")
        assert serious(page) == []
    finally:
        context.close()
        server.terminate()
        assert server.communicate()[0] == ""
    assert server.returncode == 0
