"""Who gets what is written: under sudo the user who called it, who otherwise could neither read nor remove it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def caller(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """The user and group that called sudo; None where nobody did, or where root did."""
    uid, gid = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if os.geteuid() != 0 or not (uid.isdecimal() and gid.isdecimal()) or uid == "0":
        return None
    return int(uid), int(gid)


def give(path: Path) -> None:
    """Give a file or directory that we have just made to the caller; its own links elsewhere stay whose they are."""
    if (who := caller()) is None:
        return
    with suppress(OSError):  # a file system without owners
        os.chown(path, *who, follow_symlinks=False)


def give_all(directory: Path) -> None:
    """Give what a run has left in its directory to the caller, when nobody writes there any more.

    A file with another name elsewhere is left alone: a guest that isn't confined could have given it this one.
    """
    if caller() is None:
        return
    for above, directories, files in os.walk(directory):
        for name in directories:
            give(Path(above, name))
        for name in files:
            path = Path(above, name)
            if stat.S_ISREG((status := path.lstat()).st_mode) and status.st_nlink == 1:
                give(path)


def make_directory(path: Path) -> None:
    """Make a directory, with those above it that are missing, for the caller. Raises OSError."""
    missing = [above for above in (path, *path.parents) if not above.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in missing:
        give(made)
