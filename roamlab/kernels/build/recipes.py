"""What a lab kernel is made of besides its source: configuration, patches and compiler.

A recipe is the same for the same files of this folder and the same compiler, so that its hash, together with that of the
source, names the kernel it gives.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from roamlab.kernels.build.errors import BuildError

PATCHES = Path(__file__).resolve().parent.parent / "patches"
_CONFIGS = Path(__file__).resolve().parent
# In every lab kernel, in this order; every other patch is a variant, named like its file.
ALWAYS = ("hz-1000", "seeded-random", "busy-time")
# Patches that only newer kernels get: User-Mode Linux runs its programs in another way before.
_SINCE = {"busy-time": (7, 0)}
_ASKED = re.compile(r"^(?:(CONFIG_\w+)=(.+)|# (CONFIG_\w+) is not set)$")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a kernel.

    `config` is asked of every source, `older` only of those that know its options; `patches` are files in the order in
    which they apply.
    """

    variant: str
    config: str
    older: str
    patches: tuple[Path, ...]
    compiler: str

    @property
    def digest(self) -> str:
        """The hash of everything that stands here."""
        parts = [self.variant.encode(), self.config.encode(), self.older.encode(), self.compiler.encode()]
        for patch in self.patches:
            parts += [patch.name.encode(), patch.read_bytes()]
        whole = hashlib.sha256()
        for part in parts:
            whole.update(len(part).to_bytes(8, "big") + part)
        return whole.hexdigest()

    @property
    def config_sha256(self) -> str:
        """The hash of the configuration that was asked for."""
        return hashlib.sha256(f"{self.config}{self.older}".encode()).hexdigest()

    def key(self, source_sha256: str) -> str:
        """Name the kernel that this recipe makes of a source."""
        return hashlib.sha256(f"{source_sha256} {self.digest}".encode()).hexdigest()


def release(version: str) -> tuple[int, int]:
    """Give the major and minor number of a kernel version such as 7.3.4, or of as much of it as 7."""
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.\d+)?", version)
    if found is None:
        raise BuildError(f"{version!r} is not a kernel version; give one like 7, 6.12 or 6.1.192")
    return int(found[1]), int(found[2] or 0)


def variants() -> dict[str, str]:
    """Give each variant's name and the first line of its patch, which says what it changes."""
    return {
        path.stem: path.read_text().splitlines()[0]
        for path in sorted(PATCHES.glob("*.patch"))
        if path.stem not in ALWAYS
    }


def own_variant(patch: Path) -> str:
    """The name of the variant that a patch of the user's own makes: roamlab's, where it is the same change, else its hash."""
    change = _change(patch.read_text(errors="replace"))
    for name in variants():
        if _change((PATCHES / f"{name}.patch").read_text()) == change:
            return name
    return f"own-{hashlib.sha256(change.encode()).hexdigest()[:12]}"


def _change(text: str) -> str:
    """A patch without the words before it."""
    return text[text.find("--- ") :].strip()


def recipe(version: str, variant: str = "", patch: Path | None = None) -> Recipe:
    """Put together what makes a kernel of this version; raises BuildError for an unknown variant.

    ``patch`` is one of the user's own, and ``variant`` its name (`own_variant`).
    """
    if variant and patch is None and variant not in variants():
        known = ", ".join(variants()) or "none"
        raise BuildError(f"there is no variant {variant!r} of the lab kernel; the variants are: {known}")
    major, minor = release(version)
    always = [name for name in ALWAYS if (major, minor) >= _SINCE.get(name, (0, 0))]
    names = (*always, variant) if variant and patch is None else tuple(always)
    patches = tuple(_patch(name, f"{major}.{minor}") for name in names)
    if patch is not None:
        patches = (*patches, patch)
    config, older = ((_CONFIGS / name).read_text() for name in ("lab.config", "older.config"))
    return Recipe(variant, config, older, patches, _compiler())


def _patch(name: str, series: str) -> Path:
    """Find a patch: one made for this series of kernels goes before the common one."""
    own = PATCHES / series / f"{name}.patch"
    return own if own.exists() else PATCHES / f"{name}.patch"


def _compiler() -> str:
    """Name the compiler; none is a name too, until a build has installed one."""
    try:
        return _named_compiler()
    except (OSError, subprocess.SubprocessError):
        return "none"


@lru_cache(maxsize=1)
def _named_compiler() -> str:
    answer = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True, timeout=30)
    return answer.stdout.splitlines()[0]


def asked(config: str) -> dict[str, str]:
    """Read a configuration: option and value, where an option that is not set has the value n."""
    lines = (_ASKED.match(line) for line in config.splitlines())
    return {found[1] or found[3]: found[2] or "n" for found in lines if found}


def missing(config: str, result: Mapping[str, str]) -> list[str]:
    """Name what was asked for and did not come about, as `CONFIG_X=y`, in the order asked."""
    return [
        f"{option}={value}" for option, value in asked(config).items() if result.get(option, "n") != value
    ]
