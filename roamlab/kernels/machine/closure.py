"""Which Python modules a program can import, from what its source says: all that and nothing else goes into a guest."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader, PathFinder
from pathlib import Path

# What the interpreter imports before or without an `import` that could be read.
ALWAYS = (
    "encodings.aliases",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.raw_unicode_escape",
    "encodings.unicode_escape",
    "encodings.utf_8",
    "importlib.machinery",
    "linecache",
    "runpy",
    "site",
    "traceback",
)


@dataclass(frozen=True, slots=True)
class Found:
    """A module that a program may import: its name, its file, and whether that is compiled C."""

    name: str
    file: Path
    package: bool
    extension: bool


def closure(
    roots: Iterable[str],
    search: Sequence[str],
    bare: frozenset[str] = frozenset(),
    without: frozenset[str] = frozenset(),
) -> list[Found]:
    """List the modules that roots import, and what those import, wherever the `import` stands; sorted by name.

    `search` are the directories to look in, as in sys.path. `bare` names packages whose own code is never run, so that what it
    imports doesn't count (see roamlab/lab/lean.py);
    `without` names modules and packages to leave out.
    """
    found: dict[str, Found] = {}
    seen: set[str] = set()
    waiting = [*roots, *ALWAYS]
    while waiting:
        name = waiting.pop()
        above = name.rpartition(".")[0]
        if name in seen or name.split(".")[0] in without:
            continue
        if above and above not in seen:
            waiting += [name, above]
            continue
        seen.add(name)
        module = _find(name, found, search)
        if module is None:
            continue
        found[name] = module
        if not module.extension and name not in bare:
            waiting += _imported(module)
    return sorted(found.values(), key=lambda module: module.name)


def _find(name: str, known: dict[str, Found], search: Sequence[str]) -> Found | None:
    """Find a module in the file system without running anything; None for one that is built in, or isn't there."""
    parent = known.get(name.rpartition(".")[0])
    if "." in name and (parent is None or not parent.package):
        return None
    spec = PathFinder.find_spec(name, [str(parent.file.parent)] if parent else search)
    if spec is None or spec.origin is None:
        return None
    extension = isinstance(spec.loader, ExtensionFileLoader)
    return Found(name, Path(spec.origin), spec.submodule_search_locations is not None, extension)


def _imported(module: Found) -> Iterator[str]:
    """Give the names that a module's source imports; a name out of a package may be a module of it."""
    package = module.name if module.package else module.name.rpartition(".")[0]
    for node in ast.walk(ast.parse(module.file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                above = ".".join(parts[: len(parts) - node.level + 1])
                base = f"{above}.{base}" if base else above
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
