"""The distributions' kernels in the user's cache directory.

<cache>/roamlab/machines/
    debian-12-6.1.192-2-1a2b3c4d5e6f/    a kernel: name, version, the start of its hash
        kernel                           what QEMU boots
        config                           its configuration, as its package has it
        modules/sctp.ko                  those that a job can ask for, and what they need
        machine.json                     what it is; written last
    files/                               what guests find in their memory (initramfs.py)
    .building-xxxxxxxx/                  one that is being fetched
    .lock                                held meanwhile
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roamlab.kernels.abilities import ABILITIES
from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.store import caches, drop, hash_file, kernels_dir, locked, put
from roamlab.kernels.machine.modules import Module
from roamlab.where import COMMAND

KERNEL, CONFIG, MODULES, METADATA, FILES = "kernel", "config", "modules", "machine.json", "files"
UNDER_WAY: Final = ".building-"


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a kernel came from, and its hash as the distribution's signed list has it."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What machine.json says.

    name           what `--kernel` takes: debian-12, or the path of the image
    release        the kernel's release, as uname gives it
    packages       what it came from; none for a path
    image_sha256   hash of the image (vmlinuz) as it was found
    kernel_sha256  hash of what QEMU boots
    config_sha256  hash of its configuration
    modules        its modules by name
    """

    name: str
    release: str
    packages: tuple[Package, ...]
    image_sha256: str
    kernel_sha256: str
    config_sha256: str
    modules: dict[str, Module]

    @property
    def version(self) -> str:
        """The version of its package, or its release."""
        return self.packages[0].version if self.packages else self.release


@dataclass(frozen=True, slots=True)
class Fetched:
    """A distribution's kernel in the cache."""

    directory: Path
    metadata: Metadata

    @property
    def name(self) -> str:
        """Its name, like debian-12."""
        return self.metadata.name

    @property
    def kernel(self) -> Path:
        """What QEMU boots."""
        return self.directory / KERNEL

    @property
    def intact(self) -> bool:
        """Whether kernel and configuration are what was fetched; modules are checked when they are read."""
        known = ((KERNEL, self.metadata.kernel_sha256), (CONFIG, self.metadata.config_sha256))
        try:
            return all(hash_file(self.directory / name) == sha256 for name, sha256 in known)
        except OSError:
            return False

    def module(self, name: str) -> bytes:
        """Read a module; raises BuildError where it isn't what was fetched."""
        path = self.directory / MODULES / f"{name}.ko"
        if not path.is_file() or hash_file(path) != self.metadata.modules[name].sha256:
            raise BuildError(
                f"the kernel {self.name} in the cache is damaged; fetch it again with "
                f"`{COMMAND} kernel --remove {self.name}` and `{COMMAND} kernel --distribution {self.name}`"
            )
        return path.read_bytes()

    @property
    def abilities(self) -> frozenset[str]:
        """What its configuration has built in, or as a module that is there."""
        options = dict(
            re.findall(r"^(CONFIG_\w+)=(.*)$", (self.directory / CONFIG).read_text(), re.MULTILINE)
        )
        return frozenset(
            name
            for name, ability in ABILITIES.items()
            if (value := options.get(ability.option)) == "y"
            or (value == "m" and ability.modules[-1] in self.metadata.modules)
        )

    @property
    def size(self) -> int:
        """Octets that it takes in the cache."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())


def machines_dir() -> Path:
    """Give the cache's folder, which need not exist yet."""
    return kernels_dir().parent / "machines"


def fetched(root: Path | None = None) -> list[Fetched]:
    """List the kernels in the cache, by name."""
    found = []
    roots = [root] if root else caches("machines")
    for path in sorted(path for place in roots for path in place.glob(f"[!.]*/{METADATA}")):
        try:
            found.append(Fetched(path.parent, msgspec.json.decode(path.read_bytes(), type=Metadata)))
        except (OSError, msgspec.DecodeError):
            continue
    return found


def sweep(root: Path) -> None:
    """Remove what was left by fetching that was interrupted; call it with the lock held."""
    for path in root.glob(f"{UNDER_WAY}*"):
        shutil.rmtree(path, ignore_errors=True)


def take(root: Path, made: Path, metadata: Metadata) -> Fetched:
    """Put a kernel in its place; it replaces the one of its name. `made` holds its files, and is renamed at the end."""
    called = metadata.name if "/" not in metadata.name else "path"
    place = root / f"{called}-{metadata.version}-{metadata.kernel_sha256[:12]}"
    content = msgspec.json.format(msgspec.json.encode(metadata), indent=2) + b"\n"
    put(made, place, METADATA, content)
    drop([k.directory for k in fetched(root) if k.name == metadata.name and k.directory != place], METADATA)
    return Fetched(place, metadata)


def remove(name: str) -> list[Fetched]:
    """Remove the kernels of a name; gives what is gone, nothing where there is none of it."""
    root = machines_dir()
    if not any(name in (kernel.name, kernel.directory.name) for kernel in fetched(root)):
        return []
    with locked(root, lambda: None):
        sweep(root)
        gone = [kernel for kernel in fetched(root) if name in (kernel.name, kernel.directory.name)]
        drop([kernel.directory for kernel in gone], METADATA)
    return gone
