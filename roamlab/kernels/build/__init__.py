"""Builds the lab kernel, and keeps what was built in the user's cache directory.

build("7")                                  the newest 7.x that a Debian suite has, or the one in the cache
build("7", variant="asconf-lookup-delete")  with a named patch on top
build("6.12")                               for comparison
build_patched(Path("repair.patch"))         with a patch of the user's own on top
build_all("7")                              the kernel and every variant of it, out of one tree
cached()                                    the kernel to run by default, or None; never touches the network
list_built(), remove("7.3.4")               what is there; away with it
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from roamlab.kernels.build import sources, store, tools
from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.recipes import own_variant, recipe, variants
from roamlab.kernels.build.store import BuiltKernel, kernels_dir
from roamlab.kernels.build.workbench import UNKNOWN, OnProgress, Workbench

__all__ = [
    "DEFAULT",
    "BuildError",
    "BuiltKernel",
    "build",
    "build_all",
    "build_patched",
    "cached",
    "kernels_dir",
    "list_built",
    "remove",
    "variants",
]

# What is built and run when nobody says which: seccomp mode came with 6.16.
DEFAULT = "7"

# The variant that is none.
_PLAIN = ""


def build(
    version: str = DEFAULT,
    variant: str = "",
    source: Path | None = None,
    on_progress: OnProgress = lambda _phase, _fraction: None,
) -> Path:
    """Give the binary of a lab kernel, from the cache or newly built.

    `version` is as much of a version as matters (7, 6.12, 6.1.192); with `source`, a kernel tarball, the version is the
    tarball's. A second build at the same time waits for the first. Raises BuildError, with one sentence; whatever ends a
    build (SIGINT and SIGTERM too), nothing half-built stays.
    """
    (binary,) = _ensure(version, [variant], source, on_progress)
    return binary


def build_all(
    version: str = DEFAULT,
    source: Path | None = None,
    on_progress: OnProgress = lambda _phase, _fraction: None,
) -> list[Path]:
    """Give the binaries of a lab kernel and of each variant of it, like `build`.

    What is missing is built in one tree: a variant after the first kernel costs what its patch touches.
    """
    return _ensure(version, [_PLAIN, *variants()], source, on_progress)


def build_patched(
    patch: Path,
    version: str = DEFAULT,
    on_progress: OnProgress = lambda _phase, _fraction: None,
) -> Path:
    """Give the binary of a lab kernel with a patch of the user's own, like `build`.

    The same change makes the same kernel, whatever stands before it and wherever the file is; it is in the cache under the
    name of `own_variant`. Raises BuildError, too, for a patch that does not fit or does not compile.
    """
    variant = own_variant(patch)
    if variant in variants():
        return build(version, variant, on_progress=on_progress)
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # a recipe has the patch's name: here it follows from the change
        named = Path(folder) / f"{variant}.patch"
        shutil.copyfile(patch, named)
        (binary,) = _ensure(version, [variant], None, on_progress, named)
    return binary


def _ensure(
    version: str,
    wanted: Sequence[str],
    source: Path | None,
    on_progress: OnProgress,
    patch: Path | None = None,
) -> list[Path]:
    for variant in wanted:
        recipe(version, variant, patch)  # An unknown variant or version is told before anything else is done.
    root = kernels_dir()

    def here() -> list[Path]:
        found = [_current(root, version, variant, patch) for variant in wanted] if source is None else []
        return [kernel.path for kernel in found if kernel is not None]

    if len(paths := here()) == len(wanted):
        return paths
    with store.locked(root, lambda: on_progress("waiting for another build to end", UNKNOWN)), _terminable():
        store.sweep(root)
        # The other build may have been this one.
        if len(paths := here()) == len(wanted):
            return paths
        return [kernel.path for kernel in _build(root, version, wanted, source, on_progress, patch)]


def cached(variant: str = "", version: str = "") -> BuiltKernel | None:
    """Give the newest intact kernel of a variant (`""`: none) and version in the cache, or None."""
    return next((kernel for kernel in _of(kernels_dir(), version, variant) if kernel.intact), None)


def list_built() -> list[BuiltKernel]:
    """List the kernels in the cache, newest version first; `intact` of each says whether it can be run."""
    return store.built()


def remove(name: str) -> list[BuiltKernel]:
    """Remove the kernels of a name, like 7.3.4 or 7.3.4+asconf-lookup-delete; gives what is gone."""
    root = kernels_dir()
    with store.locked(root, lambda: None):
        store.sweep(root)
        return store.remove(root, name)


def _of(root: Path, version: str, variant: str) -> list[BuiltKernel]:
    """List the kernels of a version (`""`: any) and variant, newest version first."""
    of_variant = [kernel for kernel in store.built(root) if kernel.metadata.variant == variant]
    return [kernel for kernel in of_variant if store.matches(kernel.metadata.version, version)]


def _current(root: Path, version: str, variant: str, patch: Path | None = None) -> BuiltKernel | None:
    """Give a kernel that need not be built again."""
    return next((kernel for kernel in _of(root, version, variant) if _up_to_date(kernel, patch)), None)


def _up_to_date(kernel: BuiltKernel, patch: Path | None = None) -> bool:
    """Tell whether a kernel is intact and what today's patches, configuration and compiler would make again."""
    metadata = kernel.metadata
    return metadata.recipe == recipe(metadata.version, metadata.variant, patch).digest and kernel.intact


def _build(
    root: Path,
    version: str,
    wanted: Sequence[str],
    tarball: Path | None,
    on_progress: OnProgress,
    patch: Path | None = None,
) -> list[BuiltKernel]:
    """Build in a folder beside the cached kernels, try each result, and only then put it among them."""
    tools.install_missing(lambda packages: on_progress(f"installing {packages}", UNKNOWN))
    tools.check_room(root)
    began = time.monotonic()
    with store.workplace(root) as work:
        if tarball is None:
            fetched = sources.fetch(
                version, work / "apt", root / "sources", lambda step: on_progress(step, UNKNOWN)
            )
        else:
            fetched = sources.given(tarball)
        kernels = {variant: _made_of(root, variant, fetched, patch) for variant in wanted}
        missing = [variant for variant, kernel in kernels.items() if kernel is None]
        if missing:
            on_progress("unpacking the source", UNKNOWN)
            tree = sources.unpack(fetched, work)
            bench = Workbench(root, work, tree, sources.version_of(tree), fetched, on_progress)
            bench.prepare()
            for variant in missing:
                kernels[variant] = bench.kernel(variant, began, patch)
                began = time.monotonic()
        return [kernel for kernel in kernels.values() if kernel is not None]


def _made_of(
    root: Path, variant: str, source: sources.Source, patch: Path | None = None
) -> BuiltKernel | None:
    """Give the kernel that this very source makes, if it is here."""
    of_source = (
        kernel for kernel in _of(root, "", variant) if kernel.metadata.source_sha256 == source.sha256
    )
    return next((kernel for kernel in of_source if _up_to_date(kernel, patch)), None)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a build like Ctrl-C does, so that its folder and processes go."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
