"""Finds out what this machine can do for roamlab, and what would be missing."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from roamlab.kernels import binary, sandbox
from roamlab.kernels.choose import lab_kernels
from roamlab.kernels.job import KernelError, NotPermitted
from roamlab.kernels.machine import qemu
from roamlab.kernels.machine.store import fetched
from roamlab.kernels.native import native
from roamlab.where import COMMAND

# What experiments need of a kernel, in the order shown; the rest of the abilities is for single scenarios.
WANTED = (
    "sctp",
    "sctp_diag",
    "netem",
    "htb",
    "ipip",
    "gre",
    "veth",
    "bridge",
    "ipv6",
    "packet",
    "nft",
    "tun",
)
# Command, Debian package, what for, and whether a run needs it (or only tests do).
_TOOLS = (
    ("linux.uml", "user-mode-linux", "a User-Mode Linux kernel with SCTP", True),
    ("bwrap", "bubblewrap", "keeps guests from writing to this machine", True),
    ("ip", "iproute2", "the command line on a topology", True),
    ("ping", "iputils-ping", "the command line's pingall", True),
    ("qemu-system-x86_64", "qemu-system-x86", "distributions' kernels in virtual time", False),
    ("mnexec", "mininet", "stock Mininet, to compare with", False),
    ("ifconfig", "net-tools", "stock Mininet, to compare with", False),
    ("nft", "nftables", "to cross-check nftables", False),
    ("chromium", "chromium", "tests of pages", False),
    ("tshark", "tshark", "to cross-check captures", False),
)
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Uml:
    """A UML binary that was found, or what is wrong with it."""

    path: Path
    name: str
    version: str = ""
    mode: str = ""
    modules: str = ""
    abilities: frozenset[str] = frozenset()
    virtual_time: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A distribution's kernel in the cache, or what is wrong with it."""

    name: str
    version: str
    abilities: frozenset[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that roamlab uses, and the Debian package that brings it."""

    command: str
    package: str
    purpose: str
    needed: bool
    found: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What this machine can do.

    native_problem  why jobs can't run on its own kernel; empty when they can
    confined        whether bubblewrap works here for this user
    shm_free        octets free in /dev/shm; the guests' memory goes there without bubblewrap
    """

    kernel: str
    root: bool
    cpus: int
    native: frozenset[str]
    native_problem: str
    umls: tuple[Uml, ...]
    confined: bool
    fixed_addresses: bool
    shm_free: int
    tools: tuple[Tool, ...]
    machines: tuple[Machine, ...] = ()

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """Debian packages that aren't there, those that a run needs first."""
        missing = sorted((tool for tool in self.tools if not tool.found), key=lambda tool: not tool.needed)
        return tuple(tool.package for tool in missing)

    @property
    def install_line(self) -> str:
        """The line that installs what is missing; empty when nothing is."""
        if not self.missing_packages:
            return ""
        sudo = "" if self.root else "sudo "
        return f"{sudo}apt-get install --no-install-recommends -y {' '.join(self.missing_packages)}"

    @property
    def can_run(self) -> bool:
        """Whether any kernel here runs the experiments."""
        return "sctp" in self.native or any("sctp" in uml.abilities for uml in self.umls)


def examine() -> Report:
    """Look, and try what can be tried; nothing that this starts or makes outlives the call."""
    try:
        abilities, problem = native().abilities, ""
    except NotPermitted as error:
        abilities, problem = frozenset[str](), str(error)
    return Report(
        kernel=platform.release(),
        root=os.geteuid() == 0,
        cpus=len(os.sched_getaffinity(0)),
        native=abilities,
        native_problem=problem,
        umls=tuple(_umls()),
        machines=tuple(_machines()),
        confined=sandbox.bubblewrap() is not None,
        fixed_addresses=bool(sandbox.fixed_addresses()),
        shm_free=_free(Path("/dev/shm")),  # noqa: S108
        tools=tuple(Tool(*tool, found=_there(tool[0])) for tool in _TOOLS),
    )


def _there(command: str) -> bool:
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is not None


def _free(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return 0


def _umls() -> list[Uml]:
    found = [_uml(kernel.path, f"lab kernel {kernel.name}") for kernel in lab_kernels()]
    with contextlib.suppress(KernelError):
        found.append(_uml(binary.debian(), "Debian's package"))
    return found


def _machines() -> list[Machine]:
    try:
        qemu.program()
    except KernelError as error:
        problem = str(error)
    else:
        problem = ""
    return [
        Machine(
            kernel.name,
            f"{kernel.metadata.release}, package {kernel.metadata.version}",
            kernel.abilities,
            problem
            or (
                ""
                if kernel.intact
                else f"damaged; fetch it again with `{COMMAND} kernel --distribution {kernel.name}`"
            ),
        )
        for kernel in fetched()
    ]


def _uml(path: Path, name: str) -> Uml:
    try:
        kernel = binary.inspect(path)
    except KernelError as error:
        return Uml(path, name, problem=str(error))
    modular = kernel.options.get("CONFIG_MODULES") == "y"
    return Uml(
        path,
        name,
        kernel.version,
        "seccomp" if kernel.seccomp else "ptrace",
        str(kernel.modules or "modules missing") if modular else "built in",
        kernel.abilities,
        kernel.time_travel,
    )


def render(report: Report, console: Console) -> None:
    """Print a report; the words carry the meaning, colour only helps."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for mark, what, text in _rows(report):
        table.add_row(Text(mark, style=_STYLES[mark]), what, text)
    console.print(table)
    if report.install_line:
        console.print(
            f"\nTo install what is missing:\n  {report.install_line}", soft_wrap=True, highlight=False
        )
    elif report.can_run:
        console.print("\nNothing is missing.", highlight=False)


_STYLES = {"yes": "green", "no": "red", "part": "yellow"}


def _rows(report: Report) -> list[tuple[str, str, str]]:
    """Give a mark, a subject and a sentence for each thing that was looked at."""
    rows = [_native_row(report)]
    if not report.umls:
        rows.append(("no", "UML", "no User-Mode Linux kernel found"))
    for uml in report.umls:
        if uml.problem:
            rows.append(("no", "UML", f"{uml.name}: {uml.problem}"))
            continue
        clock = "virtual time" if uml.virtual_time else "real time only"
        text = f"{uml.name}, {uml.version}, {uml.mode} mode, {clock}; {uml.path} ({uml.modules})"
        rows.append((_mark(uml.abilities), "UML", f"{text}; {_abilities(uml.abilities)}"))
    if not report.machines:
        rows.append(
            (
                "part",
                "distribution",
                f"no kernel fetched; `{COMMAND} kernel --distribution debian-12` gets one",
            )
        )
    for machine in report.machines:
        text = f"{machine.name}, {machine.version}, virtual time"
        if machine.problem:
            rows.append(("no", "distribution", f"{text}: {machine.problem}"))
        else:
            rows.append(
                (_mark(machine.abilities), "distribution", f"{text}; {_abilities(machine.abilities)}")
            )
    rows.append(
        ("yes", "confinement", "bubblewrap: guests see this machine's files read-only and no network")
        if report.confined
        else (
            "no",
            "confinement",
            sandbox.LACKING[sandbox.without_bubblewrap()],
        )
    )
    if not report.fixed_addresses:
        rows.append(("part", "addresses", "setarch -R is refused: guests boot slower, and not identically"))
    if not report.confined:
        room = f"{report.shm_free / _GIB:.1f} GiB free in /dev/shm for guests' memory"
        rows.append(("yes" if report.shm_free >= _GIB else "part", "memory", room))
    rows.append(("yes", "processors", f"{report.cpus}: this many guests run at once, one per core"))
    rows += [(_tool_mark(tool), tool.command, tool.purpose) for tool in report.tools]
    return rows


def _tool_mark(tool: Tool) -> str:
    if tool.found:
        return "yes"
    return "no" if tool.needed else "part"


def _native_row(report: Report) -> tuple[str, str, str]:
    subject = "own kernel"
    if report.native_problem:
        return "no", subject, f"{report.kernel}: {report.native_problem}"
    return _mark(report.native), subject, f"{report.kernel}: {_abilities(report.native)}"


def _mark(abilities: frozenset[str]) -> str:
    """Say whether a kernel runs the experiments: all, some of them, or none."""
    if abilities.issuperset(WANTED):
        return "yes"
    return "part" if "sctp" in abilities else "no"


def _abilities(abilities: frozenset[str]) -> str:
    has = " ".join(name for name in WANTED if name in abilities)
    lacks = " ".join(name for name in WANTED if name not in abilities)
    return f"has {has or 'nothing'}" + (f"; lacks {lacks}" if lacks else "")
