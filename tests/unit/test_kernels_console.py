"""What a run has said, and what follows from it."""

from __future__ import annotations

import pytest

from roamlab.kernels.console import TAIL_LINES, Lines, Progress


def running() -> Progress:
    progress = Progress()
    assert progress.control_line("roamlab: ready")
    assert progress.control_line("roamlab: running")
    return progress


def test_lines_are_cut_wherever_the_pieces_end() -> None:
    lines = Lines()
    assert [line for byte in b"one\r\ntwo\n\nlast" for line in lines.feed(bytes([byte]))] == [
        "one",
        "two",
        "",
    ]
    assert lines.last() == ["last"]
    assert lines.last() == []


def test_bytes_that_are_no_text_are_kept_as_replacements() -> None:
    assert Lines().feed(b"\xff\n") == ["\ufffd"]


def test_what_the_kernel_says_before_the_job_runs_is_not_passed_on() -> None:
    progress = Progress()
    assert not progress.console_line("Checking that ptrace can change system call numbers...OK")
    assert progress.tail


def test_steps_are_followed() -> None:
    progress = running()
    assert progress.step == "start"
    assert progress.console_line("roamlab: step build the network")
    assert progress.step == "build the network"


def test_a_line_that_only_mentions_a_step_is_none() -> None:
    progress = running()
    progress.console_line("it said roamlab: step elsewhere")
    assert progress.step == "start"


@pytest.mark.parametrize("line", ["bwrap: No such file", "roamlab: something else", ""])
def test_what_is_no_control_line_is_left_to_the_console(line: str) -> None:
    assert not Progress().control_line(line)


def test_a_reading_of_the_clock_inside_is_a_sign_of_life() -> None:
    progress = running()
    heard = progress.heard
    assert progress.control_line("roamlab: clock 1893456001000000000")
    assert progress.heard == heard + 1


def test_the_tail_is_bounded_and_leaves_stack_dumps_out() -> None:
    progress = running()
    for number in range(100):
        progress.console_line(f"line {number}")
        progress.console_line(" [<606944ba>] ? _printk+0x0/0x94")
        progress.console_line(" 606944ba 607e7fcd 60c6bc60 6067bb96")
    assert list(progress.tail) == [f"line {number}" for number in range(100 - TAIL_LINES, 100)]


def test_an_exit_status_is_the_verdict_whatever_the_process_says() -> None:
    progress = running()
    progress.control_line("roamlab: exit 3")
    assert progress.verdict(0) == (3, "")


def test_the_first_panic_is_the_verdict() -> None:
    progress = running()
    progress.console_line("[    1.5] Kernel panic - not syncing: Attempted to kill init!")
    progress.console_line("Kernel panic - not syncing: another")
    assert progress.verdict(134) == (1, "kernel panic at step start: Attempted to kill init!")


@pytest.mark.parametrize("returncode", [-9, 137])
def test_a_signal_is_named_with_the_step(returncode: int) -> None:
    assert running().verdict(returncode) == (137, "the guest was killed by signal 9 at step start")


def test_a_failed_set_up_is_told() -> None:
    progress = Progress()
    progress.control_line("roamlab: ready")
    progress.control_line("roamlab: failed OSError mount proc on /proc: denied")
    status, reason = progress.verdict(0)
    assert status == 1
    assert "mount proc on /proc: denied" in reason


def test_an_end_without_a_word_is_no_success() -> None:
    assert running().verdict(0) == (
        1,
        "the guest ended at step start without an exit status (its own was 0)",
    )
