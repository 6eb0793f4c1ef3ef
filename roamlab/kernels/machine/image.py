"""What a distribution's kernel image holds: its release, and the kernel inside the self-extracting file."""

from __future__ import annotations

import lzma
import re
import struct
import subprocess
import zlib
from pathlib import Path

from roamlab.kernels.job import NotAKernel

_ELF = b"\x7fELF"
_XEN_PHYS32_ENTRY = 18  # the ELF note by which a kernel says where it is entered without a boot loader (PVH)
_ZSTD_S = 120.0


def is_one(path: Path) -> bool:
    """Whether a file is an x86 kernel image; false for one that can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(0x206)[0x202:] == b"HdrS"
    except OSError:
        return False


def release(vmlinuz: bytes) -> str:
    """Read the release of a bzImage, as uname gives it (Documentation/arch/x86/boot.rst). Raises NotAKernel."""
    if vmlinuz[0x202:0x206] != b"HdrS":
        raise NotAKernel("it is not an x86 kernel image: it lacks the boot header")
    (offset,) = struct.unpack_from("<H", vmlinuz, 0x20E)
    text = vmlinuz[0x200 + offset : 0x200 + offset + 256].split(b"\0")[0].decode("ascii", "replace")
    found = re.match(r"\d+\.\d+[\w.+~-]*", text)
    if not found:
        raise NotAKernel("its boot header names no kernel release")
    return found[0]


def kernel(vmlinuz: bytes) -> bytes:
    """Give what QEMU is to boot of a bzImage: the kernel inside it, or the whole where that can't be entered directly.

    Unpacking it here saves the guest a few seconds.
    """
    setup = vmlinuz[0x1F1] or 4
    offset, length = struct.unpack_from("<II", vmlinuz, 0x248)
    start = (setup + 1) * 512 + offset
    inside = _decompress(vmlinuz[start : start + length])
    return inside if inside.startswith(_ELF) and _entered_directly(inside) else vmlinuz


def _decompress(payload: bytes) -> bytes:
    """Decompress a kernel's payload; nothing for what we can't."""
    try:
        if payload.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
            return lzma.LZMADecompressor().decompress(payload)
        if payload.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(payload)
        if payload.startswith(b"\x28\xb5\x2f\xfd"):
            return zstd(payload)
    except (lzma.LZMAError, zlib.error):
        pass
    return b""


def zstd(data: bytes) -> bytes:
    """Decompress zstd with the machine's program; nothing where there is none. What follows a frame is not looked at."""
    try:
        done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, timeout=_ZSTD_S)
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout


def _entered_directly(elf: bytes) -> bool:
    """Whether an ELF kernel has the note that QEMU's -kernel needs of one."""
    (headers,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for number in range(count):
        kind, _flags, offset, _at, _phys, length = struct.unpack_from("<IIQQQQ", elf, headers + number * size)
        if kind == 4 and _XEN_PHYS32_ENTRY in _notes(elf[offset : offset + length]):
            return True
    return False


def _notes(data: bytes) -> set[int]:
    """List the types of Xen's notes in a segment of notes."""
    found, at = set(), 0
    while at + 12 <= len(data):
        name, length, kind = struct.unpack_from("<III", data, at)
        if data[at + 12 : at + 12 + name] == b"Xen\0":
            found.add(kind)
        at += 12 + -(-name // 4) * 4 + -(-length // 4) * 4
    return found
