"""A run that must be ended, or is killed: it says at which step, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roamlab.kernels.choose import select
from roamlab.kernels.job import Job, Kernel, Outcome
from roamlab.kernels.spin import guest_process
from roamlab.kernels.supervise import Launch, supervise
from tests.processes import descendants, gone

pytestmark = pytest.mark.skipif(shutil.which("linux.uml") is None, reason="needs Debian's user-mode-linux")
REPOSITORY = Path(__file__).resolve().parents[2]
FRONT_END = """
    import sys
    from pathlib import Path
    from roamlab.kernels import sandbox
    from roamlab.kernels.choose import select
    from roamlab.kernels.job import Job
    script = "echo 'roamlab: step waiting'; sleep 60"
    job = Job(("/bin/sh", "-c", script), Path(sys.argv[2]), seed=1, limit_s=50)
    if sys.argv[1] == "unconfined":
        sandbox.bubblewrap = lambda: None
    outcome = select("native" if sys.argv[1] == "native" else "debian").execute(job, lambda line: print(line, flush=True))
    print(f"OUTCOME {outcome.status} {outcome.reason}", flush=True)
"""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return select("debian")


def run(kernel: Kernel, run_dir: Path, script: str, limit_s: float = 30.0) -> Outcome:
    return kernel.execute(
        Job(("/bin/sh", "-c", script), run_dir, seed=1, limit_s=limit_s), lambda _line: None
    )


@pytest.fixture(params=["uml", "unconfined", "native"])
def waiting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A front end whose guest waits, and says so."""
    if request.param == "native" and os.geteuid() != 0:
        pytest.skip("needs root for native")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FRONT_END), request.param, str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(own_files(tmp_path))},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "roamlab: step waiting\n"
    yield process
    process.kill()
    process.communicate()


def own_files(tmp_path: Path) -> Path:
    """The directory for temporary files of a run under test, apart from everybody else's."""
    directory = tmp_path / "temporary"
    directory.mkdir(exist_ok=True)
    return directory


def left_over(tmp_path: Path) -> list[Path]:
    return [*own_files(tmp_path).iterdir(), *Path("/dev/shm").glob("vm_file-*")]


def test_a_hang_is_ended_at_the_limit_and_its_step_named(kernel: Kernel, tmp_path: Path) -> None:
    outcome = run(kernel, tmp_path, "echo 'roamlab: step join the group'; sleep 60", limit_s=2.0)
    assert outcome.step == "join the group"
    assert outcome.reason == "hang at step join the group: not finished within 2 s"
    assert outcome.status != 0
    assert outcome.wall_s < 4.0


def test_a_panic_is_reported(kernel: Kernel, tmp_path: Path) -> None:
    outcome = run(kernel, tmp_path, "echo 'roamlab: step crash'; echo c > /proc/sysrq-trigger")
    assert outcome.reason == "kernel panic at step crash: sysrq triggered crash"
    assert outcome.status == 1


def test_the_tail_of_a_panic_keeps_what_the_job_said(kernel: Kernel, tmp_path: Path) -> None:
    outcome = run(kernel, tmp_path, "echo last words; echo c > /proc/sysrq-trigger")
    assert "last words" in outcome.console_tail


def test_too_little_memory_is_no_success(kernel: Kernel, tmp_path: Path) -> None:
    eat = "x = bytearray(1 << 30); print('ate it')"
    outcome = kernel.execute(
        Job((sys.executable, "-c", eat), tmp_path, seed=1, memory_mib=128), lambda _line: None
    )
    assert outcome.status != 0


def test_a_killed_guest_is_reported(kernel: Kernel, tmp_path: Path) -> None:
    def kill_it(line: str) -> None:
        assert line == "roamlab: step doomed"
        (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        os.kill(guest_process(int(child)), signal.SIGKILL)

    job = Job(("/bin/sh", "-c", "echo 'roamlab: step doomed'; sleep 60"), tmp_path, seed=1, limit_s=30)
    outcome = kernel.execute(job, kill_it)
    assert outcome.reason == "the guest was killed by signal 9 at step doomed"
    assert outcome.status == 137


def test_an_error_in_the_reader_ends_the_guest(kernel: Kernel, tmp_path: Path) -> None:
    seen: set[int] = set()

    def fail(_line: str) -> None:
        seen.update(descendants(os.getpid()))
        raise RuntimeError("the reader failed")

    job = Job(("/bin/sh", "-c", "echo hello; sleep 60"), tmp_path, seed=1)
    with pytest.raises(RuntimeError, match="the reader failed"):
        kernel.execute(job, fail)
    assert seen
    assert gone(seen)


def test_killing_the_front_end_leaves_no_process_and_no_file(
    waiting: subprocess.Popen[str], tmp_path: Path
) -> None:
    inside = descendants(waiting.pid)
    assert len(inside) >= 3
    waiting.kill()
    waiting.wait()
    assert gone(inside)
    assert left_over(tmp_path) == []


def test_killing_what_checks_a_kernel_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    script = """
        from pathlib import Path
        from roamlab.kernels.build import boot
        boot.run(Path(%r), (), "#!/bin/sh\\nexec sleep 1000\\n")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script % shutil.which("linux.uml"))],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(own_files(tmp_path))},
    )
    deadline = time.monotonic() + 300.0
    while len(inside := descendants(process.pid)) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)  # the warden, the guest with its helpers, and a process for each of the guest's
    process.kill()
    process.wait()
    assert len(inside) >= 6
    assert gone(inside, within_s=300.0)
    assert not [entry for entry in own_files(tmp_path).iterdir() if list(entry.glob("*"))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_front_end_ends_the_guest_and_says_so(
    waiting: subprocess.Popen[str], number: signal.Signals
) -> None:
    inside = descendants(waiting.pid)
    waiting.send_signal(number)
    output, _errors = waiting.communicate(timeout=20)
    assert output == f"OUTCOME {128 + number} stopped by {number.name} at step waiting\n"
    assert gone(inside)


def test_a_run_leaves_its_console_and_nothing_else(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(own_files(tmp_path)))
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    run(kernel, run_dir, "true")
    assert [path.name for path in run_dir.iterdir()] == ["console.log"]
    assert left_over(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_run_directory_is_an_error_and_ends_the_guest(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from roamlab.kernels.choose import select
        from roamlab.kernels.job import Job
        job = Job(("/usr/bin/yes", "no room"), Path(sys.argv[1]), seed=1, limit_s=50)
        try:
            select("debian").execute(job, lambda line: None)
        except OSError as error:
            print(error.strerror)
    """
    mounted = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["sh", "-c", mounted, "sh", str(tmp_path), sys.executable, textwrap.dedent(code)]
    done = subprocess.run(
        ["unshare", "--mount", *command], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "No space left on device\n", done.stderr


def test_a_binary_that_does_not_boot_says_so(tmp_path: Path) -> None:
    job = Job(("/bin/true",), tmp_path, seed=1)
    launch = Launch(("/bin/sh", "-c", "echo no room; exit 5"), env={}, cpu=None)
    outcome = supervise(launch, job, lambda _line: None)
    assert outcome.reason == "the guest ended at step boot without an exit status (its own was 5)"
    assert outcome.console_tail == ("no room",)
