"""The same bits on machines that differ in their files, paths, users and environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.record.identity import SAME_BITS
from roamlab.where import ROOT
from tests.elsewhere import as_nobody, copy_of_code, copy_of_kernel, play

pytestmark = pytest.mark.skipif(not lab_kernels(), reason="needs a lab kernel: ./lab kernel")
WORDS = ("run", "fig09", "--kernel", "uml", "--seed", "7919")
_HEAVY = ("__pycache__", "pyarrow*", "numpy*", "pandas*", "playwright*", "mypy*", "ruff*", "scapy*")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that other users can reach, with a copy of the kernel in it."""
    with tempfile.TemporaryDirectory(prefix="roamlab-test-", dir="/var/tmp") as directory:
        path = Path(directory)
        path.chmod(0o755)
        copy_of_kernel(path / "cache")
        yield path


def bits(run: Path) -> dict[str, str]:
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in SAME_BITS}


@pytest.fixture(scope="module")
def here(place: Path) -> dict[str, str]:
    """What a run of this checkout gives."""
    run, _ = play(ROOT, place / "here", WORDS)
    return bits(run)


def no_bytecode(place: Path) -> Path:
    """A checkout in a long path without any .pyc, its sources newer than they were, and a cache without bytecode."""
    code = copy_of_code(place / ("a" * 200) / "checkout")
    for source in code.rglob("*.py"):
        os.utime(source)
    run, _ = play(
        code,
        place / "no-bytecode",
        WORDS,
        environment={"XDG_CACHE_HOME": str(place / "cache"), "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    )
    return run


def other_user(place: Path) -> Path:
    """Another user, who can write neither the checkout nor a home directory."""
    code, runs = copy_of_code(place / "others"), place / "nobody"
    runs.mkdir()
    os.chown(runs, 65534, 65534)
    environment = {"XDG_CACHE_HOME": str(place / "cache"), "HOME": "/nonexistent", "TMPDIR": "/var/tmp"}
    run, _ = play(code, runs, WORDS, before=as_nobody(), environment=environment)
    return run


def other_packages(place: Path) -> Path:
    """A venv without .pyc, with hundreds of files and two .pth files more, one of them of something in development."""
    venv = place / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (ours,) = {Path(path) for path in sys.path if path.endswith("site-packages")} - {packages}
    shutil.copytree(ours, packages, ignore=shutil.ignore_patterns(*_HEAVY), dirs_exist_ok=True)
    for number in range(300):
        (packages / f"package_{number}.py").touch()
    (packages / "something.pth").write_text("import json, email, http.client\n")
    (place / "something").mkdir()
    (packages / "__editable__.something.pth").write_text(f"{place / 'something'}\n")
    environment = {
        "PYTHONHASHSEED": "7",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LONG": "x" * 90_000,
        "XDG_CACHE_HOME": str(place / "cache"),
    }
    run, _ = play(ROOT, place / "packages", WORDS, python=venv / "bin" / "python", environment=environment)
    return run


@pytest.mark.parametrize("machine", [no_bytecode, other_user, other_packages])
def test_the_bits_are_the_same(machine: Callable[[Path], Path], place: Path, here: dict[str, str]) -> None:
    assert bits(machine(place)) == here
