"""What a guest may have put into its run directory, and what the outside makes of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from roamlab.errors import BadInput, LabError
from roamlab.record import guarded
from roamlab.record.run_directory import CAPTURE, EVENTS, VERDICT, RunDirectory
from roamlab.reports import page


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "runs", "fig09")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "victim"
    file.write_text("the user's own")
    return file


def test_a_link_is_not_read(run: RunDirectory, victim: Path) -> None:
    (run.path / VERDICT).symlink_to(victim)
    with pytest.raises(BadInput, match="is a symbolic link"):
        run.read(VERDICT)
    assert not guarded.exists(run.path, VERDICT)


def test_a_fifo_is_not_waited_for(run: RunDirectory) -> None:
    os.mkfifo(run.path / EVENTS)
    with pytest.raises(BadInput, match="not a regular file"):
        list(run.events())
    with pytest.raises(BadInput, match="not a regular file"):
        guarded.digest(run.path, EVENTS)


def test_a_directory_in_the_place_of_a_file_is_not_read(run: RunDirectory) -> None:
    (run.path / CAPTURE).mkdir()
    with pytest.raises(BadInput, match="not a regular file"):
        guarded.read(run.path, CAPTURE)


def test_a_file_that_is_too_large_is_not_read(run: RunDirectory) -> None:
    with (run.path / EVENTS).open("wb") as file:
        file.truncate(200 << 30)
    with pytest.raises(BadInput, match="too large"):
        list(run.events())


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self"])
def test_what_is_no_file_is_no_capture(path: str) -> None:
    with pytest.raises(BadInput, match="not a regular file"):
        guarded.read_any(Path(path))


def test_what_stands_in_the_place_of_a_file_is_replaced_and_not_followed(
    run: RunDirectory, victim: Path
) -> None:
    for name in (VERDICT, f".{VERDICT}.new", "report.html", ".report.html.new"):
        (run.path / name).symlink_to(victim)
    run.write(VERDICT, {"verdict": "survived"})
    page.write(run)
    with guarded.recorded(run.path, "console.log") as log:
        log.write(b"line\n")
    assert victim.read_text() == "the user's own"
    assert run.read(VERDICT) == {"verdict": "survived"}
    assert not (run.path / "report.html").is_symlink()
    assert (run.path / "console.log").read_bytes() == b"line\n"


def test_a_name_with_a_directory_in_it_is_refused(run: RunDirectory) -> None:
    for call in (guarded.read, guarded.digest):
        with pytest.raises(ValueError, match="not the name"):
            call(run.path, "../victim")


def test_nobody_else_looks_into_a_run_directory(run: RunDirectory) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b]0;pwned\x07\x1b[2J", r"\x1b]0;pwned\x07\x1b[2J"),
        ("two\nlines\r", r"two\nlines\r"),
        ("a\u202eb", r"a\u202eb"),
        ("\x9b31m", r"\x9b31m"),
        ("tab\tand ünïcode ✗ stay", "tab\tand ünïcode ✗ stay"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(said: str, shown: str) -> None:
    assert guarded.printable(said) == shown


def test_what_cannot_be_written_leaves_nothing(run: RunDirectory) -> None:
    (run.path / VERDICT).mkdir()
    (run.path / VERDICT / "file").touch()
    with pytest.raises(LabError):
        run.write(VERDICT, {})
    assert not list(run.path.glob(".*.new"))
