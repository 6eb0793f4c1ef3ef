"""`./lab exec`: any command of this machine's in a fresh guest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from roamlab.errors import BadInput
from roamlab.kernels.choose import lab_kernels, select
from roamlab.kernels.job import Kernel
from roamlab.runs.command import Request, differences, execute, pairs, span
from roamlab.where import ROOT

SAYS = """#!/bin/sh
echo out
echo err >&2
cat
echo "$GIVEN $HOME $(id -u) $(pwd) $(ls)"
touch here /etc/written && echo "wrote"
test "$(cut -d. -f1 /proc/uptime)" -ge 9 && echo "of age"
getent hosts localhost >/dev/null && test -c /dev/ptmx && echo "a machine"
echo kept > "$1/file"
exit 3
"""


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    if not lab_kernels():
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    return select("uml")


def lab(*words: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "roamlab.cli", *words],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
    )


@pytest.mark.usefixtures("kernel")
def test_a_command_finds_a_machine_and_its_callers_files(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    program = tmp_path / "program"
    program.write_text(SAYS)
    program.chmod(0o755)
    words = ("--env", "GIVEN=given", "--keep", str(kept), "--", "./program", str(kept))
    done = lab("exec", *words, cwd=tmp_path, stdin=b"typed\n")
    said = done.stdout.decode().splitlines()
    assert done.stderr == b"err\n"
    assert said == [
        "out",
        "typed",
        f"given /root 0 {tmp_path} kept",
        "program",
        "runs",
        "wrote",
        "of age",
        "a machine",
    ]
    assert done.returncode == 3
    assert (kept / "file").read_text() == "kept\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "program", "runs"]
    (run_dir,) = (tmp_path / "runs" / "exec").iterdir()
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["status"] == 3
    assert (run_dir / "stdout").read_bytes() == done.stdout
    assert manifest["replay"].endswith(f"--env GIVEN=given --keep {kept} -- ./program {kept}")


def test_a_network_repeats_to_the_bit_and_follows_the_seed(kernel: Kernel, tmp_path: Path) -> None:
    script = (
        "ping -c 2 cn; od -An -N8 -tx1 /dev/urandom; echo $RANDOM; mktemp; cut -d' ' -f40,41 /proc/self/stat"
    )
    request = Request(argv=("bash", "-c", script), topology="TwoSegments", seed=5)
    first, again = (execute(request, kernel, runs=tmp_path) for _ in range(2))
    assert first.status == 0
    assert differences(first, again) == []
    assert set(first.hashes) == {"stdout", "stderr", "capture.pcapng"}
    said = (first.run_dir / "stdout").read_bytes()
    assert b"2 received" in said
    assert said.splitlines()[-1] == b"0 0"  # neither the lab's priority nor its policy (SCHED_FIFO)
    other = execute(Request(argv=request.argv, topology="TwoSegments", seed=6), kernel, runs=tmp_path)
    assert other.status == 0
    assert next(iter(differences(first, other))).startswith("stdout: differs from byte")


def test_the_exit_status_is_the_commands_also_when_a_signal_ended_it(kernel: Kernel, tmp_path: Path) -> None:
    killed = execute(Request(argv=("sh", "-c", "kill -9 $$")), kernel, runs=tmp_path)
    assert (killed.status, killed.reason) == (137, "")


@pytest.mark.usefixtures("kernel")
def test_seeds_name_the_failing_ones_with_a_line_that_replays_them(tmp_path: Path) -> None:
    script = "test $(od -An -N1 -tu1 /dev/urandom) -lt 128"
    done = lab("exec", "--seeds", "1-4", "--", "sh", "-c", script, "-r", cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    failed = [line for line in lines if "failed with exit status 1" in line]
    replays = [line.strip() for line in lines if "./lab exec" in line]
    assert done.returncode == 1
    assert 0 < len(failed) < 4
    assert lines[-1] == f"{len(failed)} of 4 seeds fail"
    assert [line.split("--seed ")[1].split()[0] for line in replays] == [
        line.split(":")[0].removeprefix("seed ") for line in failed
    ]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request(argv=()), "no command"),
        (Request(argv=("no-such-program",)), "no program 'no-such-program'"),
        (Request(argv=("./nothing",)), r"no program \./nothing"),
        (Request(argv=("true",), topology="Nowhere"), "no topology 'Nowhere'"),
        (Request(argv=("true",), node="cn"), "--topology"),
        (Request(argv=("true",), kept=Path("/no/such/place")), "not a writable directory"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_is_made(
    kernel: Kernel, tmp_path: Path, request_: Request, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        execute(request_, kernel, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_spans_and_pairs() -> None:
    assert list(span("2-4", "--seeds")) == [2, 3, 4]
    assert list(span("7", "--seeds")) == [7]
    assert pairs(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    for text in ("4-2", "a-b", "", "-3"):
        with pytest.raises(BadInput):
            span(text, "--seeds")
    with pytest.raises(BadInput):
        pairs(["=1"])


MININET = """
from mininet.net import Mininet

net = Mininet(controller=None)
one, two = net.addHost("h1"), net.addHost("h2")
net.addLink(one, two)
net.start()
print("loss", net.ping([one, two]))
net.stop()
"""


def test_a_script_of_stock_mininet_runs_as_it_is(kernel: Kernel, tmp_path: Path) -> None:
    if not Path("/usr/bin/mn").exists():
        pytest.skip("needs Debian's Mininet; install it with: apt-get install mininet net-tools")
    (tmp_path / "net.py").write_text(MININET)
    done = lab("mininet", "--kernel", "uml", "--", "/usr/bin/python3", "net.py", cwd=tmp_path)
    assert (done.returncode, done.stdout.decode().splitlines()[-1]) == (0, "loss 0.0"), done.stderr
