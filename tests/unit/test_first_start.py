"""The `lab` script on a fresh checkout: through a link, twice at once, killed in the middle, where nothing can be written.

The script, Python's venv and pip are the real ones; the program that it starts says where it is and what it was given.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from time import sleep

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
def run():
    print(json.dumps({"words": sys.argv[1:], "python": sys.executable, "path": sys.path[0]}))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return laid_out(tmp_path)


def laid_out(inside: Path) -> Path:
    place = inside / "a checkout's [place] & more"
    (place / "roamlab" / "cli").mkdir(parents=True)
    (place / "roamlab" / "cli" / "__main__.py").write_text(PROGRAM)
    shutil.copy(ROOT / "lab", place / "lab")
    for name in (
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-live.lock",
        "requirements-sweep.lock",
    ):
        (place / name).write_text("# nothing\n")
    return place


def start(command: Path, *words: str, cwd: Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(command), *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, object], str]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out), err


@dataclass(frozen=True)
class Begun:
    """A checkout whose first start was killed while it made .venv, and that was then started twice at once through a link.

    `half` says whether the killed start left a .venv; `outputs` are what the two others printed, and their messages.
    """

    checkout: Path
    elsewhere: Path
    half: bool
    outputs: list[tuple[dict[str, object], str]]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    elsewhere = tmp_path_factory.mktemp("first-start")
    checkout = laid_out(elsewhere)
    (elsewhere / "bin").mkdir()
    (elsewhere / "bin" / "lab").symlink_to(checkout / "lab")
    (elsewhere / "json.py").write_text("raise SystemExit('hijacked')")
    first = start(checkout / "lab", "list", cwd=checkout)
    new = checkout / ".venv.new" / "bin" / "python"
    while not new.exists() and first.poll() is None:
        sleep(0.001)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    half = (checkout / ".venv").exists()
    both = [start(elsewhere / "bin" / "lab", "list", "two words", "*", cwd=elsewhere) for _ in range(2)]
    return Begun(checkout, elsewhere, half, [ended(process) for process in both])


def test_a_first_start_that_was_killed_is_made_again(begun: Begun) -> None:
    assert not begun.half
    assert (begun.checkout / ".venv" / "bin" / "python").exists()
    assert not (begun.checkout / ".venv.new").exists()


def test_two_first_starts_at_once_make_one_venv(begun: Begun) -> None:
    assert sum("making .venv" in err for _, err in begun.outputs) == 1


def test_it_runs_through_a_link_where_the_user_stands_and_installs_what_changed(begun: Begun) -> None:
    checkout = begun.checkout
    for said, err in begun.outputs:
        assert said == {
            "words": ["list", "two words", "*"],
            "python": str(checkout / ".venv" / "bin" / "python"),
            "path": str(checkout),
        }
        assert [line for line in err.splitlines() if not line.startswith("lab: ")] == []
    assert sorted(path.name for path in checkout.iterdir() if path.name.startswith(".")) == [".venv"]
    for script in (checkout / ".venv" / "bin").iterdir():
        assert script.is_symlink() or b".venv.new" not in script.read_bytes()
    _, err = ended(start(checkout / "lab", "list", cwd=begun.elsewhere))
    assert err == ""
    (checkout / "requirements.lock").write_text("# something else\n")
    assert "installing requirements.lock" in ended(start(checkout / "lab", "list", cwd=checkout))[1]
    (checkout / "requirements.lock").write_text(
        f"invoke @ file://{begun.elsewhere}/json.py --hash=sha256:{'0' * 64}\n"
    )
    refused = start(checkout / "lab", "list", cwd=checkout)
    _, err = refused.communicate()
    assert refused.returncode == 3
    assert "pip could not install requirements.lock" in err


def test_a_venv_of_an_earlier_version_without_pip_is_mended(checkout: Path) -> None:
    subprocess.run(["python3", "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)
    ended(start(checkout / "lab", "list", cwd=checkout))


def test_what_is_in_the_way_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv.new").mkdir()
    (checkout / ".venv.new" / "mine").write_text("")
    refused = start(checkout / "lab", "list", cwd=checkout)
    _, err = refused.communicate()
    assert refused.returncode == 3
    assert "in the way" in err
    assert (checkout / ".venv.new" / "mine").exists()


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="needs setpriv to be nobody"
)
def test_a_checkout_that_cannot_be_written_is_a_sentence(checkout: Path, tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid != os.geteuid() or place.stat().st_mode & 0o005 == 0o005:
            continue
        place.chmod(place.stat().st_mode | 0o055)
    checkout.chmod(0o555)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    line = [*nobody, str(checkout / "lab"), "list"]
    result = subprocess.run(line, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    checkout.chmod(0o755)
    assert result.returncode == 3
    assert "cannot be written and its .venv is missing or old" in result.stderr


def test_every_pin_has_its_hashes_and_no_lock_has_another_pin() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        own = {line.lower().replace("_", "-") for line in lines if line and line[0] not in "#-"}
        included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
        return own.union(*(pins(each) for each in included))

    def locked(name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in (ROOT / name).read_text().splitlines():
            if line and line[0] not in "# ":
                pin = line.removesuffix(" \\").lower().replace("_", "-")
                found[pin] = 0
            elif line.strip().startswith("--hash=sha256:"):
                found[pin] += 1
        return found

    for name in ("requirements", "requirements-sweep", "requirements-live", "requirements-dev"):
        lock = locked(f"{name}.lock")
        assert set(lock) == pins(f"{name}.txt")
        assert all(lock.values())


@pytest.mark.parametrize(
    "name", ["requirements", "requirements-sweep", "requirements-live", "requirements-dev"]
)
def test_a_lock_has_all_that_its_packages_need(name: str) -> None:
    """`lab` installs what is in the lock and nothing else: one that is missing there is missed on every fresh machine."""
    lines = (ROOT / f"{name}.lock").read_text().splitlines()
    names = {canonicalize_name(line.partition("==")[0]) for line in lines if line and line[0] not in "# "}
    oldest = {**default_environment(), "python_version": "3.11", "python_full_version": "3.11.0", "extra": ""}
    needed = {
        canonicalize_name(wanted.name)
        for each in names
        for wanted in map(Requirement, distribution(each).requires or ())
        if wanted.marker is None or wanted.marker.evaluate(oldest)
    }
    assert needed - names == {"setuptools"}  # for Mininet's own set-up; nothing imports it
