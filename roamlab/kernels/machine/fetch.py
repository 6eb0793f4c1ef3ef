"""Fetches a distribution's kernel, or takes one that lies here, into the cache: no root, and nothing is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from roamlab.kernels.abilities import ABILITIES, modules_for
from roamlab.kernels.build.apt import Apt, machines_mirror
from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.store import hash_file, locked, workplace
from roamlab.kernels.build.tools import check_room
from roamlab.kernels.job import KernelMissing, NotAKernel
from roamlab.kernels.machine import image, modules, store
from roamlab.kernels.machine.store import Fetched, Metadata, Package

DISTRIBUTIONS: Final = {
    "debian-12": ("bookworm", "bookworm-security"),
    "debian-13": ("trixie", "trixie-security"),
    "debian-13-backports": ("trixie-backports",),
}
"""The kernels that can be fetched, and the suites of which the newest package is taken."""
_META: Final = "linux-image-amd64"
# What holds image, modules and configuration; from 7 on they are packages of their own.
_PARTS: Final = re.compile(r"\b(linux-(?:image|binary|modules|base)-\d[\w.+-]*)")
_ROOM_BYTES: Final = 1 << 30
OnStep = Callable[[str], None]


def fetch(name: str, on_step: OnStep) -> Fetched:
    """Fetch the newest kernel of a distribution; the one in the cache, where that is the newest.

    Signatures are checked by apt. Raises BuildError, with one sentence; whatever ends it, nothing half-fetched stays.
    """
    if name not in DISTRIBUTIONS:
        raise BuildError(f"there is no distribution {name!r}; there are: {', '.join(DISTRIBUTIONS)}")
    root = store.machines_dir()
    with locked(root, lambda: on_step("waiting for another fetch to end")):
        store.sweep(root)
        check_room(root, _ROOM_BYTES)
        with workplace(root) as work:
            apt = Apt(work / "apt", _sources(DISTRIBUTIONS[name]))
            on_step(f"looking for {_META} in {apt.suites}")
            if apt.run("apt-get", "update", "-q") is None:
                raise BuildError(f"{apt.suites} could not be read: is the network up?")
            packages = _packages(apt)
            for kernel in store.fetched(root):
                if kernel.name == name and kernel.metadata.packages == packages and kernel.intact:
                    return kernel
            for package in packages:
                on_step(f"fetching {package.name} {package.version}")
                _download(apt, package, work / "tree")
            on_step("unpacking the kernel")
            (vmlinuz,) = [*work.glob("tree/boot/vmlinuz-*"), *work.glob("tree/usr/lib/modules/*/vmlinuz")]
            return _take(root, work, vmlinuz, name, packages)


def given(path: Path) -> Fetched:
    """Take an image that lies here, with its modules and its configuration, into the cache.

    They are looked for where distributions put them, beside the image or in the tree that it stands in. Raises KernelMissing
    or NotAKernel, with one sentence.
    """
    if not path.is_file():
        raise KernelMissing(f"there is no kernel {path}")
    path = path.resolve()
    digest = hash_file(path)
    root = store.machines_dir()
    for kernel in store.fetched(root):
        if kernel.name == str(path) and kernel.metadata.image_sha256 == digest and kernel.intact:
            return kernel
    with locked(root, lambda: None):
        store.sweep(root)
        with workplace(root) as work:
            return _take(root, work, path, str(path), ())


def _sources(suites: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Give mirror and suite; security updates come from a mirror of their own."""
    mirror, _, security = machines_mirror()
    pairs = [(security if suite.endswith("-security") else mirror, suite) for suite in suites]
    return tuple((uri, suite) for uri, suite in pairs if uri)


def _packages(apt: Apt) -> tuple[Package, ...]:
    """Follow the dependencies of the package that always depends on the newest kernel."""
    found: dict[str, Package] = {}
    waiting = [_META]
    while waiting:
        name = waiting.pop()
        shown = (apt.run("apt-cache", "show", "--no-all-versions", name) or "").split("\n\n")[0]
        fields = dict(re.findall(r"^(Version|SHA256|Depends): (.+)$", shown, re.MULTILINE))
        if "Version" not in fields:
            raise BuildError(f"{apt.suites} has no {name}")
        if name != _META:
            found[name] = Package(name, fields["Version"], fields["SHA256"])
        waiting += [other for other in _PARTS.findall(fields.get("Depends", "")) if other not in found]
    return tuple(found.values())


def _download(apt: Apt, package: Package, tree: Path) -> None:
    """Fetch a package and unpack it into a folder."""
    if apt.run("apt-get", "download", "-q", f"{package.name}={package.version}") is None:
        raise BuildError(
            f"{package.name} {package.version} could not be fetched from {apt.suites}; try again"
        )
    (file,) = apt.state.glob(f"{package.name}_*.deb")
    if hash_file(file) != package.sha256:
        raise BuildError(f"{package.name} {package.version} did not arrive whole; try again")
    done = subprocess.run(
        ["dpkg-deb", "-x", str(file), str(tree)], capture_output=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise BuildError(f"{package.name} cannot be unpacked: the disk is full, or dpkg-deb is missing")
    file.unlink()


def _take(root: Path, work: Path, vmlinuz: Path, name: str, packages: tuple[Package, ...]) -> Fetched:
    """Copy what a guest can use of a kernel into the cache."""
    content = vmlinuz.read_bytes()
    try:
        release = image.release(content)
    except NotAKernel as error:
        raise NotAKernel(f"{vmlinuz} cannot be used: {error}") from None
    made = work / "made"
    (made / store.MODULES).mkdir(parents=True)
    (made / store.KERNEL).write_bytes(image.kernel(content))
    shutil.copyfile(_beside(vmlinuz, release, "config"), made / store.CONFIG)
    files = modules.files(_beside(vmlinuz, release, "modules"))
    known: dict[str, modules.Module] = {}
    waiting = list(modules_for(ABILITIES))
    while waiting:
        module = waiting.pop()
        if module in known or module not in files:
            continue
        data = modules.read(files[module])
        kept = made / store.MODULES / f"{module}.ko"
        kept.write_bytes(data)
        # A soft dependency may name what several modules give; those of single processors would refuse ours.
        needed = [name if name in files else f"{name}_generic" for name in modules.before(data)]
        known[module] = modules.Module(hash_file(kept), tuple(name for name in needed if name in files))
        waiting += known[module].before
    metadata = Metadata(
        name=name,
        release=release,
        packages=packages,
        image_sha256=hash_file(vmlinuz),
        kernel_sha256=hash_file(made / store.KERNEL),
        config_sha256=hash_file(made / store.CONFIG),
        modules=dict(sorted(known.items())),
    )
    return store.take(root, made, metadata)


def _beside(vmlinuz: Path, release: str, what: str) -> Path:
    """Find a kernel's configuration or modules: in /boot and /lib of the tree that it stands in, or beside it."""
    for top in (vmlinuz.parent, *vmlinuz.parents):
        trees = [top / "lib/modules" / release, top / "usr/lib/modules" / release]
        if what == "config":
            places = [top / f"config-{release}", top / "boot" / f"config-{release}"]
            places += [tree / "config" for tree in trees]
        else:
            places = [*trees, *([top] if (top / "kernel").is_dir() else [])]
        for place in places:
            if place.exists():
                return place
    raise KernelMissing(
        f"the {what} of {vmlinuz} ({release}) cannot be found; they are looked for in /boot and /lib/modules "
        "of the tree that it stands in"
    )
