"""The files of a guest that has no disk: Python, what roamlab imports inside, as bytecode, and the libraries that they need.

What only one job needs (its modules, its plan) is put after it for each run. Paths inside are the same on every machine that
has its Python in the same place: each instruction takes a nanosecond there, the copying of a longer path too.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roamlab.kernels.build.store import hash_file, locked
from roamlab.kernels.job import KernelError
from roamlab.kernels.machine import compiling, cpio
from roamlab.kernels.machine.closure import Found, closure
from roamlab.where import PACKAGE, ROOT, inside_files

CODE: Final = "/usr/lib/roamlab"
"""Where roamlab and the packages that it imports lie inside."""
# The packages' own code is not run (roamlab/lab/lean.py).
_BARE: Final = frozenset({"pyroute2"})
# Nobody inside runs these, though something that is imported could; libcrypto alone would be a fifth of the archive. A job
# that does names them (`Job.modules`).
_LEFT_OUT: Final = frozenset(
    {
        "OpenSSL",
        "_hashlib",
        "_ssl",
        "_testcapi",
        "_testinternalcapi",
        "aioquic",
        "certifi",
        "cryptography",
        "doctest",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc",
        "pydoc_data",
        "service_identity",
        "sitecustomize",
        "ssl",
        "test",
        "tkinter",
        "unittest",
        "usercustomize",
        "webbrowser",
    }
)
_KEPT: Final = 4
_FILES: Final = {
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "/etc/group": b"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "/etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
    "/etc/protocols": b"ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n",
}
_DIRECTORIES: Final = ("/dev", "/proc", "/root", "/run", "/sys", "/tmp", "/var/tmp")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Initramfs:
    """An archive in the cache, and the hash of its content."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """What an archive is to have besides.

    modules   modules by name, with all that they import
    programs  by absolute path, with the libraries that they need
    files     files of the checkout, as they are
    """

    modules: tuple[str, ...] = ()
    programs: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()


NOTHING: Final = ArchiveContent()


def python() -> Path:
    """The interpreter itself, not a venv's link to it."""
    return Path(sys.executable).resolve()


def inside(path: Path) -> str:
    """Give the path inside of a file here: code of roamlab and of packages lies in one place, all else where it is."""
    for top in (*_packages(), ROOT):  # a checkout's own .venv lies in it
        if path.is_relative_to(top):
            return f"{CODE}/{path.relative_to(top)}"
    return str(path)


def ready(cache: Path, more: ArchiveContent) -> Initramfs:
    """Give the archive for the code as it is now, from the cache or newly made; raises KernelError where it can't be made."""
    key = _key(more)
    path = cache / f"{key}.cpio"
    if (found := _intact(path)) is not None:
        return found
    with locked(cache, lambda: None):
        if (found := _intact(path)) is None:
            found = _make(path, more)
            _forget(cache)
    return found


def _intact(path: Path) -> Initramfs | None:
    """Take an archive that is what was written."""
    try:
        told = path.with_suffix(".sha256").read_text()
        found = hash_file(path)
    except OSError:
        return None
    os.utime(path)  # used last
    return Initramfs(path, found) if found == told else None


def _make(path: Path, more: ArchiveContent) -> Initramfs:
    content = build(more)
    digest = hashlib.sha256(content).hexdigest()
    for name, data in ((path, content), (path.with_suffix(".sha256"), digest.encode())):
        new = name.with_suffix(".new")
        try:
            new.write_bytes(data)
            new.rename(name)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise KernelError(
                f"the guest's files cannot be kept in {path.parent}: {error.strerror}"
            ) from None
    return Initramfs(path, digest)


def _forget(cache: Path) -> None:
    """Remove the archives of code that was not run for longest."""
    for old in sorted(cache.glob("*.cpio"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def _key(more: ArchiveContent) -> str:
    """Name the archive by the files it is made of, as far as one sees from outside that they changed."""
    digest = hashlib.sha256(repr((sys.version, more)).encode())
    own = (python(), *sorted(PACKAGE.rglob("*.py")), *inside_files(), *_packages())
    for path in (*own, *more.programs, *more.files):
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\0".encode())
    return digest.hexdigest()[:24]


def _packages() -> list[Path]:
    """Where the packages lie that are installed for us."""
    return [Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]


def _search() -> list[str]:
    """Where modules are looked for, whatever the caller's sys.path says."""
    library = sysconfig.get_paths()["stdlib"]
    return [library, f"{library}/lib-dynload", str(ROOT), *map(str, _packages())]


def build(more: ArchiveContent) -> bytes:
    """Make the archive."""
    ours = list(inside_files())
    roots = [_module_name(path) for path in ours if path.suffix == ".py"]
    asked = {name.split(".")[0] for name in more.modules}
    found = closure([*roots, *more.modules], _search(), _BARE - asked, _LEFT_OUT - asked)
    entries: dict[str, cpio.Entry] = dict.fromkeys(_DIRECTORIES, None)
    entries |= _FILES
    entries |= _merged()
    sources = [module for module in found if not module.extension]
    for module, code in zip(sources, compiled(sources), strict=True):
        entries[inside(module.file) + "c"] = code
    binaries = [python(), *more.programs, *(module.file for module in found if module.extension)]
    for path in binaries:
        entries[_merged_path(inside(path))] = path.read_bytes()
    for path in libraries(binaries):
        entries[_merged_path(inside(path))] = path.read_bytes()
    data = [path for path in ours if path.suffix != ".py"]
    entries |= {inside(path): path.read_bytes() for path in (*data, *more.files)}
    entries["/usr/bin/python3"] = cpio.CpioLink(_merged_path(str(python())))
    run = frozenset(_merged_path(inside(path)) for path in (*binaries, *libraries(binaries)))
    return cpio.archive(entries, run)


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _merged() -> dict[str, cpio.Entry]:
    """The links from / to /usr, as this machine has them."""
    return {
        f"/{name}": cpio.CpioLink(f"usr/{name}")
        for name in ("bin", "sbin", "lib", "lib64")
        if Path(f"/{name}").is_symlink()
    }


def _merged_path(path: str) -> str:
    """Name a file by where it really lies: nothing can be unpacked below a link."""
    first = path.split("/", 2)[1]
    return f"/usr{path}" if Path(f"/{first}").is_symlink() else path


def compiled(modules: Sequence[Found]) -> Iterator[bytes]:
    """Give the bytecode file of each module."""
    asked = "".join(f"{module.file}\t{inside(module.file)}\n" for module in modules)
    done = subprocess.run(
        [str(python()), "-I", "-S", compiling.__file__],
        input=asked.encode(),
        capture_output=True,
        env={"PYTHONHASHSEED": "0"},
    )
    if done.returncode:
        raise KernelError(
            f"the guest's Python modules cannot be compiled: {done.stderr.decode().strip()[-300:]}"
        )
    at = 0
    for _ in modules:
        length = int.from_bytes(done.stdout[at : at + 8], "little")
        yield done.stdout[at + 8 : at + 8 + length]
        at += 8 + length


def libraries(binaries: Sequence[Path]) -> list[Path]:
    """List the shared libraries that binaries need, by the path under which the loader finds them."""
    found: dict[Path, None] = {}
    for binary in binaries:
        said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        for word in said.stdout.split():
            if word.startswith("/") and not word.endswith(":"):
                found[Path(os.path.normpath(word))] = None
    return list(found)
