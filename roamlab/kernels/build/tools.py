"""What a build needs of the machine: programs, headers, room on the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from roamlab.kernels.build.errors import BuildError

# Program or header, and the Debian package that has it.
NEEDED = {
    "gcc": "gcc",
    "ld": "binutils",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "tar": "tar",
    "xz": "xz-utils",
    "patch": "patch",
    "gzip": "gzip",
    "/usr/include/stdio.h": "libc6-dev",
    "/usr/include/linux/version.h": "linux-libc-dev",
}
# A build was seen to need 0.9 GiB: the unpacked source, the objects and the source package.
ROOM_BYTES = 3 << 29


def packages_missing(needed: dict[str, str] = NEEDED) -> list[str]:
    """Name the packages that a build needs and that are not here."""
    return [package for thing, package in needed.items() if not _here(thing)]


def _here(thing: str) -> bool:
    return Path(thing).exists() if thing.startswith("/") else shutil.which(thing) is not None


def install_missing(on_install: Callable[[str], None]) -> None:
    """Install what is missing where we may without a question; else raise BuildError with the line to type."""
    packages = packages_missing()
    if not packages:
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    line = " ".join(["sudo", *install])
    may = _may()
    if may is None:
        raise BuildError(f"building a kernel needs {', '.join(packages)}; install them with: {line}")
    on_install(" ".join(packages))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A machine that never updated its lists finds no package the first time.
    for step in (install, ["apt-get", "update"], install):
        done = subprocess.run([*may, *step], env=environment, capture_output=True, stdin=subprocess.DEVNULL)
        if step is install and done.returncode == 0:
            break
    if left := packages_missing():
        raise BuildError(f"{', '.join(left)} could not be installed; install them with: {line}")


def _may() -> list[str] | None:
    """Give what to put before a command to run it as root without a question, or None."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode != 0:
        return None
    return [sudo, "-n"]


def check_room(directory: Path, needed: int = ROOM_BYTES) -> None:
    """Raise BuildError where a directory's file system has too little room for a build."""
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise BuildError(
            f"building a kernel needs {needed / 2**30:.1f} GiB under {directory}, and {free / 2**30:.1f} GiB are free; "
            "make room or set XDG_CACHE_HOME to a larger disk"
        )
