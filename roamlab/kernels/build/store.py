"""The lab kernels in the user's cache directory.

    <cache>/roamlab/kernels/
        7.3.4-1a2b3c4d5e6f/            a kernel: name (version, variant), then the start of its key
            linux                      the binary
            config                     the configuration it was built with
            kernel.json                what it is; written last, with the hash of the binary
        sources/                       source packages as the distribution's archive gave them
        .building-xxxxxxxx/            a build under way; whole only when it is renamed
        .lock                          held while a build is under way

A kernel is taken only if kernel.json can be read and its hash is the binary's.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roamlab.kernels.build.errors import BuildError
from roamlab.record.owner import caller

BINARY = "linux"
CONFIG = "config"
METADATA = "kernel.json"
_UNDER_WAY = ".building-"
_PLACE = re.compile(r"\d[\w.]*(\+[\w-]+)?-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What kernel.json says.

    version        the kernel's version, like 7.3.4
    variant        the name of the patch that changes protocol behaviour, or nothing
    key            hash of source, configuration, patches and compiler
    recipe         hash of configuration, patches and compiler
    source         the source's package and version, or the file that was given
    source_sha256  hash of the source's tarball or package
    patches        names of the patches, in the order in which they were applied
    config_sha256  hash of the configuration that was asked for
    compiler       the compiler's name and version
    binary_sha256  hash of the binary
    build_s        wall time of the build in seconds
    """

    version: str
    variant: str
    key: str
    recipe: str
    source: str
    source_sha256: str
    patches: tuple[str, ...]
    config_sha256: str
    compiler: str
    binary_sha256: str
    build_s: float

    @property
    def name(self) -> str:
        """The kernel's name: its version, and its variant where it is one."""
        return f"{self.version}+{self.variant}" if self.variant else self.version

    @property
    def encoded(self) -> bytes:
        """The content of kernel.json."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class BuiltKernel:
    """A kernel in the cache."""

    directory: Path
    metadata: Metadata

    @property
    def name(self) -> str:
        """The kernel's name: its version, and its variant where it is one."""
        return self.metadata.name

    @property
    def path(self) -> Path:
        """The binary."""
        return self.directory / BINARY

    @property
    def intact(self) -> bool:
        """Whether the binary is the one that was built."""
        try:
            return hash_file(self.path) == self.metadata.binary_sha256
        except OSError:
            return False


def kernels_dir() -> Path:
    """Give the cache's folder, which need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
        base = f"{home}/.cache" if home.startswith("/") else "/nonexistent"
    return Path(base) / "roamlab" / "kernels"


def caches(part: str) -> list[Path]:
    """Give where a part of the cache is looked for: in the user's own, and under sudo in that of the user who called it.

    That user may run what he likes as root, and what was built for him is there.
    """
    own = kernels_dir().parent / part
    who = caller()
    if who is None or os.environ.get("XDG_CACHE_HOME"):
        return [own]
    try:
        home = pwd.getpwuid(who[0]).pw_dir
    except KeyError:
        return [own]
    return [own, Path(home) / ".cache" / "roamlab" / part]


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def built(root: Path | None = None) -> list[BuiltKernel]:
    """List what looks like a kernel, newest version first, then by variant; whether one is intact is not looked at."""
    roots = [root] if root else [*caches("kernels"), *_packaged()]
    found = (_read(path.parent) for place in roots for path in place.glob(f"[!.]*/{METADATA}"))
    kernels = [kernel for kernel in found if kernel is not None]
    by_variant = sorted(kernels, key=lambda kernel: (kernel.metadata.variant, kernel.directory.name))
    return sorted(by_variant, key=lambda kernel: numbers(kernel.metadata.version), reverse=True)


def _packaged() -> list[Path]:
    """Where the wheel `roamlab-kernel` has its kernel, if it is installed."""
    spec = importlib.util.find_spec("roamlab_kernel")
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def is_name(name: str) -> bool:
    """Whether a kernel's folder could have this name."""
    return bool(_PLACE.fullmatch(name))


def numbers(version: str) -> tuple[int, ...]:
    """Give the numbers of a version, so that 7.10 sorts after 7.9."""
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())


def matches(version: str, asked: str) -> bool:
    """Tell whether a version is what was asked for: 7.3.4 is 7, 7.3 and 7.3.4, and isn't 7.30."""
    return numbers(version)[: len(numbers(asked))] == numbers(asked)


def _read(directory: Path) -> BuiltKernel | None:
    try:
        metadata = msgspec.json.decode((directory / METADATA).read_bytes(), type=Metadata)
    except (OSError, msgspec.DecodeError):
        return None
    return BuiltKernel(directory, metadata)


@contextlib.contextmanager
def locked(root: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the cache for one build; calls on_wait once if another build holds it. Ends with its process."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as error:
        raise BuildError(f"the cache directory {root} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(root: Path) -> list[str]:
    """Remove what interrupted builds and removals left, and nothing else; call it with the lock held."""
    left = [path for path in root.iterdir() if not path.is_symlink() and path.is_dir() and _is_left(path)]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in left]


def _is_left(path: Path) -> bool:
    """Whether this is a build under way, or a kernel of which a removal took the metadata already."""
    if path.name.startswith(_UNDER_WAY):
        return True
    return bool(_PLACE.fullmatch(path.name)) and {file.name for file in path.iterdir()} <= {BINARY, CONFIG}


@contextlib.contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """Give a folder of its own to build in, beside the kernels; it is gone afterwards, however the build ends."""
    path = Path(tempfile.mkdtemp(prefix=_UNDER_WAY, dir=root))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def take(root: Path, made: Path, metadata: Metadata) -> BuiltKernel:
    """Put a finished kernel in its place: `made` holds binary and configuration, and is renamed at the end.

    It replaces every kernel of its name: one that was corrupted, or made of other patches.
    """
    place = root / f"{metadata.name}-{metadata.key[:12]}"
    put(made, place, METADATA, metadata.encoded)
    drop([k.directory for k in built(root) if k.name == metadata.name and k.directory != place], METADATA)
    _forget_sources(root)
    return BuiltKernel(place, metadata)


def put(made: Path, place: Path, name: str, content: bytes) -> None:
    """Write a finished folder's metadata as the file ``name`` and move the folder to its place; it replaces what is there."""
    with (made / name).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if place.exists():
        drop([place], name)
    made.rename(place)


def drop(directories: Sequence[Path], name: str) -> None:
    """Remove kernels' folders, metadata first: a removal that is interrupted leaves nothing that looks like a kernel."""
    for directory in directories:
        (directory / name).unlink(missing_ok=True)
        shutil.rmtree(directory)


def _forget_sources(root: Path) -> None:
    """Remove the source packages that no kernel here was built from."""
    used = {kernel.metadata.source_sha256 for kernel in built(root)}
    for package in (root / "sources").glob("*.deb"):
        if hash_file(package) not in used:
            package.unlink()


def remove(root: Path, name: str) -> list[BuiltKernel]:
    """Remove the kernels of a name, and the source packages that no other was built from.

    Raises BuildError, with the names that there are, for one that there isn't.
    """
    gone = [kernel for kernel in built(root) if name in (kernel.name, kernel.directory.name)]
    if not gone:
        names = ", ".join(dict.fromkeys(kernel.name for kernel in built(root))) or "none"
        raise BuildError(f"there is no lab kernel {name!r}; there are: {names}")
    drop([kernel.directory for kernel in gone], METADATA)
    _forget_sources(root)
    return gone
