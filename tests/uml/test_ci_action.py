"""action.yml and ci/gitlab.yml: their own steps, on a machine like a CI runner (tests/runner.py)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import yaml

from roamlab.kernels import build
from roamlab.kernels.build import transfer
from roamlab.where import ROOT
from tests.elsewhere import as_nobody, copy_of_code
from tests.runner import Runner

pytestmark = [
    pytest.mark.skipif(build.cached() is None, reason="needs a lab kernel: ./lab kernel"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a runner's user"),
]
PING = 'try --mn "ping -c 8 cn" --at 3 --gap 1'


@pytest.fixture
def runner() -> Iterator[Runner]:
    with tempfile.TemporaryDirectory(prefix="roamlab-runner-", dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Runner(Path(directory))


@pytest.fixture
def action(runner: Runner) -> Path:
    """The action as a runner checks it out. Its .venv is there, as after its first job, and finds this one's packages."""
    as_nobody()
    packages = sysconfig.get_path("purelib")
    into = runner.place / "actions" / "roamlab"
    into.mkdir(parents=True)
    for name in ("lab", "action.yml", "requirements.lock"):
        shutil.copy(ROOT / name, into / name)
    shutil.copytree(ROOT / "ci", into / "ci")
    venv.create(into / ".venv", with_pip=False, symlinks=True)
    (site,) = into.glob(".venv/lib/python*/site-packages")
    (site / "seen.pth").write_text(packages + "\n")
    shutil.copy(ROOT / "requirements.lock", into / ".venv" / "installed-requirements.lock")
    copy_of_code(into)
    (into / ".git").unlink(missing_ok=True)  # the empty file that stands for this checkout's
    runner.own(into)
    return into


def exported(runner: Runner) -> tuple[Path, str]:
    """The lab kernel as a file in the user's checkout, and its SHA-256."""
    kernel = build.cached()
    assert kernel is not None
    file = runner.work / "kernel.tar.xz"
    transfer.export(kernel, file)
    runner.own(file)
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_action_plays_judges_and_leaves_its_results(runner: Runner, action: Path) -> None:
    file, sha256 = exported(runner)
    # As the cache action leaves it in a second job: nothing has to be fetched, and there is nobody at that address.
    kept = runner.place / "temp" / "roamlab-kernel"
    kept.mkdir()
    file.rename(kept / sha256)
    inputs = {
        "kernel": "https://kernel.example/roamlab-kernel.tar.xz",
        "kernel-sha256": sha256,
        "run": f"{PING}  # goes on\n{PING} --expect broke\n",
        "pages-url": "https://pages.example/42",
    }
    last, outputs = runner.action(action, inputs)
    assert (last.returncode, outputs["status"]) == (1, "1"), last.stdout + last.stderr
    assert "1 of 2 as expected" in last.stdout
    results = runner.work / "roamlab-results"
    suite = Xml.parse(runner.work / outputs["junit"]).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    assert "1 of 2 as expected" in (runner.place / "temp" / "summary.md").read_text()
    pages = sorted(results.glob("runs/programs/*/report.html"))
    assert len(pages) == 2
    comment = (runner.work / outputs["comment"]).read_text()
    links = [f"(https://pages.example/42/{page.relative_to(results)})" for page in pages]
    assert all(link in comment for link in links)
    assert "report.html#t=3." in comment  # the last echo before the silence
    assert {used.partition("@")[0] for used in runner.used} == {
        "actions/setup-python",
        "actions/cache",
        "actions/upload-artifact",
    }


def test_the_gitlab_job_takes_a_kernel_from_the_repository(runner: Runner, action: Path) -> None:
    file, _ = exported(runner)
    git = [
        "git",
        "-C",
        str(action),
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "-c",
        "safe.directory=*",
    ]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)
    runner.own(action)
    job = yaml.safe_load((action / "ci" / "gitlab.yml").read_text())[".roamlab"]
    variables = {"ROAMLAB_SOURCE": str(action), "ROAMLAB_KERNEL": file.name, "ROAMLAB_RUN": PING}
    done = runner.gitlab(job, {"CI_JOB_URL": "https://gitlab.example/a/-/jobs/7", **variables})
    assert done.returncode == 0, done.stdout + done.stderr
    (junit,) = [runner.work / job["artifacts"]["reports"]["junit"]]
    assert Xml.parse(junit).getroot().get("failures") == "0"
    comment = (runner.work / "roamlab-results" / "comment.md").read_text()
    assert "(https://gitlab.example/a/-/jobs/7/artifacts/file/roamlab-results/runs/programs/" in comment


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ROAMLAB_KERNEL": "http://kernel.example/k"}, "has to begin with https://"),
        ({"ROAMLAB_KERNEL": "https://kernel.example/k"}, "needs its SHA-256"),
        ({"ROAMLAB_KERNEL": "nothing"}, "there is no file nothing"),
        ({"ROAMLAB_KERNEL": "step.sh", "ROAMLAB_KERNEL_SHA256": "0" * 64}, "its SHA-256 differs"),
    ],
)
def test_a_wrong_kernel_is_refused_before_anything_is_made(
    tmp_path: Path, variables: dict[str, str], sentence: str
) -> None:
    (tmp_path / "step.sh").touch()
    done = subprocess.run(
        [str(ROOT / "ci" / "steps"), "install"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["step.sh"]
