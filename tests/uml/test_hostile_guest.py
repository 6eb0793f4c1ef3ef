"""What root in a guest may try against the user who started it, and what becomes of it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import textwrap
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.kernels import limits, sandbox, supervise
from roamlab.kernels.choose import select
from roamlab.kernels.job import Job, Kernel, Outcome
from roamlab.record import guarded
from roamlab.record.run_directory import CAPTURE, EVENTS, VERDICT, RunDirectory
from roamlab.reports import page

pytestmark = pytest.mark.skipif(
    shutil.which("linux.uml") is None or sandbox.bubblewrap() is None, reason="needs UML and bubblewrap"
)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return select("uml")


def attack(kernel: Kernel, run_dir: Path, script: str) -> tuple[Outcome, list[str]]:
    """Run a script of Python as root in a guest; how it ended, and what it printed."""
    lines: list[str] = []
    argv = (os.path.realpath(sys.executable), "-I", "-S", "-c", textwrap.dedent(script))
    return kernel.execute(Job(argv, run_dir, seed=1, limit_s=300.0), lines.append), lines


def test_what_is_left_in_the_run_directory_reaches_nothing_else(kernel: Kernel, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("the user's own")
    run = RunDirectory.create(tmp_path / "runs", "hostile")
    outcome, lines = attack(
        kernel,
        run.path,
        f"""
        import os, shutil
        for name in ("{VERDICT}", ".{VERDICT}.new", "report.html", ".report.html.new", "{EVENTS}"):
            os.symlink("{victim}", name)
        os.mkfifo("{CAPTURE}")
        def refused(what, call):
            try:
                call()
            except OSError as error:
                print(what, error.strerror)
            else:
                print(what, "done")
        shutil.copyfile("/bin/true", "shell")
        refused("chmod", lambda: os.chmod("shell", 0o4755))
        refused("open", lambda: os.close(os.open("made", os.O_CREAT | os.O_WRONLY, 0o4755)))
        refused("setgid", lambda: os.chmod("shell", 0o2755))
        refused("plain", lambda: os.chmod("shell", 0o755))
        print("\\x1b]0;pwned\\x07")
        for line in ("at 1/0", "at x/y", "at", "step \\x1b[2J"):
            print("roamlab: " + line)
        control = os.open("/dev/tty1", os.O_WRONLY)
        for line in ("exit abc", "exit 99999", "exit", "clock never"):
            os.write(control, ("roamlab: " + line + "\\n").encode())
        """,
    )
    assert (outcome.status, outcome.reason) == (0, "")
    assert {"chmod Operation not permitted", "setgid Operation not permitted", "plain done"} <= set(lines)
    assert r"\x1b]0;pwned\x07" in lines
    modes = [stat.S_IMODE(path.lstat().st_mode) for path in run.path.iterdir() if not path.is_symlink()]
    assert not any(mode & (stat.S_ISUID | stat.S_ISGID) for mode in modes)
    for name in (VERDICT, EVENTS, CAPTURE):
        with pytest.raises(BadInput):
            guarded.read(run.path, name)
    run.write(VERDICT, {})
    page.write(run)
    assert victim.read_text() == "the user's own"


def test_a_guest_that_reboots_is_not_started_again(kernel: Kernel, tmp_path: Path) -> None:
    outcome, lines = attack(
        kernel,
        tmp_path,
        """
        import ctypes, os, time
        print("roamlab: step again", flush=True)
        os.write(os.open("times", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b".")
        time.sleep(0.5)
        ctypes.CDLL(None).reboot(0x1234567)
        time.sleep(1000)
        """,
    )
    assert "the guest rebooted" in outcome.reason
    assert outcome.status == 1
    assert (tmp_path / "times").read_bytes() == b"."
    assert lines.count("roamlab: step again") == 1


def test_a_giant_file_ends_the_guest(kernel: Kernel, tmp_path: Path) -> None:
    outcome, _ = attack(
        kernel,
        tmp_path,
        f"""
        import os, time
        os.truncate(os.open("{EVENTS}", os.O_CREAT | os.O_WRONLY), 200 << 30)
        time.sleep(1000)
        """,
    )
    assert "ulimit -f" in outcome.reason
    assert (tmp_path / EVENTS).stat().st_size <= guarded.FILE_LIMIT


def test_console_and_run_directory_are_bounded(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "CONSOLE_LIMIT", 1 << 20)
    monkeypatch.setattr(limits, "FILES_LIMIT", 100)
    outcome, _ = attack(kernel, tmp_path, "while True: print('x' * 1000)")
    assert outcome.reason == "more than 1 MiB were printed: ended at step start"
    assert (tmp_path / "console.log").stat().st_size <= 1 << 20
    outcome, _ = attack(
        kernel,
        tmp_path,
        "import os, time\nfor n in range(200): os.mkdir(str(n))\nwhile True: time.sleep(1e-3)",
    )
    assert outcome.reason == "the run directory has more than 100 files: ended at step start"


def test_the_sandbox_has_little_room_besides_the_guests_memory(kernel: Kernel, tmp_path: Path) -> None:
    """Root in a guest reaches the sandbox's own file systems; what it fills there is the machine's memory."""
    _, lines = attack(
        kernel,
        tmp_path,
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        os.mkdir("/tmp/outside")
        assert libc.mount(b"none", b"/tmp/outside", b"hostfs", 0, b"/") == 0
        total = 0
        for directory in ("/run", "/var/tmp", "/dev/shm", "/dev", "/root", "/proc", "/home", "/etc"):
            try:
                fd = os.open(f"/tmp/outside{directory}/filled", os.O_CREAT | os.O_WRONLY)
                for _ in range(2048):
                    total += os.write(fd, bytes(1 << 20))
            except OSError as error:
                print(directory, error.strerror)
        print("total", total >> 20)
        """,
    )
    assert lines, "nothing was tried"
    assert int(lines[-1].removeprefix("total ")) <= 3 * 4
