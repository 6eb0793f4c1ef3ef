"""Where the kernel's source comes from: the distribution's linux-source package, or a tarball of the user's.

The package is looked for in one suite after the other (see roamlab/kernels/build/apt.py).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels.build.apt import Apt, machines_mirror
from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.store import hash_file, matches, numbers

_NAME = re.compile(r"^(linux-source-(\d+\.\d+)) - ", re.MULTILINE)
# The newest kernels are in stable's backports, whose list is also the smallest.
_SUITES = ("stable-backports", "stable", "testing", "unstable")
# Nothing of these is compiled for User-Mode Linux, and they are most of the source; the configuration reads their Kconfig files
# all the same. tar holds every file against every pattern, so that there are few.
_ARCHITECTURES = "arm arm64 loongarch m68k mips parisc powerpc riscv s390 sh sparc"
_DRIVERS = (
    "accel acpi clk crypto gpio gpu hid hwmon iio infiniband input md media mfd misc mtd phy pinctrl platform scsi soc staging "
    "usb video net/can net/dsa net/ethernet net/wireless"
)
_UNUSED = (
    "arch/*.dts*",
    *(f"arch/{name}/*.[chS]" for name in _ARCHITECTURES.split()),
    *(f"drivers/{name}/*.[ch]" for name in _DRIVERS.split()),
    *("Documentation/*.*", "fs/btrfs/*.[ch]", "fs/xfs/*.[ch]", "sound/*.[ch]", "tools/perf", "tools/testing"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """A kernel's source: a package (.deb) or a tarball, its hash, and what to call it in reports."""

    file: Path
    sha256: str
    name: str


def _places() -> Iterator[tuple[str, str]]:
    """Give mirrors and suites to look through: of the machine's own mirror, newest kernels first."""
    try:
        mirror, own, security = machines_mirror()
    except BuildError as error:
        raise BuildError(f"{error}; give the kernel's source with --source TARBALL") from None
    yield mirror, _SUITES[0]
    if security:
        yield security, f"{own}-security"
    yield mirror, own
    yield mirror, f"{own}-backports"
    yield from ((mirror, suite) for suite in _SUITES[1:])


def fetch(version: str, state: Path, keep: Path, on_step: Callable[[str], None]) -> Source:
    """Fetch the newest linux-source package that is `version` (7, 6.12, ...), and keep the package in `keep`.

    `state` is a scratch folder. Raises BuildError, naming what the suites have, if none has it.
    """
    seen: set[str] = set()
    reached = False
    for uri, suite in _places():
        on_step(f"looking for linux-source {version} in {suite}")
        apt = Apt(state / suite, ((uri, suite),))
        if apt.run("apt-get", "update", "-q") is None:
            continue
        reached = True
        # Some mirrors' copy of an alias such as stable-backports is older than the suite's under its own name.
        own = apt.codename()
        if own != suite:
            named = Apt(state / own, ((uri, own),))
            if named.run("apt-get", "update", "-q") is not None:
                apt = named
        found = dict(
            _NAME.findall(apt.run("apt-cache", "search", "--names-only", r"^linux-source-[0-9.]+$") or "")
        )
        seen.update(found.values())
        # linux-source-7.3 is a candidate for 7.3.4 too: its full version decides.
        names = [name for name, series in found.items() if matches(series, ".".join(version.split(".")[:2]))]
        for name in sorted(names, key=lambda name: numbers(found[name]), reverse=True):
            source = _download(apt, name, version, keep, on_step)
            if source is not None:
                return source
    if not reached:
        raise BuildError(
            "no Debian suite could be read: is the network up? To use a local source, give --source TARBALL"
        )
    known = ", ".join(sorted(seen, key=numbers)) or "none"
    raise BuildError(f"no suite of the Debian mirror has a linux-source {version}; there are: {known}")


def _download(apt: Apt, name: str, version: str, keep: Path, on_step: Callable[[str], None]) -> Source | None:
    shown = apt.run("apt-cache", "show", "--no-all-versions", name) or ""
    fields = dict(re.findall(r"^(Version|SHA256|Size): (\S+)$", shown, re.MULTILINE))
    if not matches(fields.get("Version", ""), version):
        return None
    kept = keep / f"{name}_{fields['Version']}.deb"
    called = f"{name} {fields['Version']}"
    if kept.exists() and hash_file(kept) == fields["SHA256"]:
        return Source(kept, fields["SHA256"], called)
    on_step(f"fetching {called} ({int(fields['Size']) / 1e6:.0f} MB)")
    if apt.run("apt-get", "download", "-q", name) is None:
        raise BuildError(
            f"{called} could not be fetched from {apt.suites}; try again, or give --source TARBALL"
        )
    (package,) = apt.state.glob(f"{name}_*.deb")
    keep.mkdir(parents=True, exist_ok=True)
    return Source(package.rename(kept), fields["SHA256"], called)


def given(tarball: Path) -> Source:
    """Take a source that the user has."""
    if not tarball.is_file():
        raise BuildError(f"there is no file {tarball} to build a kernel from")
    return Source(tarball.resolve(), hash_file(tarball), tarball.name)


def unpack(source: Source, work: Path) -> Path:
    """Unpack what is needed of a source below `work`; gives the tree's top. Raises BuildError if it is no kernel's."""
    tarball = source.file
    if tarball.suffix == ".deb":
        _do(["dpkg-deb", "-x", str(tarball), str(work / "package")], source)
        (tarball,) = (work / "package").glob("usr/src/linux-source-*.tar.*")
    tree = work / "source"
    tree.mkdir()
    unused = [f"--exclude=*/{pattern}" for pattern in _UNUSED]
    _do(["tar", "-xf", str(tarball), "-C", str(tree), *unused], source)
    shutil.rmtree(work / "package", ignore_errors=True)
    tops = [path for path in tree.iterdir() if (path / "arch/um/Kconfig").is_file()]
    if len(tops) != 1:
        raise BuildError(f"{source.name} holds no kernel source")
    return tops[0]


def _do(command: list[str], source: Source) -> None:
    if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0:
        raise BuildError(f"{source.name} cannot be unpacked: it is damaged, or the disk is full")


def knows(tree: Path, option: str) -> bool:
    """Tell whether a source has a configuration option, by name without CONFIG_."""
    declared = rf"^\s*(menu)?config\s+{option}$"
    command = ["grep", "-rqE", "--include=Kconfig*", declared, str(tree)]
    return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0


def version_of(tree: Path) -> str:
    """Read the version of an unpacked source, like 7.3.4."""
    makefile = (tree / "Makefile").read_text()
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", makefile, re.MULTILINE))
    return ".".join(found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
