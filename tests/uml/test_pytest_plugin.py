"""`pytest --roamlab`: a project's own tests in a guest, in virtual time."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from roamlab.kernels.choose import lab_kernels
from roamlab.where import ROOT

TESTS = """
import asyncio, os, socket, time
from pathlib import Path


def test_sleeping_costs_nothing():
    began = time.monotonic()
    time.sleep(600)
    assert 600 <= time.monotonic() - began < 601
    assert os.getuid() == 0


def test_asyncio_waits_for_free():
    async def main():
        with __import__("pytest").raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 300)
    asyncio.run(main())


def test_a_ping_goes_on_after_the_move(lab, own):
    ping = lab.mobile.run("ping -c 12 cn")
    lab.at(5).move(lab.mobile.nic("wlan0"), to=lab.visited, gap=2)
    lab.until_ended(ping, least_s=8, most_s=60)
    assert ping.status == 0
    lines = ping.said["stdout"].decode().splitlines()
    answered = [int(line.split("icmp_seq=")[1].split()[0]) for line in lines if "icmp_seq=" in line]
    assert {6, 7} <= set(range(1, 13)) - set(answered) <= {6, 7, 8}
    assert own == "the project's"


def test_that_fails():
    print("seen outside")
    assert socket.gethostname() == "elsewhere"
"""
SHARED = """
import time
from pathlib import Path
import pytest


def fresh():
    assert not Path("/tmp/seen").exists()
    Path("/tmp/seen").touch()


def test_sleeps(own):
    fresh()
    time.sleep(600)
    assert own == "the project's"


def test_lab(lab):
    fresh()
    assert lab.mobile.run("true") is not None


def test_fails():
    print("seen outside")
    assert 1 == 2


@pytest.mark.skip(reason="not today")
def test_skipped():
    raise AssertionError
"""
OUTSIDE = """
def test_one_try(roamlab_try):
    result = roamlab_try(mn="ping -c 12 cn", at=3, gap=1)
    assert result.judgement.verdict == "survived"


def test_needs_a_guest(lab):
    raise AssertionError("never here")
"""


def run(folder: Path, *words: str, home: str | None = None) -> subprocess.CompletedProcess[str]:
    plugin = ("-p", "roamlab.pytest_plugin", "-p", "no:cacheprovider")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *words],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": home or str(Path.home()), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a conftest of its own."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        'import pytest\n@pytest.fixture\ndef own():\n    return "the project\'s"\n'
    )
    return tmp_path


@pytest.mark.skipif(not lab_kernels(), reason="there is no lab kernel; build it with ./lab kernel")
def test_a_session_runs_inside_and_its_results_come_out(project: Path) -> None:
    (project / "test_own.py").write_text(TESTS)
    done = run(project, "--roamlab", "--junitxml=results.xml", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 3 passed" in done.stdout
    assert "seen outside" in done.stdout
    cases = {case.get("name"): case for case in ET.parse(project / "results.xml").iter("testcase")}
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["test_that_fails"]
    assert float(cases["test_sleeping_costs_nothing"].get("time", "0")) >= 600


@pytest.mark.skipif(not lab_kernels(), reason="there is no lab kernel; build it with ./lab kernel")
def test_xdists_workers_have_a_guest_for_each_test(project: Path) -> None:
    pytest.importorskip("xdist", reason="needs pytest-xdist (requirements-dev.txt)")
    (project / "test_own.py").write_text(SHARED)
    done = run(project, "--roamlab", "-n", "2", "--junitxml=results.xml", "-q", "test_own.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed, 1 skipped" in done.stdout
    assert "seen outside" in done.stdout
    cases = {case.get("name"): case for case in ET.parse(project / "results.xml").iter("testcase")}
    assert float(cases["test_sleeps"].get("time", "0")) >= 600
    failure = cases["test_fails"].find("failure")
    assert failure is not None
    assert "assert 1 == 2" in (failure.text or "")


@pytest.mark.skipif(not lab_kernels(), reason="there is no lab kernel; build it with ./lab kernel")
def test_an_ordinary_session_tries_programs_and_skips_what_needs_a_guest(project: Path) -> None:
    (project / "test_outside.py").write_text(OUTSIDE)
    done = run(project, "-rs", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "run pytest with --roamlab" in done.stdout


def test_without_a_kernel_all_is_skipped_with_the_line_that_gives_one(project: Path) -> None:
    (project / "test_own.py").write_text(TESTS)
    done = run(project, "--roamlab", "-rs", "-q", home=str(project / "nobody"))
    assert "4 skipped" in done.stdout, done.stdout + done.stderr
    assert "pip install roamlab-kernel" in done.stdout
