"""Scenarios and topologies that are not roamlab's own: in a user's file, or brought by an installed package.

A file is named by its path, and one of several scenarios or topologies in it behind a colon: ``mine.py``, ``mine.py:roam``. An
installed package declares what it brings as entry points, ``roamlab.scenarios`` (a module with scenarios) and
``roamlab.topologies`` (a class).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import shutil
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Final

from roamlab import registry
from roamlab.errors import BadInput, LabError
from roamlab.parameters import shorten
from roamlab.registry import Scenario, nearest
from roamlab.topologies import TOPOLOGIES, RoamingTopo

SCENARIOS: Final = "roamlab.scenarios"
"""The group of entry points that name modules with scenarios."""
TOPOLOGY_CLASSES: Final = "roamlab.topologies"
"""The group of entry points that name topologies."""
_COPIES: Final = "own"  # in the run directory
_REFERENCE: Final = re.compile(r"(?P<path>.*\.py)(?::(?P<name>.*))?", re.DOTALL)
_MODULES: Final[dict[Path, tuple[str, ModuleType]]] = {}
_LOADING: Final[list[Path]] = []


def loading() -> bool:
    """Whether a file is being read just now: what stands in it outside functions runs then."""
    return bool(_LOADING)


def is_file(reference: str) -> bool:
    """Whether a reference names a file, and not a scenario or topology by its name."""
    return _REFERENCE.fullmatch(reference) is not None


def scenarios(path: str) -> dict[str, Scenario]:
    """The scenarios that a file declares, by name. Raises BadInput for a file that cannot be read or declares none."""
    file = Path(path).expanduser().resolve()
    _module(file)
    found = registry.declared_in(file)
    if not found:
        raise BadInput(f"{path} declares no scenario; write @scenario(...) above a function in it")
    return found


def scenario(reference: str) -> Scenario:
    """The scenario that ``PATH.py:NAME`` names, or the only one of ``PATH.py``. Raises BadInput when there is none."""
    path, name = _parts(reference)
    found = scenarios(path)
    if not name:
        if len(found) > 1:
            raise BadInput(
                f"{path} declares {', '.join(found)}; name one of them: {path}:{next(iter(found))}"
            )
        return next(iter(found.values()))
    if name not in found:
        raise BadInput(f"{path} declares no scenario {shorten(name)!r}{nearest(name, found)}")
    return found[name]


def installed() -> dict[str, Scenario]:
    """The scenarios that installed packages bring, by name; roamlab's own of the same name comes first.

    Raises BadInput for a package whose entry point cannot be loaded.
    """
    found: dict[str, Scenario] = {}
    for point in entry_points(group=SCENARIOS):
        try:
            loaded = point.load()
        except Exception as error:
            raise BadInput(
                f"the entry point {point.name} = {point.value} cannot be loaded: {error}"
            ) from None
        module = loaded if isinstance(loaded, ModuleType) else sys.modules[loaded.__module__]
        for name, one in registry.declared_in(Path(str(module.__file__)).resolve()).items():
            found[name] = replace(one, installed=True)
    return found


def topology(reference: str) -> type[RoamingTopo]:
    """The topology that ``NAME``, ``PATH.py:CLASS`` or the only one of ``PATH.py`` names. Raises BadInput for none."""
    if not is_file(reference):
        if reference in TOPOLOGIES:
            return TOPOLOGIES[reference]
        known = {**TOPOLOGIES, **{point.name: point for point in entry_points(group=TOPOLOGY_CLASSES)}}
        if reference not in known:
            raise BadInput(f"there is no topology {shorten(reference)!r}{nearest(reference, known)}")
        return _checked(reference, next(iter(entry_points(group=TOPOLOGY_CLASSES, name=reference))).load())
    path, name = _parts(reference)
    found = _classes(_module(Path(path).expanduser().resolve()))
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise BadInput(
            f"{path} has no topology {shorten(name)!r}{nearest(name, found)}"
            if name
            else f"{path} has {len(found)} topologies; name one of them: {path}:CLASS"
        )
    return found[name]


def known_topology(reference: str) -> type[RoamingTopo] | None:
    """A topology of roamlab's own, or of a file that was read in this process already, by its whole reference."""
    if not is_file(reference):
        return TOPOLOGIES.get(reference)
    path, name = _parts(reference)
    read = _MODULES.get(Path(path))
    return _classes(read[1]).get(name) if read else None


def _classes(module: ModuleType) -> dict[str, type[RoamingTopo]]:
    """The topologies that a module declares, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, RoamingTopo) and value.__module__ == module.__name__
    }


def digest(one: Scenario) -> str:
    """One hash over the files that a scenario and its topology are from and what these import beside them.

    Empty for one of roamlab's own in a topology of roamlab's own: those are code of the package.
    """
    files = sorted({file for start in _origins(one) for file in _with_imports(start)})
    if not files:
        return ""
    hashed = hashlib.sha256()
    for file in files:
        hashed.update(hashlib.sha256(file.read_bytes()).digest())
    return hashed.hexdigest()


def folders_of(topology: type[RoamingTopo]) -> tuple[Path, ...]:
    """The directory that must be seen where a topology is built; none for roamlab's own."""
    return tuple(_top(file).parent for file in _file_of(topology))


@dataclass(frozen=True, slots=True)
class Brought:
    """How a scenario is found where it is played.

    file      its file, absolute or below the run directory; empty for one that is found by its name
    topology  what was asked for in place of its topology, likewise
    shown     directories that must be seen there
    """

    file: str
    topology: str
    shown: tuple[Path, ...]


def bring(one: Scenario, run_dir: Path, covered: Iterable[str], *, copied: bool = False) -> Brought:
    """Make a scenario's files seen where it is played.

    The inside has directories of its own in the place of those ``covered`` (/tmp and the like). What is in a folder below is
    shown there. A file that lies directly in one is copied into the run directory, with what it imports beside it; so are all
    where they must be ``copied``, for the inside sees nothing of this machine.
    """
    hidden = set(covered)

    def moved(file: Path) -> str:
        if not copied and str(file.parent) not in hidden:
            return str(file)
        for each in _with_imports(file):
            target = run_dir / _COPIES / each.relative_to(file.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(each, target)
        return f"{_COPIES}/{file.name}"

    file = moved(one.file) if one.file is not None and not one.installed else ""
    named = one.topology_name
    if is_file(named):
        path, name = _parts(named)
        named = f"{moved(Path(path))}:{name}"
    brought = [file for file in _origins(one) if not copied and str(_top(file).parent) not in hidden]
    return Brought(file, named, tuple(dict.fromkeys(_top(file).parent for file in brought)))


def reference(built: type[RoamingTopo]) -> str:
    """What `topology` takes to find a class again. Raises BadInput for one that no file or name leads to."""
    for name, known in TOPOLOGIES.items():
        if known is built:
            return name
    files = _file_of(built)
    if not files or "." in built.__qualname__:
        raise BadInput(f"{built.__qualname__} cannot be found again; declare it at the top of a file")
    return f"{files[0]}:{built.__name__}"


def absolute(reference: str) -> str:
    """A reference that means the same from any directory."""
    if not is_file(reference):
        return reference
    path, name = _parts(reference)
    return f"{Path(path).expanduser().resolve()}" + (f":{name}" if name else "")


def _parts(reference: str) -> tuple[str, str]:
    match = _REFERENCE.fullmatch(reference)
    assert match is not None
    return match["path"], match["name"] or ""


def _checked(reference: str, found: object) -> type[RoamingTopo]:
    if not (isinstance(found, type) and issubclass(found, RoamingTopo)):
        raise BadInput(
            f"the entry point {reference} is not a topology: a class that is made from RoamingTopo"
        )
    return found


def _module(file: Path) -> ModuleType:
    """The module of a file, read again when the file has changed. Raises BadInput with the line of what is wrong in it."""
    try:
        now = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from None
    known = _MODULES.get(file)
    if known is None or known[0] != now:
        _MODULES[file] = now, _read(file)
    return _MODULES[file][1]


def _read(file: Path) -> ModuleType:
    name = f"roamlab_own_{hashlib.sha256(bytes(file)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    registry.forget(file)
    sys.modules[name] = module
    _LOADING.append(file)
    try:
        with _importing_from(file.parent):
            spec.loader.exec_module(module)
    except LabError as error:
        raise BadInput(f"{file}:{_line(error, file)}: {error}") from None
    except SyntaxError as error:
        raise BadInput(f"{error.filename}:{error.lineno}: {error.msg}") from None
    except (Exception, SystemExit) as error:
        raise BadInput(f"{file}:{_line(error, file)}: {type(error).__name__}: {error}") from None
    finally:
        _LOADING.pop()
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let a file import what lies beside it, after all that is installed, and leave no bytecode there."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _line(error: BaseException, file: Path) -> int:
    """The last line of a file that led to an error."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file
    ]
    return (lines or [1])[-1] or 1


def _origins(one: Scenario) -> list[Path]:
    """The files that a scenario and its topology are from, roamlab's own left out."""
    found = [one.file] if one.file is not None else []
    return list(dict.fromkeys([*found, *_file_of(one.topology)]))


def _file_of(topology: object) -> list[Path]:
    """The file that a topology is from; none for roamlab's own."""
    module = sys.modules.get(getattr(topology, "__module__", ""))
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__.partition(".")[0] == "roamlab":
        return []
    return [Path(file).resolve()]


def _top(file: Path) -> Path:
    """The file itself where it was read by its path, otherwise the outermost package that it is in."""
    top, main = file, getattr(sys.modules["__main__"], "__file__", None)
    if file in _MODULES or (main and Path(main).resolve() == file):
        return file
    while (top.parent / "__init__.py").is_file():
        top = top.parent
    return top


def _with_imports(file: Path) -> Iterator[Path]:
    """A file and what it imports from beside it, and what these import; all of the package that it is in, if any."""
    top = _top(file)
    if top.is_dir():
        yield from top.rglob("*.py")
        return
    todo, seen = [file], {file}
    while todo:
        one = todo.pop()
        yield one
        for name in _imports(one):
            for beside in (file.parent / f"{name}.py", *sorted((file.parent / name).rglob("*.py"))):
                if beside.is_file() and beside not in seen:
                    seen.add(beside)
                    todo.append(beside)


def _imports(file: Path) -> set[str]:
    """The first parts of the names of modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
