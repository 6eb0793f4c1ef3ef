"""The tests of networks and agents inside Debian 12's kernel, which has what the kernels of many machines lack."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import _pytest
import pytest

from roamlab.kernels.job import Job
from roamlab.kernels.machine.initramfs import ArchiveContent, inside
from roamlab.kernels.machine.kernel import MachineKernel

pytestmark = pytest.mark.timeout(1800)
_TESTS = Path(__file__).resolve().parents[1]
# These start interpreters of their own, which import packages that no run does and that a guest has not.
_NOT = {"test_bench.py", "test_leaves_nothing.py"}
_PROGRAMS = "bash env false ifconfig ip kill mnexec pgrep ping ps sh sleep sysctl tc true which"


def _more() -> ArchiveContent:
    """Pytest with all its parts, the tests, and the programs that they call."""
    directory = Path(_pytest.__file__).parent
    parts = [path.relative_to(directory.parent).with_suffix("") for path in sorted(directory.rglob("*.py"))]
    names = [".".join(part.parts).removesuffix(".__init__") for part in parts]
    tests = (path for path in sorted((_TESTS / "netns").glob("*.py")) if path.name not in _NOT)
    files = [*tests, _TESTS / "processes.py"]
    for name in ("pluggy", "pytest", "pytest-timeout"):  # they ask for their own versions
        listed = importlib.metadata.files(name) or []
        files += [Path(str(path.locate())) for path in listed if path.name == "METADATA"]
    found = [shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in _PROGRAMS.split()]
    return ArchiveContent(
        modules=(
            "pytest",
            "pytest_timeout",
            "unittest",
            "doctest",
            *names,
        ),
        programs=tuple(Path(path) for path in found if path),
        files=tuple(files),
    )


def test_networks_and_agents_do_what_they_should_on_debians_kernel(
    debian_12: MachineKernel, tmp_path: Path
) -> None:
    kernel = replace(debian_12, more=_more())
    where = inside(_TESTS / "netns")
    options = [
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        "--timeout=600",
        "--import-mode=importlib",
        "-ra",
    ]
    options += ["-c", "/dev/null", f"--rootdir={where}", "--junitxml", str(tmp_path / "netns.xml")]
    # As every run does: without it, importing takes a good part of the test.
    program = "import sys; from roamlab.lab.lean import lean; lean(); import pytest; sys.exit(pytest.main())"
    job = Job(
        argv=(sys.executable, "-c", program, *options, where),
        run_dir=tmp_path,
        seed=1,
        memory_mib=1024,
        limit_s=120.0,
        needs=kernel.abilities,
    )
    outcome = kernel.execute(job, lambda _line: None)
    said = "\n".join(outcome.console_tail)
    assert not outcome.reason, f"{outcome.reason}\n{said}"
    suite = ElementTree.parse(tmp_path / "netns.xml").getroot()[0]
    counted = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert (counted["failures"], counted["errors"]) == (0, 0), said
    assert counted["tests"] - counted["skipped"] >= 50, said
