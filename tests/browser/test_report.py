"""The report of a run in headless Chromium: every control driven, by pointer and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from roamlab.record.events import PathState
from roamlab.record.stimuli import Move
from roamlab.reports import page as pages
from tests.browser import samples
from tests.browser.conftest import Open

NARROW = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages.write(samples.real(tmp_path_factory.mktemp("report")))


def _clock(page: Any) -> float:
    return float(page.inner_text("#clock").split()[0])


def _labels(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "#ladder [role=option]", "all => all.map(e => e.getAttribute('aria-label'))"
    )
    return found


def _mobile(page: Any) -> str:
    return str(page.get_attribute(".map .mobile", "transform"))


def test_nothing_but_the_file_is_asked_for(report: Path, open_page: Open) -> None:
    opened = open_page(report)
    assert [url for url in opened.requests if not url.startswith("data:")] == [report.as_uri()]


def test_it_opens_at_the_move_with_the_numbered_steps_beside_the_rows(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    assert _clock(page) == pytest.approx(5.0, abs=0.01)
    assert any("move wlan0" in label for label in _labels(page))
    assert page.locator("#ladder .mark text").first.text_content() == "1"


def test_a_click_on_a_packet_shows_every_field_and_where_it_was_seen(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.locator("#ladder [role=option][aria-label*='ADD 198.51.100.10']").first.locator(
        "text.halo"
    ).first.click()
    fields = page.inner_text("#fields")
    for words in ("ADD IP", "DELETE IP", "198.51.100.10", "verification tag", "hmac", "mn.wlan0", "cn.eth0"):
        assert words in fields


def test_a_lost_packet_says_where_it_was_seen_last(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.locator("#ladder .lost text.halo").first.click()
    fields = page.inner_text("#fields")
    assert "lost: this is where it was seen last" in fields
    assert "ha.home" in fields


def test_arrow_keys_choose_enter_opens_the_fields_and_escape_returns(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.focus("#ladder")
    page.keyboard.press("Home")
    first = page.get_attribute("#ladder", "aria-activedescendant")
    assert page.locator(f"#{first}").get_attribute("aria-selected") == "true"
    chosen = []
    while not any("INIT from mn to cn" in label for label in chosen) and len(chosen) < 10:
        page.keyboard.press("ArrowDown")
        chosen.append(str(page.locator("#ladder .chosen").get_attribute("aria-label")))
    assert "INIT from mn to cn" in chosen[-1]
    assert len(set(chosen)) == len(chosen) > 1
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "fields"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "ladder"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    assert page.evaluate("document.querySelector('#ladder').scrollTop") > 200
    page.keyboard.press("PageUp")
    assert page.get_attribute("#ladder", "aria-activedescendant")


def test_enter_unfolds_a_stretch_of_steady_packets(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.click("#move")
    page.locator("#ladder .fold text").first.click()
    page.focus("#ladder")
    page.keyboard.press("Enter")
    assert "fold" not in str(page.locator("#ladder .chosen").get_attribute("class"))


def test_folding_can_be_switched_off_and_on(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    folded = page.evaluate("document.querySelector('#tall').offsetHeight")
    page.click("#fold")
    assert page.evaluate("document.querySelector('#tall').offsetHeight") > 2 * folded
    page.wait_for_function("() => document.querySelectorAll('#ladder .fold').length === 0")
    page.click("#fold")
    assert page.evaluate("document.querySelector('#tall').offsetHeight") == folded


def test_the_slider_moves_the_mobile_node_and_the_ladder(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.click("#move")
    page.focus("#scrub")
    page.keyboard.press("Home")
    before, top = _mobile(page), page.evaluate("document.querySelector('#ladder').scrollTop")
    page.keyboard.press("End")
    page.wait_for_function(
        "before => document.querySelector('.map .mobile').getAttribute('transform') !== before", arg=before
    )
    assert page.evaluate("document.querySelector('#ladder').scrollTop") > top
    assert "seconds" in str(page.get_attribute("#scrub", "aria-valuetext"))


def test_scrolling_the_ladder_moves_the_clock_and_the_cursor(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    at, x = _clock(page), page.get_attribute("#cursor", "x1")
    page.hover("#ladder")
    page.mouse.wheel(0, 900)
    page.wait_for_function(
        "before => parseFloat(document.querySelector('#clock').textContent) > before", arg=at
    )
    assert page.get_attribute("#cursor", "x1") != x


def test_buttons_zoom_timeline_and_ladder_together(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    whole = page.inner_text("#count")
    page.click("#move")
    near = page.inner_text("#count")
    assert near != whole
    axis = page.inner_text("#timeline")
    page.click("#in")
    assert page.inner_text("#timeline") != axis
    page.click("#out")
    page.click("#whole")
    assert page.inner_text("#count") == whole


def test_dragging_over_the_timeline_zooms_and_a_click_points(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    whole = page.inner_text("#count")
    page.locator("#timeline").scroll_into_view_if_needed()
    box = page.locator("#timeline svg").bounding_box()
    x, y = box["x"] + box["width"] * 0.5, box["y"] + 60
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y, steps=4)
    page.mouse.up()
    assert page.inner_text("#count") != whole
    before = _clock(page)
    page.mouse.click(box["x"] + box["width"] * 0.9, y)
    assert _clock(page) > before


def test_a_step_of_the_chain_leads_to_its_packet(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.click("#fold")
    page.locator("button.jump", has_text="ASCONF-ACK arrives").first.click()
    assert "ASCONF-ACK" in str(page.locator("#ladder .chosen").get_attribute("aria-label"))
    assert page.evaluate("document.activeElement.id") == "ladder"


def test_a_step_hidden_in_a_fold_is_unfolded(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.locator("button.jump", has_text="first DATA down").click()
    assert "DATA" in str(page.locator("#ladder .chosen").get_attribute("aria-label"))


def test_an_address_with_a_time_opens_at_that_moment(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    for moment in ("5.25", "6.5"):
        page.goto(f"{report.as_uri()}#t={moment}")
        page.wait_for_selector(f"#clock:text-is('{float(moment):.6f} s')")
        assert page.input_value("#scrub") == "250"  # a second before it, three after


def test_the_replay_line_can_be_copied(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    page.click("#copy")
    page.wait_for_function(
        "() => ['Copied', 'Selected'].includes(document.querySelector('#copy').textContent)"
    )


def test_a_narrow_page_does_not_scroll_sideways(report: Path, open_page: Open) -> None:
    page = open_page(report, **NARROW).page
    assert page.evaluate("document.scrollingElement.scrollWidth") == 390
    page.click("#move")
    assert any("move wlan0" in label for label in _labels(page))


def test_nothing_moves_by_itself_for_who_wants_it_still(report: Path, open_page: Open) -> None:
    page = open_page(report, reduced_motion="reduce").page
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.map .mobile')).transitionProperty") == "none"
    )


def test_on_paper_the_whole_ladder_stands_folded(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    assert not page.is_visible(".still")
    page.emulate_media(media="print")
    assert page.is_visible(".still")
    assert not page.is_visible("#ladder")
    assert not page.is_visible(".toolbar")


def test_without_scripts_the_verdict_and_the_ladder_are_there(report: Path, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert "survived" in page.inner_text("h1")
    assert page.is_visible(".still")
    assert not page.is_visible("#ladder")
    context.close()


def test_colour_is_never_alone(report: Path, open_page: Open) -> None:
    page = open_page(report).page
    assert "✗" in page.inner_text("#ladder")
    assert "✓" in page.inner_text(".badge")
    assert re.search(r"717\s?ms", page.inner_text("#timeline"))


_OVER_CURVES = """() => {
  const box = (e) => e.getBoundingClientRect();
  const curves = [...document.querySelectorAll("#timeline path.curve[class*=c]")].slice(2).map(box).filter((b) => b.width);
  const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const words = [...document.querySelectorAll("#timeline .track-name")].filter((e) => e.textContent).map(box);
  return words.filter((w, i) => curves.some((c) => over(w, c)) || words.some((v, j) => i < j && over(w, v))).length;
}"""


@pytest.mark.parametrize("width", [1440, 1280, 1000, 390])
@pytest.mark.parametrize("paths", [2, 9])
def test_names_of_curves_lie_over_no_curve_and_over_no_other_name(
    tmp_path: Path, open_page: Open, width: int, paths: int
) -> None:
    run = samples.real(tmp_path)
    samples.with_events(
        run,
        lambda event: not isinstance(event, PathState),
        *(
            PathState(1, f"203.0.113.{host}", 4380 * second, 1000 * host, 92, t=second * 10**9, node="mn")
            for second in (5, 6)
            for host in range(10, 10 + paths)
        ),
    )
    page = open_page(pages.write(run), viewport={"width": width, "height": 900}).page
    assert page.locator("#timeline .dot").count() == 3 * paths + 1
    assert page.evaluate(_OVER_CURVES) == 0
    page.click("#move")
    assert page.evaluate(_OVER_CURVES) == 0
    looks = page.eval_on_selector_all(
        "#timeline line.curve", "all => all.map((e) => e.getAttribute('class'))"
    )
    assert len(set(looks)) == paths


@pytest.mark.parametrize("width", [1440, 390])
def test_names_of_stimuli_lie_over_no_other(tmp_path: Path, open_page: Open, width: int) -> None:
    run = samples.real(tmp_path)
    moves = (Move(to="visited", nic="wlan0", t=second * 10**9, node="mn") for second in (6, 7, 18, 19))
    samples.with_events(run, lambda _: True, *moves)
    page = open_page(pages.write(run), viewport={"width": width, "height": 900}).page
    boxes = [name.bounding_box() for name in page.locator("#timeline .stimulus-name").all()]
    assert len(boxes) >= 3
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = one["y"] >= other["y"] + other["height"] - 3 or other["y"] >= one["y"] + one["height"] - 3
            assert apart or one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]


@pytest.mark.parametrize("width", [1440, 1280, 1100, 1000, 700])
def test_the_whole_network_is_seen_without_scrolling(report: Path, open_page: Open, width: int) -> None:
    page = open_page(report, viewport={"width": width, "height": 900}).page
    region = page.locator(".scroll[aria-label='The network']")
    assert region.evaluate("e => e.scrollWidth - e.clientWidth") == 0


@pytest.mark.parametrize("make", [samples.unheard, samples.cut_off, samples.dead])
def test_a_damaged_run_opens_and_says_what_is_missing(tmp_path: Path, open_page: Open, make: Any) -> None:
    page = open_page(pages.write(make(tmp_path))).page
    assert page.is_visible(".missing li")
    if make is samples.dead:
        assert not page.is_visible(".toolbar")
        assert "no packets and no events" in page.inner_text("#packets")
        return
    page.click("#whole")
    page.click("#in")
    page.click("#fold")


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path, open_page: Open) -> None:
    page = open_page(pages.write(samples.hostile(tmp_path))).page
    page.focus("#ladder")
    for key in ("Home", *["ArrowDown"] * 12, "End"):
        page.keyboard.press(key)
    page.click("#move")
    assert "owned" not in page.title()
    assert page.locator("img").count() == 0
    assert samples.HOSTILE in page.inner_text(".reasons")


def test_a_tunnel_is_drawn_between_its_ends(tmp_path: Path, open_page: Open) -> None:
    page = open_page(pages.write(samples.tunnelled(tmp_path))).page
    page.click("#fold")
    page.focus("#ladder")
    page.keyboard.press("Home")
    page.locator("#ladder .tunnel").first.wait_for(state="attached")
    assert page.inner_text("#heads").split() == ["mn", "ha", "fa", "cn"]
    page.locator("#ladder .tunnel").first.locator("xpath=..").click()
    assert "203.0.113.129 → 203.0.113.161" in page.inner_text("#fields h3")
    assert "203.0.113.129 → 203.0.113.161" in page.inner_text("#fields table")
