"""Writes what a kernel unpacks into its memory at boot: a cpio archive (Documentation/driver-api/early-userspace)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_DIRECTORY, _FILE, _LINK = 0o040755, 0o100644, 0o120777


@dataclass(frozen=True, slots=True)
class CpioLink:
    """A symbolic link, by what it says."""

    target: str


Entry = bytes | CpioLink | None
"""A file's content, a link, or a directory."""


def archive(entries: Mapping[str, Entry], programs: frozenset[str] = frozenset()) -> bytes:
    """Give an archive of entries by absolute path, with the directories above them: the same bytes for the same entries.

    `programs` are the files that can be executed. Archives can be put one after the other.
    """
    whole: dict[str, Entry] = {}
    for path in sorted(entries):
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts)):
            whole.setdefault("/".join(parts[:depth]), None)
        whole["/".join(parts)] = entries[path]
    out = bytearray()
    for number, (name, entry) in enumerate(sorted(whole.items()), 1):
        if entry is None:
            _add(out, number, name, _DIRECTORY, b"")
        elif isinstance(entry, CpioLink):
            _add(out, number, name, _LINK, entry.target.encode())
        else:
            _add(out, number, name, _FILE | (0o111 if f"/{name}" in programs else 0), entry)
    _add(out, 0, "TRAILER!!!", 0, b"")
    return bytes(out)


def _add(out: bytearray, inode: int, name: str, mode: int, data: bytes) -> None:
    encoded = name.encode() + b"\0"
    # magic, inode, mode, uid, gid, links, mtime, size, device and rdevice (2 each), length of the name, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    out += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    out += bytes(-len(out) % 4)
    out += data
    out += bytes(-len(out) % 4)
