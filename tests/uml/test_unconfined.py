"""The lab kernel where bubblewrap cannot make namespaces: it runs, says what protection is missing, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from roamlab.kernels import landlock, sandbox
from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Job
from roamlab.kernels.spin import guest_process
from roamlab.where import ROOT
from tests.elsewhere import DENIED, as_nobody, copy_of_code, copy_of_kernel, play
from tests.processes import descendants, gone

pytestmark = pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel")
WORDS = ("run", "control", "--kernel", "uml", "--seed", "3")


@pytest.fixture
def unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: None)


@pytest.fixture
def for_everybody() -> Iterator[Path]:
    """A directory that other users can reach."""
    with tempfile.TemporaryDirectory(prefix="roamlab-test-", dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_without_namespaces_it_gives_the_same_bits_and_says_what_is_missing(tmp_path: Path) -> None:
    confined, _ = play(ROOT, tmp_path / "confined", WORDS)
    run, said = play(ROOT, tmp_path / "unconfined", WORDS, before=DENIED)
    assert (run / "capture.pcapng").read_bytes() == (confined / "capture.pcapng").read_bytes()
    there = "landlock" if landlock.version() else "none"
    assert json.loads((run / "manifest.json").read_bytes())["kernel"]["protection"] == there
    assert sandbox.LACKING[sandbox.Protection(there)] in said
    assert not list(run.glob(".uml*"))


def test_an_ordinary_user_without_namespaces_or_home_can_play(for_everybody: Path) -> None:
    nobody = as_nobody()
    code, cache = copy_of_code(for_everybody / "code"), copy_of_kernel(for_everybody / "cache")
    runs = for_everybody / "runs"
    runs.mkdir()
    os.chown(runs, 65534, 65534)
    environment = {"HOME": "/nonexistent", "XDG_CACHE_HOME": str(cache), "TMPDIR": str(runs)}
    run, said = play(code, runs, WORDS, before=(*DENIED, *nobody), environment=environment)
    assert json.loads((run / "verdict.json").read_bytes())["verdict"] == "survived"
    assert "cannot confine" in said or "can confine" in said
    assert not list(runs.glob("roamlab-*"))


def test_root_in_a_guest_writes_nowhere_but_in_its_run_directory(unconfined: None, tmp_path: Path) -> None:
    if not landlock.version():
        pytest.skip("this machine's kernel has no Landlock")
    run_dir, victim = tmp_path / "run", tmp_path / "victim"
    run_dir.mkdir()
    victim.write_text("the user's own")
    attack = f"""if True:
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        os.mkdir("/tmp/outside")
        assert libc.mount(b"none", b"/tmp/outside", b"hostfs", 0, b"/") == 0
        outside = "/tmp/outside{tmp_path}"
        def refused(call):
            try:
                call()
            except OSError as error:
                print(error.strerror)
            else:
                print("done")
        refused(lambda: open(outside + "/victim", "a"))
        refused(lambda: os.truncate(outside + "/victim", 0))
        refused(lambda: os.unlink(outside + "/victim"))
        refused(lambda: os.rename(outside + "/victim", outside + "/run/victim"))
        refused(lambda: os.mkdir(outside + "/made"))
        refused(lambda: os.symlink("/", outside + "/link"))
        refused(lambda: os.chmod("set-id", 0o4755))
        refused(lambda: open("mine", "w").close())
    """
    (run_dir / "set-id").touch()
    lines: list[str] = []
    argv = (os.path.realpath(sys.executable), "-I", "-S", "-c", attack)
    outcome = select("uml").execute(Job(argv, run_dir, seed=1), lines.append)
    assert outcome.reason == ""
    assert lines[-8:] == ["Permission denied"] * 6 + ["Operation not permitted", "done"]
    assert victim.read_text() == "the user's own"
    assert {path.name for path in tmp_path.iterdir()} == {"run", "victim"}


@pytest.mark.parametrize("kernel", ["uml", "debian"])
def test_a_killed_guest_leaves_nothing(unconfined: None, tmp_path: Path, kernel: str) -> None:
    ours: set[int] = set()

    def kill_it(line: str) -> None:
        if line != "roamlab: step doomed":
            return
        (child,) = children() - others  # other tests may have left some to this process
        ours.update({child} | descendants(child))
        os.kill(guest_process(child), signal.SIGKILL)

    def children() -> set[int]:
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}

    job = Job(("/bin/sh", "-c", "echo 'roamlab: step doomed'; sleep 60"), tmp_path, seed=1, limit_s=300)
    chosen, others = select(kernel), children()
    outcome = chosen.execute(job, kill_it)
    assert outcome.reason == "the guest was killed by signal 9 at step doomed"
    assert len(ours) > 1
    assert gone(ours, within_s=300)
    assert [path.name for path in tmp_path.iterdir()] == ["console.log"]
