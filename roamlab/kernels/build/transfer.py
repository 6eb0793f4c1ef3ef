"""Lab kernels for machines that build none: one file, or a Python wheel, and back into the cache, checked by their hashes.

The file is a .tar.xz of the folder that the cache has (roamlab/kernels/build/store.py), with the licence and the patches that
went into the kernel. The wheel, `roamlab-kernel`, holds the same below `roamlab_kernel/`: where it is installed beside roamlab
its kernel is found without any further step. Both are byte for byte the same for the same kernel.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from roamlab.kernels.build import store
from roamlab.kernels.build.errors import BuildError
from roamlab.kernels.build.recipes import PATCHES, recipe
from roamlab.kernels.build.store import BINARY, CONFIG, METADATA, BuiltKernel, Metadata

PACKAGE: Final = "roamlab_kernel"
_TAG: Final = "py3-none-manylinux_2_34_x86_64"
_LICENCE: Final = Path("/usr/share/common-licenses/GPL-2")
_MOST: Final = {BINARY: 256 << 20, CONFIG: 1 << 20, METADATA: 1 << 20}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def export(kernel: BuiltKernel, target: Path) -> None:
    """Write a kernel to a new file. Raises BuildError where there is one of that name, or it can't be written."""
    with _fresh(target) as file, tarfile.open(fileobj=file, mode="w:xz") as archive:
        for name, content in sorted(_contents(kernel).items()):
            entry = tarfile.TarInfo(f"{kernel.directory.name}/{name}")
            entry.size, entry.mode = len(content), 0o755 if name == BINARY else 0o644
            archive.addfile(entry, io.BytesIO(content))


def wheel(kernel: BuiltKernel, folder: Path) -> Path:
    """Write a kernel as a wheel into a folder; gives its path. Raises BuildError as `export`."""
    version = kernel.metadata.version
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{PACKAGE}-{version}-{_TAG}.whl"
    info = f"{PACKAGE}-{version}.dist-info"
    files = {
        f"{PACKAGE}/{kernel.directory.name}/{name}": content for name, content in _contents(kernel).items()
    }
    files[f"{PACKAGE}/__init__.py"] = (
        b'"""A User-Mode Linux kernel for roamlab; see the folder beside this file."""\n'
    )
    files[f"{info}/METADATA"] = _described(kernel.metadata).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: roamlab\nRoot-Is-Purelib: false\nTag: {_TAG}\n".encode()
    )
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    with _fresh(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (0o100755 if name.endswith(f"/{BINARY}") else 0o100644) << 16
            archive.writestr(entry, content)
    return target


def take_in(source: Path) -> BuiltKernel:
    """Put the kernel of a file into the cache. Raises BuildError for a file that is none, or was changed on its way."""
    try:
        found = _read(source)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise BuildError(f"{source} holds no lab kernel: {error}") from error
    missing = [name for name in _MOST if name not in found]
    if missing:
        raise BuildError(f"{source} holds no lab kernel: it has no {' and no '.join(missing)}")
    try:
        metadata = msgspec.json.decode(found[METADATA], type=Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"{source} holds no lab kernel: its {METADATA} is damaged") from error
    if hashlib.sha256(found[BINARY]).hexdigest() != metadata.binary_sha256:
        raise BuildError(f"the kernel in {source} is not the one that was built: its hash differs")
    if not store.is_name(f"{metadata.name}-{metadata.key[:12]}"):
        raise BuildError(f"{source} holds no lab kernel: {metadata.name!r} is not the name of one")
    root = store.kernels_dir()
    with store.locked(root, lambda: None), store.workplace(root) as work:
        made = work / "made"
        made.mkdir()
        for name in (BINARY, CONFIG):
            (made / name).write_bytes(found[name])
        (made / BINARY).chmod(0o755)
        return store.take(root, made, metadata)


def _contents(kernel: BuiltKernel) -> dict[str, bytes]:
    """What belongs to a kernel, by name: binary, configuration, metadata, licence, patches."""
    if not kernel.intact:
        raise BuildError(
            f"the lab kernel {kernel.name} in the cache is damaged; build it again with `./lab kernel`"
        )
    files = {name: (kernel.directory / name).read_bytes() for name in (BINARY, CONFIG)}
    # How long a build took is that machine's own: what two machines build of the same is the same file.
    files[METADATA] = replace(kernel.metadata, build_s=0.0).encoded
    if _LICENCE.is_file():
        files["COPYING"] = _LICENCE.read_bytes()
    metadata = kernel.metadata
    if recipe(metadata.version, metadata.variant).digest == metadata.recipe:
        patches = recipe(metadata.version, metadata.variant).patches
        files |= {f"patches/{patch.relative_to(PATCHES)}": patch.read_bytes() for patch in patches}
    return files


def _read(source: Path) -> dict[str, bytes]:
    """The three files that make a kernel, out of a tar or a wheel; nothing else in it is looked at."""
    found: dict[str, bytes] = {}
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for item in archive.infolist():
                name = item.filename.rpartition("/")[2]
                if name in _MOST and item.file_size <= _MOST[name] and name not in found:
                    found[name] = archive.read(item)
        return found
    with tarfile.open(source, mode="r:*") as pack:
        for member in pack:
            name = member.name.rpartition("/")[2]
            if name in _MOST and member.isfile() and member.size <= _MOST[name] and name not in found:
                content = pack.extractfile(member)
                found[name] = content.read() if content else b""
    return found


def _described(metadata: Metadata) -> str:
    lines = [
        "Metadata-Version: 2.4",
        "Name: roamlab-kernel",
        f"Version: {metadata.version}",
        "Summary: The User-Mode Linux kernel in which roamlab keeps virtual time",
        "License-Expression: GPL-2.0-only",
        "Requires-Python: >=3.11",
        "",
        f"Linux {metadata.name} for ARCH=um, built from {metadata.source} (sha256 {metadata.source_sha256})",
        f"with the patches {', '.join(metadata.patches)} and the configuration beside it, by {metadata.compiler}.",
        "The same source, patches, configuration and compiler give the same binary, bit for bit:",
        f"sha256 {metadata.binary_sha256}.",
        "",
    ]
    return "\n".join(lines)


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _fresh(target: Path) -> io.BufferedWriter:
    """A new file; one that is there is nobody's to overwrite."""
    try:
        return target.open("xb")
    except FileExistsError:
        raise BuildError(f"{target} already exists; move it away or name another file") from None
    except OSError as error:
        raise BuildError(f"{target} cannot be written: {error.strerror}") from error
