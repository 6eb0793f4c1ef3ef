"""Under sudo, what a run leaves belongs to the user who called it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from roamlab.record import owner
from roamlab.record.run_directory import RunDirectory

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
CALLER = 12345


@pytest.fixture
def sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(CALLER))
    monkeypatch.setenv("SUDO_GID", str(CALLER + 1))


@needs_root
def test_a_run_directory_and_those_above_it_belong_to_the_caller(sudo: None, tmp_path: Path) -> None:
    made = RunDirectory.create(tmp_path / "runs", "fig09").path
    owners = {
        path.name: (path.stat().st_uid, path.stat().st_gid) for path in (made, made.parent, tmp_path / "runs")
    }
    assert set(owners.values()) == {(CALLER, CALLER + 1)}
    assert tmp_path.stat().st_uid == 0


@needs_root
def test_what_a_run_left_is_given_and_nothing_that_lies_elsewhere(sudo: None, tmp_path: Path) -> None:
    run_dir, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run_dir.mkdir()
    elsewhere.write_text("root's own")
    (run_dir / "logs").mkdir()
    (run_dir / "logs/mn.log").write_text("")
    (run_dir / "link").symlink_to(elsewhere)
    os.link(elsewhere, run_dir / "another name")
    owner.give_all(run_dir)
    assert (run_dir / "logs").stat().st_uid == (run_dir / "logs/mn.log").stat().st_uid == CALLER
    assert elsewhere.stat().st_uid == 0


def test_nobody_called_without_sudo_or_as_somebody_else() -> None:
    assert owner.caller({}) is None
    assert owner.caller({"SUDO_UID": "0", "SUDO_GID": "0"}) is None
    assert owner.caller({"SUDO_UID": "-1", "SUDO_GID": "0"}) is None
    if os.geteuid() != 0:
        assert owner.caller({"SUDO_UID": "12345", "SUDO_GID": "12345"}) is None
