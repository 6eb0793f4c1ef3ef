"""Tasks for this machine and for developers of roamlab: doctor, kernels, box, tests and linters."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput, LabError
from roamlab.parameters import shorten
from roamlab.where import ROOT

_STATUS_OF_PYTEST: Final = {0: 0, 1: 1, 2: 130, 5: BadInput.status}
"""Exit status by pytest's: passed, failed, interrupted, no tests found; any other is an internal error of pytest."""


@command()
def doctor(_: Context) -> None:
    """Show what this machine supports, and how to install what is missing."""
    from roamlab.kernels import doctor as examiner
    from roamlab.reports import terminal

    examiner.render(examiner.examine(), terminal.console())


def _build_kernels(version: str = "", variant: str = "", source: str = "", every: bool = False) -> list[Path]:
    from roamlab.kernels import build
    from roamlab.reports import kernels

    tarball = Path(source) if source else None
    with kernels.BuildProgress() as progress:
        if every:
            return build.build_all(version or build.DEFAULT, tarball, progress.show)
        return [build.build(version or build.DEFAULT, variant, tarball, progress.show)]


def _build_patched(patch: Path, version: str) -> Path:
    from roamlab.kernels import build
    from roamlab.reports import kernels

    if not patch.is_file():
        raise BadInput(f"there is no patch {patch}")
    with kernels.BuildProgress() as progress:
        return build.build_patched(patch.absolute(), version or build.DEFAULT, progress.show)


def _fetch_kernel(distribution: str) -> Path:
    from roamlab.kernels.machine import fetch
    from roamlab.reports import kernels

    with kernels.BuildProgress() as progress:
        return fetch.fetch(distribution, lambda step: progress.show(step, -1.0)).directory


@command(
    help={
        "list": "show the kernels in the cache",
        "variant": "apply this named patch, which changes protocol behaviour",
        "all": "build the kernel and all its variants; each variant adds little time",
        "version": "a kernel version, full or abbreviated: 7, 6.12, 6.1.192",
        "source": "build from this kernel tarball instead of Debian's source package",
        "remove": "remove the kernels of this name from the cache",
        "export": "write the kernel (see --variant and --version) to this file",
        "wheel": "write it as a Python wheel, roamlab-kernel, into this folder",
        "import": "import a kernel from a file that --export or --wheel made; its hash is checked",
        "patch": "a patch of your own to build the kernel with; --list shows what that is called",
        "distribution": "fetch the kernel of debian-12, debian-13 or debian-13-backports instead of building one",
    }
)
def kernel(
    _: Context,
    list: bool = False,
    variant: str = "",
    all: bool = False,
    version: str = "",
    source: str = "",
    remove: str = "",
    distribution: str = "",
    export: str = "",
    wheel: str = "",
    import_: str = "",
    patch: str = "",
) -> None:
    """Build the lab kernel, which is the default from then on, or fetch a distribution's kernel."""
    from roamlab.kernels import build
    from roamlab.kernels.machine import store as machines
    from roamlab.reports import kernels, terminal

    if list:
        kernels.show_kernels(build.list_built(), build.variants(), str(build.kernels_dir()))
        kernels.show_machines(machines.fetched(), str(machines.machines_dir()))
    elif remove:
        for gone in machines.remove(remove) or build.remove(remove):
            terminal.console().print(f"removed {gone.name}")
    elif distribution:
        made = _fetch_kernel(distribution)
        terminal.console().print(f"fetched: {made}", soft_wrap=True)
    elif export or wheel:
        from roamlab.kernels.build import transfer

        chosen = build.cached(variant, version)
        if chosen is None:
            raise BadInput("there is no such lab kernel in the cache; build it first with `./lab kernel`")
        if export:
            transfer.export(chosen, Path(export))
        written = transfer.wheel(chosen, Path(wheel)) if wheel else Path(export)
        terminal.console().print(f"written: {written}", soft_wrap=True)
    elif import_:
        from roamlab.kernels.build import transfer

        terminal.console().print(f"taken: {transfer.take_in(Path(import_)).path}", soft_wrap=True)
    elif patch:
        if all or variant or source:
            raise BadInput("--patch goes with --version alone")
        made = _build_patched(Path(patch), version)
        terminal.console().print(f"built: {made}; use it with --kernel {made}", soft_wrap=True)
    elif all and variant:
        raise BadInput("--all builds every variant; give either --variant or --all")
    else:
        for made in _build_kernels(version, variant, source, every=all):
            terminal.console().print(f"built: {made}", soft_wrap=True)


@command(
    help={
        "output": "the file to write the box to",
        "key": "a file with another public key that may log in",
    }
)
def box(_: Context, output: str = "roamlab.box", key: str = "") -> None:
    """Make a Vagrant box (libvirt) from Debian packages, with the lab kernel if one has been built."""
    from roamlab import box as boxes
    from roamlab.reports import kernels, terminal

    with kernels.BuildProgress() as progress:
        made = boxes.make(
            Path(output).absolute(), [Path(key)] if key else [], lambda step: progress.show(step, -1.0)
        )
    terminal.console().print(f"made: {made}; use it with", soft_wrap=True)
    terminal.console().print(f"  vagrant box add --name {boxes.NAME} {made}", soft_wrap=True)


def _fetch_missing_kernels() -> None:
    from roamlab.kernels.job import KernelError
    from roamlab.kernels.machine import fetch, store

    here = {kernel.name for kernel in store.fetched() if kernel.intact}
    for name in fetch.DISTRIBUTIONS:
        if name in here:
            continue
        try:
            _fetch_kernel(name)
        except KernelError as error:
            sys.stderr.write(f"lab: tests that need the kernel of {name} are skipped: {error}\n")


# Browsers last: the driver stays as a child of the process, and tests of guests count those.
_PARTS: Final = ("unit", "netns", "uml", "machine", "browser")


@command(help={"only": "the tests to run: unit, netns, uml, machine, browser or a path; by default all"})
def test(_: Context, only: str = "") -> int:
    """Build or fetch missing kernels, then run the tests and list why any were skipped."""
    from roamlab.kernels.job import KernelError

    _need_checkout("test")
    if only not in ("", *_PARTS) and not (ROOT / only.partition("::")[0]).exists():
        raise BadInput(
            f"there are no tests called {shorten(only)}; --only takes {', '.join(_PARTS)} or a path"
        )
    if only in ("", "uml"):
        try:
            _build_kernels(every=True)
        except KernelError as error:
            sys.stderr.write(f"lab: tests that need the lab kernel are skipped: {error}\n")
    if only in ("", "machine"):
        _fetch_missing_kernels()
    where = [f"tests/{part}" for part in _PARTS if only in ("", part)] or [only]
    # A background job of a shell ignores Ctrl-C, and so would the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ended = subprocess.run([sys.executable, "-m", "pytest", *where], cwd=ROOT).returncode
    return _STATUS_OF_PYTEST.get(ended, LabError.status)


@command()
def check(_: Context) -> int:
    """Run the linters: ruff, mypy --strict, import-linter, and the documentation's links."""
    _need_checkout("check")
    bin_ = Path(sys.executable).parent
    commands = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
        ["zensical", "build", "--strict"],
    )
    return max(subprocess.run([bin_ / c[0], *c[1:]], cwd=ROOT).returncode for c in commands)


def _need_checkout(task: str) -> None:
    if not (ROOT / "tests").is_dir():
        raise BadInput(f"{task} needs a checkout of roamlab: the installed package has no tests")
