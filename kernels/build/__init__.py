"""Builds the lab kernel, and keeps what was built in the user's cache directory.

build("7")                                  the newest 7.x that a Debian suite has, or the one in the cache
build("7", variant="asconf-lookup-delete")  with a named patch on top
build("6.12")                               for comparison
cached()                                    the kernel to run by default, or None; never touches the network
list_built(), remove("7.3.4")               what is there; away with it
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from kernels.build import boot, make, sources, store, tools
from kernels.build.errors import BuildError
from kernels.build.recipes import recipe, variants
from kernels.build.store import BuiltKernel, Metadata, kernels_dir

__all__ = [
    "DEFAULT",
    "BuildError",
    "BuiltKernel",
    "build",
    "cached",
    "kernels_dir",
    "list_built",
    "remove",
    "variants",
]

# What is built and run when nobody says which: seccomp mode came with 6.16.
DEFAULT = "7"

# Told what is going on, and how much of that is done: 0 to 1, or a negative number where nobody knows.
OnProgress = Callable[[str, float], None]
_UNKNOWN = -1.0


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
    recipe(version, variant)  # An unknown variant or version is told before anything else is done.
    root = kernels_dir()
    if source is None and (found := _current(root, version, variant)):
        return found.path
    with store.locked(root, lambda: on_progress("waiting for another build to end", _UNKNOWN)), _terminable():
        store.sweep(root)
        # The other build may have been this one.
        if source is None and (found := _current(root, version, variant)):
            return found.path
        return _build(root, version, variant, source, on_progress).path


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


def _current(root: Path, version: str, variant: str) -> BuiltKernel | None:
    """Give a kernel that need not be built again."""
    return next((kernel for kernel in _of(root, version, variant) if _up_to_date(kernel)), None)


def _up_to_date(kernel: BuiltKernel) -> bool:
    """Tell whether a kernel is intact and what today's patches, configuration and compiler would make again."""
    metadata = kernel.metadata
    return metadata.recipe == recipe(metadata.version, metadata.variant).digest and kernel.intact


def _build(
    root: Path, version: str, variant: str, tarball: Path | None, on_progress: OnProgress
) -> BuiltKernel:
    """Build in a folder beside the cached kernels, try the result, and only then put it among them."""
    tools.install_missing(lambda packages: on_progress(f"installing {packages}", _UNKNOWN))
    tools.check_room(root)
    began = time.monotonic()
    with store.workplace(root) as work:
        if tarball is None:
            fetched = sources.fetch(
                version, work / "apt", root / "sources", lambda step: on_progress(step, _UNKNOWN)
            )
        else:
            fetched = sources.given(tarball)
        for kernel in _of(root, "", variant):
            if kernel.metadata.source_sha256 == fetched.sha256 and _up_to_date(kernel):
                return kernel
        on_progress("unpacking the source", _UNKNOWN)
        tree = sources.unpack(fetched, work)
        full = sources.version_of(tree)
        made_of = recipe(full, variant)
        on_progress("configuring", _UNKNOWN)
        make.patch(tree, made_of)
        objects = work / "objects"
        make.configure(tree, objects, made_of)
        jobs = len(os.sched_getaffinity(0))
        binary = make.build(tree, objects, made_of, jobs, lambda done: on_progress("compiling", done))
        on_progress("booting it for a check", _UNKNOWN)
        boot.check(binary, full)
        made = work / "made"
        made.mkdir()
        binary.rename(made / store.BINARY)
        (objects / ".config").rename(made / store.CONFIG)
        metadata = Metadata(
            version=full,
            variant=variant,
            key=made_of.key(fetched.sha256),
            recipe=made_of.digest,
            source=fetched.name,
            source_sha256=fetched.sha256,
            patches=tuple(patch.stem for patch in made_of.patches),
            config_sha256=made_of.config_sha256,
            compiler=made_of.compiler,
            binary_sha256=store.hash_file(made / store.BINARY),
            build_s=round(time.monotonic() - began, 1),
        )
        return store.take(root, made, metadata)


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
