"""A lab kernel as a file and as a wheel: out of the cache and, checked, into another."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from roamlab.kernels import build
from roamlab.kernels.build import BuildError, BuiltKernel, store, transfer
from roamlab.where import ROOT

PROGRAM = """
from roamlab.kernels.choose import select
kernel = select("uml")
print(kernel.binary.path)
"""


@pytest.fixture(scope="module")
def kernel() -> BuiltKernel:
    found = build.cached()
    if found is None:
        pytest.skip("there is no lab kernel; build it with ./lab kernel")
    return found


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "roamlab" / "kernels"


def test_a_file_brings_the_same_binary(kernel: BuiltKernel, tmp_path: Path, elsewhere: Path) -> None:
    one = tmp_path / "one.tar.xz"
    transfer.export(kernel, one)
    with tarfile.open(one) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"linux", "config", "kernel.json", "patches/busy-time.patch"} <= names
    with pytest.raises(BuildError, match="already"):
        transfer.export(kernel, one)
    taken = transfer.take_in(one)
    assert taken.intact
    assert taken.directory.parent == elsewhere
    assert taken.metadata == kernel.metadata
    assert [path.name for path in elsewhere.iterdir() if path.name.startswith(".building")] == []


def test_a_changed_kernel_and_what_is_no_kernel_are_refused(
    kernel: BuiltKernel, tmp_path: Path, elsewhere: Path
) -> None:
    changed = tmp_path / "changed"
    place = changed / kernel.directory.name
    place.mkdir(parents=True)
    for name in (store.BINARY, store.CONFIG, store.METADATA):
        (place / name).write_bytes((kernel.directory / name).read_bytes())
    with (place / store.BINARY).open("r+b") as binary:
        binary.write(b"\x7fELE")
    pack = tmp_path / "changed.tar"
    with tarfile.open(pack, "w") as archive:
        archive.add(place, arcname=place.name)
    with pytest.raises(BuildError, match="hash"):
        transfer.take_in(pack)
    (tmp_path / "text").write_text("no archive")
    for wrong in ("text", "nothing"):
        with pytest.raises(BuildError, match="holds no lab kernel"):
            transfer.take_in(tmp_path / wrong)
    assert store.built(elsewhere) == []


def test_an_installed_wheel_is_found_without_a_cache(
    kernel: BuiltKernel, tmp_path: Path, elsewhere: Path
) -> None:
    wheel = transfer.wheel(kernel, tmp_path / "wheels")
    again = transfer.wheel(kernel, tmp_path / "again")
    assert wheel.read_bytes() == again.read_bytes()
    site = tmp_path / "site"
    install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run([sys.executable, *install], check=True)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{site}", "XDG_CACHE_HOME": str(elsewhere)},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == str(site / transfer.PACKAGE / kernel.directory.name / "linux"), (
        found.stderr
    )
