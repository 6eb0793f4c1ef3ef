"""Reads what a User-Mode Linux binary is from the binary itself."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from roamlab.kernels.abilities import ABILITIES
from roamlab.kernels.cpu import emulated
from roamlab.kernels.job import KernelMissing, NotAKernel
from roamlab.where import COMMAND

DEBIAN = "linux.uml"
_ELF = b"\x7fELF"
# Strings that every UML binary holds, and hardly anything else: we look before we run a stranger's file.
_MARKERS = (b"User Mode Linux v", b"--showconfig", b"uml_dir=")
_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Binary:
    """A UML binary: where it is, its release, its configuration, and where its modules are."""

    path: Path
    version: str
    config: frozenset[tuple[str, str]]
    modules: Path | None

    @property
    def options(self) -> dict[str, str]:
        """The configuration options that are set: y, m or a value."""
        return dict(self.config)

    @property
    def time_travel(self) -> bool:
        """Whether it can keep virtual time."""
        return self.options.get("CONFIG_UML_TIME_TRAVEL_SUPPORT") == "y"

    @property
    def seccomp(self) -> bool:
        """Whether it runs programs under seccomp, several times faster than ptrace (6.16 on, and no emulated processor)."""
        major, minor = (int(part) for part in re.findall(r"\d+", self.version)[:2])
        return (major, minor) >= (6, 16) and not emulated()

    @property
    def abilities(self) -> frozenset[str]:
        """What is built in, or a module that is really there."""
        options = self.options
        return frozenset(
            name
            for name, ability in ABILITIES.items()
            if options.get(ability.option) == "y"
            or (options.get(ability.option) == "m" and self.modules is not None)
        )

    @property
    def config_sha256(self) -> str:
        """The hash of the configuration, for manifests."""
        lines = "".join(f"{name}={value}\n" for name, value in sorted(self.config))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def sha256(self) -> str:
        """The hash of the file, for manifests."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def debian() -> Path:
    """Find Debian's UML; raises KernelMissing."""
    found = shutil.which(DEBIAN)
    if found is None:
        raise KernelMissing(f"{DEBIAN} is not installed; install it with: apt-get install user-mode-linux")
    return Path(found)


def inspect(path: Path) -> Binary:
    """Read a UML binary; raises KernelMissing or NotAKernel, each with one sentence."""
    if not path.is_file():
        raise KernelMissing(
            f"there is no UML binary {path}; `{COMMAND} kernel --list` shows the kernels that need no path"
        )
    path = path.resolve()
    stat = path.stat()
    return _inspect(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _inspect(path: Path, _mtime_ns: int, _size: int) -> Binary:
    _look(path)
    version = _ask(path, "--version").strip()
    if not re.match(r"\d+\.\d+", version):
        raise NotAKernel(f"{path} does not name its kernel version when asked with --version")
    config = frozenset(
        (name, value.strip('"'))
        for name, value in re.findall(r"^(CONFIG_\w+)=(.*)$", _ask(path, "--showconfig"), re.MULTILINE)
    )
    return Binary(path, version, config, _modules(version))


def _look(path: Path) -> None:
    """Refuse, without running it, a file that isn't an executable UML binary."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotAKernel(f"{path} cannot be read: {error.strerror}") from error
    if not content.startswith(_ELF) or not all(marker in content for marker in _MARKERS):
        raise NotAKernel(f"{path} is not a User-Mode Linux binary")
    if not os.access(path, os.X_OK):
        raise NotAKernel(f"{path} is a User-Mode Linux binary, but not executable; chmod +x it")


def _ask(path: Path, question: str) -> str:
    try:
        answer = subprocess.run(
            [path, question],
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAKernel(f"{path} does not run: {error}") from error
    return answer.stdout


def _modules(version: str) -> Path | None:
    """Find the modules of a release where Debian puts them."""
    directory = Path("/usr/lib/uml/modules") / version
    return directory if (directory / "modules.dep").is_file() else None
