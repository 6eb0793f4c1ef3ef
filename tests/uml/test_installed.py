"""roamlab installed from a wheel: in an environment of its own, from another directory, as an ordinary user."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roamlab.cli.collection import TASKS
from roamlab.kernels.choose import lab_kernels
from roamlab.where import ROOT
from tests.elsewhere import as_nobody

needs_lab_kernel = pytest.mark.skipif(
    not any(not kernel.metadata.variant for kernel in lab_kernels()),
    reason="needs a lab kernel: ./lab kernel",
)
_POISON = "raise ImportError('a folder of the user was imported')\n"
_SCENARIO = """
from roamlab.lab.lab import Lab
from roamlab.registry import Verdict, scenario
from roamlab.topologies import HomeAndVisited


@scenario("mine", topology=HomeAndVisited, expect=Verdict.SURVIVED)
def mine(lab: Lab) -> None:
    session = lab.mobile.connect(lab.correspondent)
    lab.at(1.0).start(session.stream(every=0.1))
    lab.at(3.0).move(lab.mobile.nic("wlan0"), to=lab.visited)
    lab.until(10.0)


if __name__ == "__main__":
    import sys

    import roamlab

    print(roamlab.run(mine, kernel=sys.argv[1]).verdict.value)
"""

pytestmark = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="needs the checkout that a wheel is built from"
)


def build(source: Path, where: Path, *targets: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(where), *targets],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as file:
        return {name: hashlib.sha256(file.read(name)).hexdigest() for name in file.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a source distribution and a wheel."""
    pytest.importorskip("hatchling", reason="needs hatchling (requirements-dev.txt)")
    where = tmp_path_factory.mktemp("built")
    build(ROOT, where)
    return where


@dataclass(frozen=True)
class Installed:
    """An environment with roamlab alone, which sees this one's packages, and a user's directory, below /var/tmp."""

    home: Path

    def run(
        self, *words: str, user: bool = True, program: str = "roamlab"
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "HOME": str(self.home / "user"),
        }
        command = [
            *(as_nobody() if user and not os.geteuid() else []),
            str(self.home / "venv/bin" / program),
            *words,
        ]
        return subprocess.run(
            command, cwd=self.user, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def user(self) -> Path:
        return self.home / "user"


@pytest.fixture(scope="module")
def installed(built: Path) -> Iterator[Installed]:
    """The wheel installed, and a user's folders named like roamlab's rooms beside."""
    home = Path(tempfile.mkdtemp(prefix="roamlab-installed-", dir="/var/tmp"))
    try:
        home.chmod(0o755)
        made = home / "venv"
        venv.create(made, with_pip=False, symlinks=True)
        (wheel,) = built.glob("*.whl")
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--python",
            str(made / "bin/python"),
        ]
        subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
        (packages,) = made.glob("lib/python*/site-packages")
        (packages / "seen.pth").write_text(sysconfig.get_path("purelib") + "\n")
        user = home / "user"
        user.mkdir()
        (user / "mine.py").write_text(_SCENARIO)
        for name in ("reports", "network", "nodes", "kernels"):
            (user / name).mkdir(parents=True)
            (user / name / "__init__.py").write_text(_POISON)
        for kernel in [each.path.parent for each in lab_kernels() if not each.metadata.variant][:1]:
            shutil.copytree(kernel, home / "cache/roamlab/kernels" / kernel.name)
        if not os.geteuid():
            os.chown(user, 65534, 65534)
        yield Installed(home)
    finally:
        shutil.rmtree(home)


def test_the_wheel_holds_the_package_with_all_its_files_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    held = contents(wheel)
    assert {name.split("/")[0] for name in held} == {"roamlab", wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    folders = ("roamlab", "topologies", "nodes", "experiments")
    tracked = subprocess.run(
        ["git", "ls-files", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("needs the checkout's git repository to know which files there are")
    names = [name for name in tracked.stdout.splitlines() if not (ROOT / name).is_dir()]
    wanted = {name if name.startswith("roamlab/") else f"roamlab/{name}" for name in names}
    assert wanted - held.keys() == set()


def test_the_source_distribution_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", str(source), "-C", str(tmp_path)], check=True)
    (unpacked,) = tmp_path.iterdir()
    assert not any(path.is_symlink() for path in unpacked.rglob("*"))
    build(unpacked, tmp_path / "again", "-t", "wheel")
    (again,), (wheel,) = (tmp_path / "again").glob("*.whl"), built.glob("*.whl")
    assert contents(again) == contents(wheel)


def test_python_imports_it_with_types_and_a_version(installed: Installed) -> None:
    code = "import roamlab, pathlib; print(roamlab.__version__, (pathlib.Path(roamlab.__file__).parent / 'py.typed').is_file())"
    said = installed.run("-c", code, program="python").stdout.split()
    assert said == [__import__("roamlab").__version__, "True"]


def test_the_command_has_the_same_tasks_and_speaks_of_itself_by_its_name(installed: Installed) -> None:
    said = installed.run("--help")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("Usage: roamlab TASK")
    assert all(f"\n  {name} " in said.stdout for name in TASKS.task_names)
    assert "./lab" not in said.stdout + "".join(
        installed.run(name, "--help").stdout for name in TASKS.task_names
    )
    assert "`roamlab list` shows all" in installed.run("run", "fig0").stderr


def test_tasks_for_the_checkout_say_so_in_one_sentence(installed: Installed) -> None:
    for name in ("test", "check"):
        said = installed.run(name)
        assert said.returncode == 2
        assert "needs a checkout" in said.stderr


@needs_lab_kernel
def test_a_users_file_plays_there_as_an_ordinary_user(installed: Installed) -> None:
    there = installed.run("run", "mine.py", "--json", "--kernel", "uml")
    assert there.returncode == 0, there.stderr + there.stdout
    run_dir = Path(json.loads(there.stdout)["run_dir"])
    assert run_dir.parent == installed.user / "runs/mine"
    assert (run_dir / "report.html").is_file()
    assert json.loads(there.stdout)["verdict"] == "survived"


@needs_lab_kernel
def test_a_script_beside_folders_named_like_roamlabs_rooms_plays_its_own_scenario(
    installed: Installed,
) -> None:
    said = installed.run("mine.py", "uml", program="python")
    assert said.stdout == "survived\n", said.stderr


def test_this_machines_kernel_plays_there_or_lacks_something_by_name(installed: Installed) -> None:
    said = installed.run("run", "control", "--kernel", "native", user=False)
    if said.returncode == 0:
        assert "survived" in said.stdout
    else:
        assert said.returncode == 4, said.stdout + said.stderr
        assert "CONFIG_" in said.stdout + said.stderr or "user namespaces" in said.stderr
