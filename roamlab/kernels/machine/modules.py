"""A kernel's modules: which a job needs, in the order in which they are to be loaded, as plain files."""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from roamlab.kernels.machine.image import zstd

_ENDINGS = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module.

    sha256  hash of the file that is loaded, which is decompressed
    before  modules that have to be there first, its dependencies and soft dependencies (`softdep pre`)
    """

    sha256: str
    before: tuple[str, ...]


def name_of(path: Path) -> str:
    """Give a module's name: files say sch-netem or sch_netem, everything else an underscore."""
    return path.name.split(".", 1)[0].replace("-", "_")


def files(tree: Path) -> dict[str, Path]:
    """Find the modules below a directory, by name."""
    return {name_of(path): path for path in sorted(tree.rglob("*.ko*")) if path.name.endswith(_ENDINGS)}


def read(path: Path) -> bytes:
    """Read a module, decompressed."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return zlib.decompress(data, 31)
    return zstd(data) if path.suffix == ".zst" else data


def before(module: bytes) -> tuple[str, ...]:
    """List what a module asks for itself, from the strings in its .modinfo section."""
    soft = [
        word
        for text in _told(module, b"softdep")
        for word in re.sub(r"post:.*", "", text).replace("pre:", " ").split()
    ]
    hard = [word for text in _told(module, b"depends") for word in text.split(",") if word]
    return tuple(dict.fromkeys(word.replace("-", "_") for word in [*soft, *hard]))


def _told(module: bytes, key: bytes) -> list[str]:
    return [found.decode("ascii", "replace") for found in re.findall(rb"\0" + key + rb"=([^\0]*)", module)]


def in_order(names: Iterable[str], known: Mapping[str, Module]) -> list[str]:
    """List modules and what they depend on, each once, dependencies first; a name that is no module is built in."""
    ordered: dict[str, None] = {}

    def add(name: str, above: frozenset[str]) -> None:
        if name in ordered or name in above or name not in known:
            return
        for other in known[name].before:
            add(other, above | {name})
        ordered[name] = None

    for name in names:
        add(name, frozenset())
    return list(ordered)
