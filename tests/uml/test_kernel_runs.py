"""A job in a UML guest: what goes in, what comes out, and that nothing else does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import termios
import textwrap
from pathlib import Path

import pytest

from roamlab.kernels import sandbox
from roamlab.kernels.choose import select
from roamlab.kernels.job import Job, Kernel, KernelError, Outcome, Unsupported

pytestmark = pytest.mark.skipif(shutil.which("linux.uml") is None, reason="needs Debian's user-mode-linux")
REPOSITORY = Path(__file__).resolve().parents[2]
FRONT_END = """
    import sys
    from pathlib import Path
    from roamlab.kernels.choose import select
    from roamlab.kernels.job import Job
    job = Job(tuple(sys.argv[3:]), Path(sys.argv[2]), seed=1, limit_s=30, interactive=sys.argv[1] == "talk")
    outcome = select("debian").execute(job, lambda line: print(line, flush=True))
    print(f"OUTCOME {outcome.status} {outcome.reason}", flush=True)
"""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return select("debian")


def shell(kernel: Kernel, run_dir: Path, script: str, **job: object) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    outcome = kernel.execute(
        Job(("/bin/sh", "-c", script), run_dir, seed=1, limit_s=30, **job),  # type: ignore[arg-type]
        lines.append,
    )
    return outcome, lines


def front_end(mode: str, run_dir: Path, *argv: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(FRONT_END), mode, str(run_dir), *argv]


def test_exit_status_and_output_come_out(kernel: Kernel, tmp_path: Path) -> None:
    outcome, lines = shell(kernel, tmp_path, "echo one; echo two >&2; exit 7")
    assert (outcome.status, outcome.reason, lines) == (7, "", ["one", "two"])


def test_the_console_is_kept(kernel: Kernel, tmp_path: Path) -> None:
    outcome, _lines = shell(kernel, tmp_path, "echo kept")
    assert "kept" in (tmp_path / "console.log").read_text().splitlines()
    assert outcome.console_tail[-1] == "kept"


def test_a_signal_becomes_128_and_its_number(kernel: Kernel, tmp_path: Path) -> None:
    assert shell(kernel, tmp_path, "kill -9 $$")[0].status == 128 + 9


def test_a_program_that_is_not_there_says_so(kernel: Kernel, tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = kernel.execute(Job(("/no/such/program",), tmp_path, seed=1), lines.append)
    assert outcome.status == 127
    assert "No such file" in lines[0]


def test_the_run_directory_has_the_same_path_inside(kernel: Kernel, tmp_path: Path) -> None:
    run_dir = tmp_path / "with space"
    run_dir.mkdir()
    shell(kernel, run_dir, f"pwd > '{run_dir}/where'")
    assert (run_dir / "where").read_text() == f"{run_dir}\n"


def test_a_binary_in_a_directory_that_the_guest_hides_runs(tmp_path: Path) -> None:
    copy = Path(shutil.copy(shutil.which("linux.uml") or "", tmp_path / "linux"))
    if not sandbox.hidden(copy):
        pytest.skip(f"{tmp_path} is not hidden inside: run the tests with a basetemp below /tmp")
    outcome, lines = shell(select(str(copy)), tmp_path, f"echo ran; test -e {copy}")
    assert (outcome.reason, lines) == ("", ["ran"])


def test_the_root_is_read_only(kernel: Kernel, tmp_path: Path) -> None:
    assert shell(kernel, tmp_path, "touch /etc/written 2>/dev/null")[0].status == 1


def test_sctp_listens(kernel: Kernel, tmp_path: Path) -> None:
    program = (
        "import socket; s = socket.socket(2, 1, 132); s.bind(('127.0.0.1', 9)); s.listen(); print('listens')"
    )
    lines: list[str] = []
    kernel.execute(
        Job((sys.executable, "-c", program), tmp_path, seed=1, needs=frozenset({"sctp"})), lines.append
    )
    assert lines == ["listens"]


@pytest.mark.parametrize("kind", ["veth", "bridge", "ipip"])
def test_needs_are_there(kernel: Kernel, tmp_path: Path, kind: str) -> None:
    outcome, lines = shell(kernel, tmp_path, f"ip link add probe type {kind} local 127.0.0.1 2>&1 || "
                           f"ip link add probe type {kind}", needs=frozenset({kind}))  # fmt: skip
    assert outcome.status == 0, lines


def test_probing_a_guest_finds_what_its_binary_says(kernel: Kernel, tmp_path: Path) -> None:
    """Reading abilities from the configuration and trying them agree."""
    probe = REPOSITORY / "roamlab" / "kernels" / "inside" / "probe.py"
    needs = frozenset({"sctp", "sctp_diag", "netem", "htb", "tbf", "veth", "bridge", "ipip", "gre", "ipv6"})
    lines: list[str] = []
    kernel.execute(Job((sys.executable, "-I", "-S", str(probe)), tmp_path, seed=1, needs=needs), lines.append)
    assert needs <= set(lines)


def test_an_unknown_need_is_refused_before_anything_starts(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="mptcp") as refused:
        shell(kernel, tmp_path, "true", needs=frozenset({"mptcp"}))
    assert refused.value.ability == "mptcp"
    assert "CONFIG_MPTCP" in refused.value.remedy
    assert not list(tmp_path.iterdir())


def test_a_missing_run_directory_is_refused(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="run directory"):
        shell(kernel, tmp_path / "none", "true")


def test_a_checkout_in_a_temporary_directory_stays_visible(tmp_path: Path) -> None:
    """The guest's own /tmp would hide it, and a run directory in it."""
    checkout = tmp_path / "checkout"
    run_dir = checkout / "runs" / "one"
    run_dir.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "roamlab", checkout / "roamlab")
    program = "import roamlab.kernels.job; print(roamlab.kernels.job.__file__); open('written', 'w')"
    command = front_end("run", run_dir, sys.executable, "-c", program)
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{checkout}/roamlab/kernels/job.py\nOUTCOME 0 \n", done.stderr
    assert (run_dir / "written").exists()
    assert not (checkout / "written").exists()


def test_nothing_of_our_environment_gets_in(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROAMLAB_SECRET", "leaked")
    _outcome, lines = shell(kernel, tmp_path, "env")
    assert not [line for line in lines if "leaked" in line]


def test_the_kernel_command_line_names_no_path_of_the_run(kernel: Kernel, tmp_path: Path) -> None:
    """Debian's kernel mixes it into its random pool: the same job must give the same line."""
    _outcome, lines = shell(kernel, tmp_path, "cat /proc/cmdline")
    assert "mem=512M" in lines[0]
    assert str(tmp_path) not in lines[0]
    assert str(REPOSITORY) not in lines[0]


def test_a_guest_that_remounts_its_root_writes_nothing_outside(kernel: Kernel, tmp_path: Path) -> None:
    run_dir, outside = tmp_path / "run", tmp_path / "outside"
    run_dir.mkdir()
    outside.mkdir()
    attack = f"""
        mount -o remount,rw / && echo remounted
        mkdir -p /run/machine; mount -t hostfs -o / none /run/machine && echo mounted
        for root in "" /run/machine; do
            touch $root{outside}/attack $root{REPOSITORY}/attack $root/etc/attack $root/home/attack
        done 2>/dev/null
    """
    _outcome, lines = shell(kernel, run_dir, attack)
    assert lines == ["remounted", "mounted"]
    written = [outside / "attack", REPOSITORY / "attack", Path("/etc/attack"), Path("/home/attack")]
    assert [path for path in written if path.exists()] == []


def test_a_guest_has_no_network_but_its_own(kernel: Kernel, tmp_path: Path) -> None:
    _outcome, lines = shell(kernel, tmp_path, "ip -o link show | cut -d: -f2")
    assert lines == [" lo"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_can_run_it_and_write_nothing_outside(ordinary_user: list[str]) -> None:
    run_dir = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    outside = Path(f"{run_dir}-outside")
    try:
        os.chown(run_dir, 65534, 65534)
        command = front_end(
            "run", run_dir, "/bin/sh", "-c", f"id -u; mount -o remount,rw /; touch mine {outside}; exit 4"
        )
        done = subprocess.run(
            [*ordinary_user, *command],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == "0\nOUTCOME 4 \n", done.stderr
        assert (run_dir / "mine").stat().st_uid == 65534
        assert not outside.exists()
    finally:
        shutil.rmtree(run_dir)


def test_an_interactive_job_reads_piped_input_to_its_end(tmp_path: Path) -> None:
    done = subprocess.run(
        front_end("talk", tmp_path, "/bin/cat"),
        input="one\ntwo",
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "one\ntwoOUTCOME 0 \n"


def test_a_person_gets_a_terminal_of_the_right_size_and_theirs_back(tmp_path: Path) -> None:
    outer, inner = os.openpty()
    termios.tcsetwinsize(inner, (40, 132))
    before = termios.tcgetattr(inner)
    process = subprocess.Popen(
        front_end("talk", tmp_path, "/bin/sh", "-c", "tty; stty size; read x; exit 3"),
        cwd=REPOSITORY,
        stdin=inner,
        stdout=inner,
    )
    said = b""
    while b"132" not in said:
        said += os.read(outer, 4096)
    assert termios.tcgetattr(inner) != before
    os.write(outer, b"go\r")
    while b"OUTCOME" not in said:
        said += os.read(outer, 4096)
    process.wait(timeout=30)
    after = termios.tcgetattr(inner)
    os.close(outer)
    os.close(inner)
    assert b"/dev/tty0\r\n40 132\r\n" in said
    assert b"OUTCOME 3 " in said
    assert after == before


def test_two_guests_at_once_stay_on_one_processor_each(kernel: Kernel, tmp_path: Path) -> None:
    """Read from outside: the UML processes' affinity."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        runs.append(
            subprocess.Popen(
                front_end("run", tmp_path / name, "/bin/sh", "-c", "echo up; sleep 2"),
                cwd=REPOSITORY,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    masks = []
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "up\n"
        (child,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        masks.append(os.sched_getaffinity(int(child)))
    for run in runs:
        run.communicate(timeout=60)
    assert [len(mask) for mask in masks] == [1, 1]
