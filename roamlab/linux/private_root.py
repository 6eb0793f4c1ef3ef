"""A private view of this machine's files: everything can be written, and what was written vanishes with the guest.

The machine's own root lies below, read-only; what a program writes goes to a tmpfs above it (overlayfs). What a small machine
keeps for itself (/tmp, /run and so on) begins empty.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from roamlab.linux.libc import check, libc

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 0x1000, 0x4000, 0x40000
CLONE_NEWNS: Final = 0x20000
_MNT_DETACH: Final = 2
_PIVOT_ROOT: Final = 155  # x86_64; the C library has no function for it
_EMPTY: Final = {"tmp": 0o1777, "run": 0o755, "var/tmp": 0o1777, "dev/shm": 0o1777}
_BOUND: Final = ("proc", "dev")
_OVERLAY_NAME: Final = "overlay"


def mount(source: str, target: str | Path, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system (mount(2)). Raises OSError, which names what and where."""
    check(
        libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, os.fsencode(data)),
        f"mount {kind or source} on {target}",
    )


def make(
    place: Path,
    files: Mapping[str, str],
    *,
    own: Sequence[Path] = (),
    written: Sequence[Path] = (),
    named: Mapping[Path, Path] | None = None,
) -> Path:
    """Make a root below ``place``, an empty directory on a tmpfs; gives the root's path.

    ``files`` are what stands in files of this root, by path. ``own`` are directories that a tmpfs may hide there, and that are
    to be seen as they are now, with an overlay of their own; ``written`` are seen as they are and really written; so
    are those of ``named``, each by another path.

    Raises OSError where the kernel can't do this: it needs overlayfs over a tmpfs.
    """
    root = _overlay(place / "machine", Path("/"))
    for name in _BOUND:
        mount(f"/{name}", root / name, "", MS_BIND | MS_REC)
    for name, mode in _EMPTY.items():
        if (root / name).is_dir():
            mount("tmpfs", root / name, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode:o}")
    (root / "run/lock").mkdir(mode=0o1777, exist_ok=True)
    _empty_if_closed(root / "root")
    _empty_logs(root / "var/log")
    for number, path in enumerate(own):
        if hidden(path):
            _bind(str(_overlay(place / f"own{number}", path)), root, path)
    for path in written:
        _bind(str(path), root, path)
    for path, source in (named or {}).items():
        _bind(str(source), root, path)
    for name, text in files.items():
        target = root / name.lstrip("/")
        target.unlink(missing_ok=True)  # often a link to somewhere else
        target.write_text(text)
    return root


def enter(root: Path) -> None:
    """Make a root that :func:`make` gave this process's own, in a mount namespace of its own. Fit for the child of a fork.

    /sys shows the network namespace that the process stands in.
    """
    check(libc.unshare(CLONE_NEWNS), "unshare a mount namespace")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("sysfs", root / "sys", "sysfs")
    mount("cgroup2", root / "sys/fs/cgroup", "cgroup2")
    os.chdir(root)
    check(libc.syscall(_PIVOT_ROOT, b".", b"."), "pivot_root")
    check(libc.umount2(b".", _MNT_DETACH), "unmount the old root")
    os.chdir("/")


def _overlay(place: Path, lower: Path) -> Path:
    """An overlay of a directory, made below ``place``; gives where it is."""
    upper, work, merged = (place / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        directory.mkdir(parents=True)
    try:
        upper.chmod(lower.stat().st_mode & 0o7777)
    except OSError:
        upper.chmod(0o755)
    mount(_OVERLAY_NAME, merged, _OVERLAY_NAME, 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    return merged


def hidden(path: Path) -> bool:
    """Whether a path lies where a root of this kind begins empty."""
    return any(path.is_relative_to(f"/{name}") for name in _EMPTY)


def _bind(source: str, root: Path, path: Path) -> None:
    target = root / path.relative_to("/")
    target.mkdir(parents=True, exist_ok=True)
    mount(source, target, "", MS_BIND | MS_REC)


def _empty_logs(directory: Path) -> None:
    """Begin with the directories of /var/log and no file in them: programs that keep logs there look for their own one.

    The machine's own could not be read by every caller of roamlab, and an overlay reads what it is to write.
    """
    try:
        found = [(entry.name, entry.stat()) for entry in os.scandir(directory) if entry.is_dir()]
    except OSError:
        found = []
    mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name, status in found:
        (directory / name).mkdir()
        os.chown(directory / name, status.st_uid, status.st_gid)
        (directory / name).chmod(status.st_mode & 0o7777)


def _empty_if_closed(directory: Path) -> None:
    """Put an empty directory over one that this user's root may not look into: a guest has its caller's rights on files."""
    try:
        list(directory.iterdir())
    except OSError:
        mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=700")
