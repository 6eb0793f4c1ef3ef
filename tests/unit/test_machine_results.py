"""What a guest hands out is believed in nothing: only new, plain files below the run directory come out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from roamlab.kernels.inside.handing import MAGIC, listing
from roamlab.kernels.machine.results import take

AT, ROOM = 4096, 1 << 20


@pytest.fixture
def memory() -> Iterator[int]:
    fd = os.memfd_create("memory")
    os.ftruncate(fd, AT + ROOM + 4096)
    yield fd
    os.close(fd)


def hand_out(memory: int, *files: tuple[bytes, bytes], says: int | None = None) -> None:
    """Write what a guest writes; ``says`` is the size that each file claims to have."""
    head = listing([(name, len(data) if says is None else says) for name, data in files])
    os.pwrite(memory, head + b"".join(data for _, data in files), AT)


def test_files_and_directories_come_out(memory: int, tmp_path: Path) -> None:
    hand_out(memory, (b"a.txt", b"one"), (b"deep/er/b.bin", b"\0" * 70000), (b"empty", b""))
    assert take(memory, AT, ROOM, tmp_path) == ""
    found = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"a.txt": b"one", "deep/er/b.bin": b"\0" * 70000, "empty": b""}


def test_a_guest_that_wrote_nothing_is_told_so(memory: int, tmp_path: Path) -> None:
    assert take(memory, AT, ROOM, tmp_path) == "the guest handed out no results"


@pytest.mark.parametrize(
    "name",
    [
        b"/etc/passwd",
        b"../out",
        b"a/../../out",
        b"a//b",
        b".",
        b"a\0b",
        b"\xff",
        b"a\nb",
        b"1/2/3/4/5",
        b"x" * 300,
    ],
)
def test_a_name_that_is_no_plain_path_stops_all(memory: int, tmp_path: Path, name: bytes) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    hand_out(memory, (b"good", b"data"), (name, b"data"))
    assert "cannot be taken" in take(memory, AT, ROOM, run_dir)
    assert [p.name for p in tmp_path.rglob("*")] == ["run"]


@pytest.mark.parametrize("size", [ROOM, 1 << 40, (1 << 64) - 1])
def test_a_file_larger_than_what_it_lies_in_stops_all(memory: int, tmp_path: Path, size: int) -> None:
    hand_out(memory, (b"large", b"data"), says=size)
    assert "larger" in take(memory, AT, ROOM, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_list_without_end_stops_all(memory: int, tmp_path: Path) -> None:
    os.pwrite(memory, MAGIC + b"\x01\x00a" * (ROOM // 3), AT)
    assert "cannot be taken" in take(memory, AT, ROOM, tmp_path)
    os.pwrite(memory, MAGIC + (b"\x01\x00a" + bytes(8)) * 5000, AT)
    assert "more than" in take(memory, AT, ROOM, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_stands_there_already_stays(memory: int, tmp_path: Path) -> None:
    run_dir, outside = tmp_path / "run", tmp_path / "outside"
    run_dir.mkdir()
    outside.write_text("mine")
    (run_dir / "plan.json").write_text("the plan")
    (run_dir / "link").symlink_to(outside)
    hand_out(memory, (b"plan.json", b"another"), (b"link", b"another"))
    assert take(memory, AT, ROOM, run_dir) == ""
    assert (run_dir / "plan.json").read_text() == "the plan"
    assert outside.read_text() == "mine"


def test_no_link_is_followed_to_a_directory(memory: int, tmp_path: Path) -> None:
    run_dir, outside = tmp_path / "run", tmp_path / "outside"
    run_dir.mkdir()
    outside.mkdir()
    (run_dir / "logs").symlink_to(outside)
    hand_out(memory, (b"logs/mn.log", b"data"))
    with pytest.raises(Exception, match="cannot be written"):
        take(memory, AT, ROOM, run_dir)
    assert not list(outside.iterdir())
