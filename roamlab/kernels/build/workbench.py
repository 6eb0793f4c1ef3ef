"""An unpacked source on which kernels are made, one after the other: a variant costs what its patch touches."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels.build import boot, make, store
from roamlab.kernels.build.recipes import recipe
from roamlab.kernels.build.sources import Source
from roamlab.kernels.build.store import BuiltKernel, Metadata

# Told what is going on, and how much of that is done: 0 to 1, or a negative number where nobody knows.
OnProgress = Callable[[str, float], None]
UNKNOWN = -1.0


@dataclass
class Workbench:
    """An unpacked source of a version in a workplace: kernels are made of it one after the other."""

    root: Path
    work: Path
    tree: Path
    version: str
    source: Source
    on_progress: OnProgress
    compiled: bool = False

    @property
    def _objects(self) -> Path:
        return self.work / "objects"

    def prepare(self) -> None:
        """Apply the patches of every lab kernel, and configure."""
        self.on_progress("configuring", UNKNOWN)
        plain = recipe(self.version)
        make.patch(self.tree, plain.patches)
        make.configure(self.tree, self._objects, plain)

    def kernel(self, variant: str, began: float, patch: Path | None = None) -> BuiltKernel:
        """Compile a kernel, boot it for a check, and put it into the cache; `began` is when its work began.

        With a patch of the user's own, `variant` is what that is called.
        """
        made_of = recipe(self.version, variant, patch)
        own = made_of.patches[len(recipe(self.version).patches) :]
        make.patch(self.tree, own)
        jobs = len(os.sched_getaffinity(0))
        binary = make.build(self.tree, self._objects, made_of, jobs, self._compiling(variant))
        make.patch(self.tree, own, undo=True)
        self.compiled = True
        self.on_progress("booting it for a check", UNKNOWN)
        boot.check(binary, self.version)
        made = self.work / f"made-{variant}"
        made.mkdir()
        binary.rename(made / store.BINARY)
        shutil.copyfile(self._objects / ".config", made / store.CONFIG)
        metadata = Metadata(
            version=self.version,
            variant=variant,
            key=made_of.key(self.source.sha256),
            recipe=made_of.digest,
            source=self.source.name,
            source_sha256=self.source.sha256,
            patches=tuple(patch.stem for patch in made_of.patches),
            config_sha256=made_of.config_sha256,
            compiler=made_of.compiler,
            binary_sha256=store.hash_file(made / store.BINARY),
            build_s=round(time.monotonic() - began, 1),
        )
        return store.take(self.root, made, metadata)

    def _compiling(self, variant: str) -> Callable[[float], None]:
        """Tell of a compilation; how much of one there is that follows another, nobody knows."""
        if self.compiled:
            return lambda _: self.on_progress(f"compiling {variant}", UNKNOWN)
        return lambda done: self.on_progress("compiling", done)
