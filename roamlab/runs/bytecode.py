"""How Python starts inside: with a path and bytecode that do not depend on what else this machine has.

In virtual time each system call takes time, and so each file that an interpreter looks for while it starts and imports is part
of a run. Inside it reads neither ``site`` nor ``.pth`` files, only the directories of roamlab and of the packages that it
needs, and all bytecode, the standard library's too, from one place, filled here beforehand by the same imports. A guest could
not write it, and would compile half a second each time.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import LabError
from roamlab.kernels.build.store import kernels_dir
from roamlab.kernels.sandbox import ended_with_us
from roamlab.record import guarded, ours
from roamlab.where import PACKAGE, ROOT

_PACKAGES: Final = ("msgspec", "pyroute2", "mininet", "sctp", "aioquic", "cryptography")
_OUTSIDE: Final = frozenset({"cli", "judge", "live", "query", "repeat", "reports", "runs"})
_EVERYTHING: Final = "roamlab.lab.everything"
_STAMP: Final = ".sources.json"
_MAKER: Final = "bytecode"
_UNUSED_S: Final = 14 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Start:
    """What starts Python inside: the first words of a command line, what it imports from, and where its bytecode is."""

    words: tuple[str, ...]
    imports: tuple[Path, ...]
    pycache: Path

    def module(self, name: str, *arguments: str) -> tuple[str, ...]:
        """The command line that runs a module."""
        return (*self.words, "-m", name, *arguments)


def prepare() -> Start:
    """Compile what is missing, or older than its source. Raises LabError where Python cannot import roamlab's own modules."""
    # The interpreter itself, not a venv's link to it; no site, nobody's own packages, nothing from the directory it is in.
    words = (os.path.realpath(sys.executable), "-S", "-s", "-P")
    start = Start(words, _imports(), _place())
    if not _fresh(start.pycache):
        _fill(start)
    return start


@cache
def _imports() -> tuple[Path, ...]:
    """The directories that roamlab's packages lie in."""
    found: dict[Path, None] = {}
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise LabError(
                f"the package {name} is not installed; install it with: pip install -r requirements.txt"
            )
        origin = Path(spec.origin)
        found[origin.parent.parent if origin.name == "__init__.py" else origin.parent] = None
    found.pop(ROOT, None)
    return tuple(found)


@cache
def _place() -> Path:
    """The directory of this checkout in the cache; one that goes with this process where the cache cannot be written."""
    of = "\0".join([sys.executable, sys.version, str(ROOT), *map(str, _imports())])
    place = kernels_dir().parent / "bytecode" / hashlib.sha256(of.encode()).hexdigest()[:16]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            _note_use(place)
            return place
    except OSError:
        own = Path(tempfile.mkdtemp(prefix="roamlab-bytecode-"))
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return own


def _note_use(place: Path) -> None:
    """Say that a directory is used, and remove the other checkouts' that nobody has used for long."""
    with suppress(LabError):  # somebody else marks it
        if ours.maker_of(place) is None:
            ours.mark(place, _MAKER)
    now = time.time()
    os.utime(place / ours.MARK)
    for other in place.parent.iterdir():
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if ours.maker_of(other) == _MAKER and now - (other / ours.MARK).stat().st_mtime > _UNUSED_S:
                folders = [entry.name for entry in other.iterdir() if entry.is_dir()]
                ours.remove(other, _MAKER, re.compile(re.escape(_STAMP)), folders)


def _fresh(place: Path) -> bool:
    """Whether all bytecode is there and of the sources as they are, and no source is new."""
    try:
        known = msgspec.json.decode(guarded.read(place, _STAMP), type=dict[str, tuple[int, int]])
    except (OSError, ValueError, LabError):
        return False
    if any(_seen(Path(source)) != stamp for source, stamp in known.items()):
        return False
    return all(str(source) in known for source in _ours())


def _ours() -> list[Path]:
    """The sources of roamlab that run inside."""
    folders = [entry for entry in PACKAGE.iterdir() if entry.is_dir() and entry.name not in _OUTSIDE]
    return [source for folder in folders for source in folder.glob("*.py")]


def _seen(source: Path) -> tuple[int, int] | None:
    try:
        status = source.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _fill(start: Start) -> None:
    """Import everything once as it is imported inside, so that Python itself writes the bytecode."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *start.imports))),
        "PYTHONPYCACHEPREFIX": str(start.pycache),
    }
    done = subprocess.run(
        (*ended_with_us(), *start.module(_EVERYTHING)),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        process_group=0,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise LabError(f"Python cannot import what runs inside: {last}")
    sources = {source for source in map(Path, done.stdout.splitlines()) if source.suffix == ".py"}
    known = {str(source): _seen(source) for source in sources | set(_ours())}
    try:
        guarded.write(start.pycache, _STAMP, msgspec.json.encode(known))
    except OSError as error:
        raise LabError(f"cannot write in {start.pycache}: {error.strerror}") from None
