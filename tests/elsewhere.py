"""The code and a kernel in another place, for runs on what looks like another machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.where import PACKAGE, ROOT

DENIED = (sys.executable, str(Path(__file__).with_name("deny.py")))
"""What to put before a command to take namespaces, mounts and fixed addresses from it."""


_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def as_nobody() -> tuple[str, ...]:
    """What to put before a command to run it as nobody; skips the test where that user cannot run this checkout."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    for path in (ROOT / "lab", Path(sys.executable), Path(sysconfig.get_path("purelib"))):
        if subprocess.run([*_NOBODY, "test", "-r", str(path)]).returncode:
            pytest.skip(f"another user can't read {path}: clone the checkout outside root's home directory")
    return _NOBODY


def copy_of_code(into: Path) -> Path:
    """The code as it lies in this checkout, its links too, without any bytecode; what has to be on the path."""
    folders = {PACKAGE, *(entry.resolve() for entry in PACKAGE.iterdir() if entry.is_symlink())}
    for folder in folders:
        bare = shutil.ignore_patterns("__pycache__")
        shutil.copytree(folder, into / folder.relative_to(ROOT), symlinks=True, ignore=bare)
    for entry in ROOT.iterdir():  # Python reads the list of them
        if not (into / entry.name).exists():
            (into / entry.name).touch()
    return into


def copy_of_kernel(cache: Path) -> Path:
    """A cache with the newest lab kernel alone in it, for XDG_CACHE_HOME."""
    kernel = next(kernel for kernel in lab_kernels() if not kernel.metadata.variant)
    shutil.copytree(kernel.directory, cache / "roamlab" / "kernels" / kernel.directory.name)
    return cache


def play(
    code: Path,
    runs: Path,
    words: Sequence[str],
    *,
    before: Sequence[str] = (),
    python: Path | str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> tuple[Path, str]:
    """Run a command of the checkout in ``code``; the newest run directory below ``runs``, and what went to standard error."""
    line = [*before, str(python), "-m", "roamlab.cli", *words, "--no-report", "--runs", str(runs)]
    done = subprocess.run(
        line, cwd=code, env=os.environ | (environment or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    manifests = sorted(runs.glob("*/*/manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    return manifests[-1].parent, done.stderr
