"""The same bits on machines that differ in all but the versions that identity holds."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.record.identity import SAME_BITS
from roamlab.where import ROOT
from tests.elsewhere import DENIED, copy_of_code, copy_of_kernel, play

pytestmark = pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel")
SCENARIOS = ("fig09", "mip-move")  # the second imports while it plays
_HEAVY = ("__pycache__", "pyarrow*", "numpy*", "pandas*", "playwright*", "mypy*", "ruff*", "scapy*")
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
_OTHER_LIMITS = 'umask 077; ulimit -s 4096; ulimit -n 512; ulimit -c 0; exec "$@"'
_ONE_PROCESSOR = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
_LATE = ("nice", "-n", "5", "setarch", "--addr-compat-layout", "sh", "-c", _OTHER_LIMITS, "sh")
Bits = dict[str, dict[str, str]]
Play = Callable[[tuple[str, ...]], tuple[Path, str]]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that other users can reach, with a copy of the kernel in it."""
    with tempfile.TemporaryDirectory(prefix="roamlab-test-", dir="/var/tmp") as directory:
        path = Path(directory)
        path.chmod(0o755)
        copy_of_kernel(path / "cache")
        yield path


def words(scenario: str) -> tuple[str, ...]:
    return ("run", scenario, "--kernel", "uml", "--seed", "7919")


def bits(run: Path) -> dict[str, str]:
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in SAME_BITS}


@pytest.fixture(scope="module")
def here(place: Path) -> Bits:
    """What runs of this checkout give."""
    return {
        scenario: bits(play(ROOT, place / "here" / scenario, words(scenario))[0]) for scenario in SCENARIOS
    }


def with_more_files(code: Path) -> Path:
    """A checkout with hundreds of files in each folder that Python looks into, some of them in names that it looks for."""
    for folder in (
        code,
        *(code / "roamlab" / name for name in ("", "lab", "agents", "nodes", "experiments")),
    ):
        for number in range(300):
            (folder / f"notes of day {number}.txt").touch()
    for name in ("json.txt", "asyncio.bak", "typing.pyi", "msgspec.md"):
        (code / name).touch()
    return code


def a_venv(path: Path) -> Path:
    """A venv without .pyc: hundreds of files, two .pth files, and something in development more than this one has."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    (packages,) = path.glob("lib/python*/site-packages")
    (ours,) = {Path(entry) for entry in sys.path if entry.endswith("site-packages")} - {packages}
    shutil.copytree(ours, packages, ignore=shutil.ignore_patterns(*_HEAVY), dirs_exist_ok=True)
    for number in range(300):
        (packages / f"package_{number}.py").touch()
    (packages / "something.pth").write_text("import json, email, http.client\n")
    (path / "something").mkdir()
    (packages / "__editable__.something.pth").write_text(f"{path / 'something'}\n")
    return path / "bin" / "python"


def a_library(path: Path) -> Path:
    """The interpreter's own library without .pyc, with hundreds of files more."""
    there = Path(sysconfig.get_path("stdlib"))
    without = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "test", "idlelib")
    shutil.copytree(there, path, ignore=without, symlinks=True)
    for number in range(300):
        (path / f"of_another_package_{number}.py").touch()
    return path


def a_stranger(place: Path) -> Play:
    """Another user's machine: name, limits, addresses, places, time zone, packages, and a checkout that is not writable."""
    code = with_more_files(copy_of_code(place / ("a" * 200) / "checkout"))
    for source in code.rglob("*.py"):
        os.utime(source)
    runs = place / ("r" * 150) / ("u" * 150) / "n s"
    runs.mkdir(parents=True)
    os.chown(runs, 65534, 65534)
    environment = {
        "XDG_CACHE_HOME": str(place / "cache"),
        "HOME": "/nonexistent",
        "TMPDIR": "/var/tmp",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LONG": "x" * 90_000,
    }
    python = a_venv(place / "venv")
    library = f"mount --bind {a_library(place / 'library')} {sysconfig.get_path('stdlib')}"
    host = (
        "unshare",
        "--mount",
        "--uts",
        "sh",
        "-ec",
        f'{library}; hostname somewhere.example; exec "$@"',
        "sh",
    )
    before = (*host, *_NOBODY, *_ONE_PROCESSOR, *_LATE)
    return partial(play, code, runs, python=python, before=before, environment=environment)


def a_bare_one(place: Path) -> Play:
    """Nothing beside the code, in a short path; no namespaces, no mounts, no fixed addresses; a cache of its own."""
    environment = {"XDG_CACHE_HOME": str(copy_of_kernel(place / "kernels"))}
    return partial(play, copy_of_code(place / "c"), place / "b", before=DENIED, environment=environment)


@pytest.fixture(scope="module", params=[a_stranger, a_bare_one], ids=["stranger", "bare"])
def machine(request: pytest.FixtureRequest, place: Path) -> Play:
    if request.param is a_stranger and os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    path = Path(tempfile.mkdtemp(prefix="m-", dir=place))
    path.chmod(0o755)
    (path / "cache").symlink_to(place / "cache")
    made: Play = request.param(path)
    return made


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_bits_are_the_same(machine: Play, scenario: str, here: Bits) -> None:
    assert bits(machine(words(scenario))[0]) == here[scenario]
