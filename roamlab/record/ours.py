"""The one place from which roamlab removes or replaces anything on a person's disk: only what carries roamlab's own mark.

A directory that may be removed later is marked when it is made: ``.roamlab.json`` in it names the maker (one sweep, one proof)
and the directory itself, so that neither a copy under another name nor another sweep's run is ever taken for it. A file that is
replaced must hold the sign that everything of its kind from roamlab has.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import BadInput, LabError

MARK: Final = ".roamlab.json"
_UNDER_WAY: Final = re.compile(r"\..+\.new")
_MOST: Final = 4096  # bytes of a mark
_HEAD: Final = 1 << 16  # bytes of a file in which its sign stands


class Mark(msgspec.Struct, frozen=True):
    """What ``.roamlab.json`` says: who made the directory, and under which name.

    maker  the random name of one sweep or one proof
    name   the directory's own name, as it was when it was made
    """

    maker: str
    name: str


def new_maker() -> str:
    """A name for one sweep or proof that no other has."""
    return secrets.token_hex(16)


def mark(directory: Path, maker: str) -> None:
    """Say that ``maker`` made this directory. Raises LabError where that can't be written."""
    content = msgspec.json.encode(Mark(maker, directory.name)) + b"\n"
    try:
        fd = os.open(
            directory / MARK, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise write_error(error, directory) from None


def maker_of(directory: Path) -> str | None:
    """Who marked this directory, under the name that it has now; None for one that nobody marked."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = _mark_in(fd)
        finally:
            os.close(fd)
        if found.name == directory.name:
            return found.maker
    return None


def remove(directory: Path, maker: str, files: re.Pattern[str], folders: Collection[str] = ()) -> bool:
    """Remove a directory that ``maker`` marked and that holds nothing but ``files``, ``folders`` and what was being written.

    Returns whether it is gone: one that is not marked so, is a link, or holds anything else stays as it is. The mark goes
    last, so that a removal that is interrupted can be taken up again.
    """
    if maker_of(directory) != maker:
        return False
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            names = os.listdir(fd)  # noqa: PTH208 - the directory that was opened, whatever its name leads to by now
            for name in names:
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                plain = stat.S_ISREG(mode) and (
                    files.fullmatch(name) or name == MARK or _UNDER_WAY.fullmatch(name)
                )
                if not plain and not (stat.S_ISDIR(mode) and name in folders):
                    return False
            for name in names:
                if name in folders:
                    shutil.rmtree(name, dir_fd=fd)
                elif name != MARK:
                    os.unlink(name, dir_fd=fd)
            os.unlink(MARK, dir_fd=fd)
        finally:
            os.close(fd)
        directory.rmdir()
        return True
    return False


def save(target: Path, content: str | bytes, sign: str) -> None:
    """Write a file whole, beside its name first and then renamed; one that is there is replaced only if it has the ``sign``.

    Where the name is a link the file that it leads to is meant; a device, a FIFO or a terminal is written to. Raises BadInput
    for a file that roamlab did not make and for a directory, LabError where nothing can be written.
    """
    encoded = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if sign.encode() not in encoded[:_HEAD]:
        raise ValueError(f"what is written to {target} lacks its own sign, {sign!r}")
    try:
        if _is_special(target, sign):
            with target.open("wb") as device:
                device.write(encoded)
        else:
            replace(target.resolve(), encoded)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise write_error(error, target.parent) from None


def replace(target: Path, content: bytes, *, safe: bool = False) -> None:
    """Write a file of ours whole: under a name that nobody knows, then renamed. ``safe`` waits for the disk. Raises OSError."""
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            if safe:
                file.flush()
                os.fsync(file.fileno())
        temporary.rename(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_error(error: Exception, path: Path) -> LabError:
    """The sentence for an error in writing below ``path``."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LabError(f"no space left under {path}; free some or choose another directory")
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return LabError(f"cannot write in {path}: {why}")


def _is_special(target: Path, sign: str) -> bool:
    """Whether the name is a device's or a pipe's. Raises BadInput for a file that is there and not ours."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise BadInput(f"{target} is a directory; name a file in it")
    if not stat.S_ISREG(mode):
        return True
    with target.open("rb") as file:
        head = file.read(_HEAD)
    if head and sign.encode() not in head:
        raise BadInput(
            f"{target} already exists and was not made by roamlab; move it away or choose another name"
        )
    return False


def _mark_in(directory: int) -> Mark:
    fd = os.open(MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        return msgspec.json.decode(file.read(_MOST), type=Mark)
