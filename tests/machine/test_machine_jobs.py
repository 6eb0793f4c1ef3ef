"""What a machine's job may do, what leaves it, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from roamlab.kernels import sandbox
from roamlab.kernels.job import Job, KernelError, Outcome, Unsupported
from roamlab.kernels.machine.kernel import MachineKernel
from tests.processes import descendants, gone

pytestmark = pytest.mark.timeout(900)
REPOSITORY = Path(__file__).resolve().parents[2]


def run(kernel: MachineKernel, run_dir: Path, script: str) -> tuple[Outcome, list[str]]:
    """Run a script of Python as root; how it ended, and what it printed."""
    lines: list[str] = []
    argv = (sys.executable, "-c", textwrap.dedent(script))
    return kernel.execute(Job(argv, run_dir, seed=1, limit_s=300.0), lines.append), lines


def test_a_job_has_the_kernel_its_files_and_no_network(debian_12: MachineKernel, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("the plan")
    outcome, lines = run(
        debian_12,
        tmp_path,
        """
        import os, sys
        print(os.uname().release, os.cpu_count(), os.getuid(), *os.listdir("/sys/class/net"))
        print(open("plan.json").read(), os.environ["PYTHONHASHSEED"])
        open("plan.json", "w").write("another plan")
        os.makedirs("logs/deep")
        open("logs/deep/mn.log", "wb").write(bytes(range(256)) * 4096)
        os.symlink("/etc/passwd", "link")
        os.mkfifo("fifo")
        sys.exit(7)
        """,
    )
    assert (outcome.status, outcome.reason) == (7, "")
    assert lines == [f"{debian_12.version} 1 0 lo", "the plan 1"]
    assert (tmp_path / "logs/deep/mn.log").read_bytes() == bytes(range(256)) * 4096
    assert (tmp_path / "plan.json").read_text() == "the plan"
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "console.log", "logs"}


def test_a_guest_that_forges_its_results_reaches_nothing(debian_12: MachineKernel, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    outcome, _ = run(
        debian_12,
        run_dir,
        """
        import mmap, os, time
        from roamlab.kernels.inside.base import read_job
        from roamlab.kernels.inside.handing import JOB, listing
        at, room = map(int, read_job(JOB)["window_of_results"][0].split())
        forged = listing([(b"good", 4), (b"../escaped", 4)]) + b"goodevil"
        with mmap.mmap(os.open("/dev/mem", os.O_RDWR), room, offset=at) as window:
            window[: len(forged)] = forged
        with open("/dev/ttyS1", "w") as control:
            control.write("roamlab: exit 0\\n")
        time.sleep(1)
        open("/proc/sysrq-trigger", "w").write("b")
        """,
    )
    assert outcome.status != 0
    assert outcome.reason == "the guest's results cannot be taken: a name is no plain path"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["console.log", "run"]


def test_a_panic_is_told_with_its_step(debian_12: MachineKernel, tmp_path: Path) -> None:
    outcome, _ = run(
        debian_12,
        tmp_path,
        """
        print("roamlab: step crash", flush=True)
        open("/proc/sysrq-trigger", "w").write("c")
        """,
    )
    assert outcome.reason == "kernel panic at step crash: sysrq triggered crash"
    assert outcome.status == 1


def test_what_cannot_work_is_refused_before_anything_starts(debian_12: MachineKernel, tmp_path: Path) -> None:
    job = Job((sys.executable, "-c", ""), tmp_path, seed=1)
    with pytest.raises(Unsupported, match="is not in debian-12"):
        debian_12.execute(replace(job, needs=frozenset({"time machine"})), print)
    with pytest.raises(KernelError, match="Python and roamlab"):
        debian_12.execute(replace(job, argv=("/bin/true",)), print)
    with pytest.raises(KernelError, match="none of this machine's files"):
        debian_12.execute(replace(job, written=(tmp_path,)), print)
    with pytest.raises(KernelError, match="MiB"):
        debian_12.execute(replace(job, memory_mib=100_000), print)
    assert not list(tmp_path.iterdir())


FRONT_END = """
    import sys
    from pathlib import Path
    from roamlab.kernels import sandbox
    from roamlab.kernels.choose import select
    from roamlab.kernels.job import Job
    if sys.argv[1] == "unconfined":
        sandbox.bubblewrap = lambda: None
    script = "import time; print('roamlab: step waiting', flush=True); input()"
    job = Job((sys.executable, "-c", script), Path(sys.argv[2]), seed=1, interactive=True)
    select("debian-12").execute(job, print)
"""


@pytest.mark.parametrize("how", ["confined", "unconfined"])
def test_a_killed_front_end_leaves_nothing(debian_12: MachineKernel, tmp_path: Path, how: str) -> None:
    if how == "confined" and sandbox.bubblewrap() is None:
        pytest.skip("bubblewrap may not make namespaces here")
    assert debian_12.describe().initramfs_sha256  # made by us: the front end only boots
    run_dir, temporary = tmp_path / "run", tmp_path / "temporary"
    run_dir.mkdir()
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FRONT_END), how, str(run_dir)],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "step waiting" in process.stdout.readline()
        started = descendants(process.pid)
        assert any("qemu" in Path(f"/proc/{pid}/comm").read_text() for pid in started)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert gone(started, 60.0)
    assert [path.name for path in run_dir.iterdir()] == ["console.log"]
    assert not list(temporary.iterdir())
