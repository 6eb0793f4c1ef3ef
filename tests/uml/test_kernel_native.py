"""A job on this machine's own kernel, in namespaces of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from roamlab.kernels.choose import select
from roamlab.kernels.job import Job, Kernel, NotPermitted, Outcome, Unsupported

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        return select("native")
    except NotPermitted as error:
        pytest.skip(str(error))


def shell(kernel: Kernel, run_dir: Path, script: str) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    job = Job(("/bin/sh", "-c", script), run_dir, seed=1, limit_s=20)
    return kernel.execute(job, lines.append), lines


def test_exit_status_and_output_come_out(kernel: Kernel, tmp_path: Path) -> None:
    outcome, lines = shell(kernel, tmp_path, "echo one; echo two >&2; exit 7")
    assert (outcome.status, outcome.reason, lines) == (7, "", ["one", "two"])


def test_only_the_run_directory_can_be_written(kernel: Kernel, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    shell(kernel, run_dir, f"touch mine {tmp_path}/other /etc/other {REPOSITORY}/other")
    assert (run_dir / "mine").exists()
    others = (tmp_path / "other", Path("/etc/other"), REPOSITORY / "other")
    assert [path for path in others if path.exists()] == []


def test_the_network_is_its_own(kernel: Kernel, tmp_path: Path) -> None:
    assert shell(kernel, tmp_path, "ls /sys/class/net")[1] == ["lo"]


def test_processes_are_its_own_and_none_stays(kernel: Kernel, tmp_path: Path) -> None:
    _outcome, lines = shell(kernel, tmp_path, "sleep 4321 & ls -d /proc/[0-9]* | wc -l")
    assert int(lines[0]) <= 5
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert b"sleep\x004321\x00" not in running


def test_what_was_probed_is_there(kernel: Kernel, tmp_path: Path) -> None:
    for kind in kernel.abilities & {"veth", "bridge", "dummy"}:
        assert shell(kernel, tmp_path, f"ip link add probe type {kind}")[0].status == 0


def test_what_it_lacks_is_refused_by_the_options_name(kernel: Kernel, tmp_path: Path) -> None:
    lacking = {"sctp": "CONFIG_IP_SCTP", "netem": "CONFIG_NET_SCH_NETEM", "ipip": "CONFIG_NET_IPIP"}
    missing = sorted(lacking.keys() - kernel.abilities)
    if not missing:
        pytest.skip("this machine's kernel has all that we know how to miss")
    with pytest.raises(Unsupported, match=lacking[missing[0]]):
        kernel.execute(Job(("/bin/true",), tmp_path, seed=1, needs=frozenset(missing[:1])), print)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_can_or_is_told_why_not(ordinary_user: list[str]) -> None:
    code = """
        import sys
        from pathlib import Path
        from roamlab.kernels.choose import select
        from roamlab.kernels.job import Job, NotPermitted
        try:
            kernel = select("native")
        except NotPermitted as error:
            print("refused:", error)
        else:
            job = Job(("/bin/sh", "-c", "id -u; touch mine /etc/x 2>/dev/null"), Path(sys.argv[1]), seed=1)
            kernel.execute(job, print)
    """
    run_dir = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        os.chown(run_dir, 65534, 65534)
        done = subprocess.run(
            [*ordinary_user, sys.executable, "-c", textwrap.dedent(code), str(run_dir)],
            cwd=REPOSITORY,
            env=os.environ | {"TMPDIR": "/var/tmp"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.stdout.startswith("refused: native needs root"):
            return
        assert done.stdout == "0\n", done.stderr
        assert (run_dir / "mine").stat().st_uid == 65534
    finally:
        shutil.rmtree(run_dir)


def test_an_interactive_job_gets_a_terminal(tmp_path: Path, kernel: Kernel) -> None:
    del kernel  # only whether there is one
    code = """
        import sys
        from pathlib import Path
        from roamlab.kernels.choose import select
        from roamlab.kernels.job import Job
        job = Job(("/bin/sh", "-c", "test -t 0 && cat"), Path(sys.argv[1]), seed=1, interactive=True, limit_s=20)
        sys.exit(select("native").execute(job, print).status)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        input="one\ntwo\n",
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "one\ntwo\n"), done.stderr
