"""A lab kernel as a file and as a wheel: out of the cache and, checked, into another."""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from roamlab.kernels import build
from roamlab.kernels.build import BuildError, BuiltKernel, store, transfer
from roamlab.kernels.build.recipes import recipe
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
    assert taken.metadata == replace(kernel.metadata, build_s=0.0)
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


def test_two_machines_that_build_the_same_export_the_same_file_and_state_its_hash(
    kernel: BuiltKernel, tmp_path: Path, elsewhere: Path
) -> None:
    first, second = tmp_path / "first.tar.xz", tmp_path / "second.tar.xz"
    transfer.export(kernel, first)
    taken = transfer.take_in(first)
    other = BuiltKernel(taken.directory, replace(taken.metadata, build_s=kernel.metadata.build_s + 100))
    for name in (
        store.BINARY,
        store.CONFIG,
    ):  # as another build leaves them, at another time and with another umask
        os.utime(other.directory / name, (0, 0))
        (other.directory / name).chmod(0o750)
    transfer.export(other, second)
    assert first.read_bytes() == second.read_bytes()
    wheels = [transfer.wheel(each, tmp_path / f"wheel{n}") for n, each in enumerate((kernel, other))]
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        names = {name.rpartition("/")[2]: name for name in archive.namelist()}
        binary = hashlib.sha256(archive.read(names[store.BINARY])).hexdigest()
        described = archive.read(names["METADATA"]).decode()
    assert binary == kernel.metadata.binary_sha256
    assert f"sha256 {binary}" in described
    assert kernel.metadata.source_sha256 in described


def test_the_inputs_of_a_kernel_stand_in_its_key(kernel: BuiltKernel) -> None:
    """Two builds of one key have the same inputs: source, patches, configuration, compiler. What they gave is in the hash."""
    metadata = kernel.metadata
    assert kernel.directory.name == f"{metadata.name}-{metadata.key[:12]}"
    ours = recipe(metadata.version, metadata.variant)
    if ours.digest == metadata.recipe:
        assert list(metadata.patches) == [patch.stem for patch in ours.patches]
