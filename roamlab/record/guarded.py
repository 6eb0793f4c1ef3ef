"""The one way to read what a guest wrote, and to write beside it.

A guest does what it likes in its run directory: links to the user's other files, FIFOs that nobody ever writes to, files of
any size, any bytes. So nothing here follows a link or waits for a file, only regular files up to a limit are read, and what
is written gets a name of its own first, which the guest cannot have made before. All names are looked up in a directory that
is held open meanwhile.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from roamlab.errors import BadInput

FILE_LIMIT: Final = 1 << 30
"""Bytes that a file of a run may have; the guest cannot make a larger one (roamlab.kernels.limits)."""
TEXT_LIMIT: Final = 256 << 20
"""Bytes that a file of JSON or text may have to be read."""
_CHUNK: Final = 1 << 20
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""One line of text with what a terminal would obey, or turn round, in place of it: ``\\x1b`` instead of an escape."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def read(directory: Path, name: str, limit: int = TEXT_LIMIT) -> bytes:
    """The content of a file of a run. Raises FileNotFoundError, or BadInput with one sentence for all else."""
    with _opened(directory, name, limit) as file:
        return file.read(limit)


def read_from(directory: Path, name: str, offset: int, limit: int = TEXT_LIMIT) -> bytes:
    """What a file of a run has from an offset on, at most ``limit`` bytes of it; raises as ``read``."""
    with _opened(directory, name, None) as file:
        file.seek(offset)
        return file.read(limit)


def read_end(directory: Path, name: str, length: int) -> bytes:
    """The last bytes of a file of a run, at most ``length``; raises as ``read``."""
    with _opened(directory, name, None) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - length))
        return file.read(length)


def read_any(path: Path, limit: int = FILE_LIMIT) -> bytes:
    """The content of a file that the user named: links are the user's own here, the rest is as for ``read``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise BadInput("cannot read a file whose name has a NUL in it") from None
    with _checked(fd, str(path), limit) as file:
        return file.read(limit)


def digest(directory: Path, name: str) -> str:
    """The SHA-256 of a file of a run, in hexadecimal; raises as ``read``."""
    import hashlib  # which guests, who hash no files, would wait for

    with _opened(directory, name, FILE_LIMIT) as file:
        found = hashlib.sha256()
        while data := file.read(_CHUNK):
            found.update(data)
        return found.hexdigest()


def exists(directory: Path, name: str) -> bool:
    """Whether a run has a regular file of that name."""
    try:
        return stat.S_ISREG(os.lstat(directory / name).st_mode)
    except (OSError, ValueError):
        return False


def write(directory: Path, name: str, content: bytes) -> None:
    """Write a file whole: under a name of its own first, then renamed; a link of that name is replaced, not followed.

    Raises OSError, with nothing left behind.
    """
    with _held(directory) as held:
        temporary, fd = _fresh(held, name)
        try:
            with open(fd, "wb") as file:  # noqa: PTH123
                file.write(content)
            os.rename(temporary, name, src_dir_fd=held, dst_dir_fd=held)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=held)
            raise


def remove(directory: Path, name: str) -> None:
    """Remove a file that was written there, or what a guest has put in its place; nothing where there is none."""
    with _held(directory) as held, suppress(OSError):
        os.unlink(name, dir_fd=held)


@contextmanager
def recorded(directory: Path, name: str) -> Iterator[BinaryIO]:
    """A new, unbuffered file in place of whatever has that name, to be written while a run goes on. Raises OSError."""
    with _held(directory) as held:
        temporary, fd = _fresh(held, name)
        with open(fd, "wb", buffering=0) as file:  # noqa: PTH123
            os.rename(temporary, name, src_dir_fd=held, dst_dir_fd=held)
            yield file


@contextmanager
def _held(directory: Path) -> Iterator[int]:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _fresh(held: int, name: str) -> tuple[str, int]:
    """Make a file beside ``name`` that is surely new; its name and a descriptor to write it."""
    if "/" in name:
        raise ValueError(f"{name!r} is not the name of a file in a run directory")
    temporary = f".{name}.{os.urandom(8).hex()}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return temporary, os.open(temporary, flags, 0o644, dir_fd=held)


@contextmanager
def _opened(directory: Path, name: str, limit: int | None) -> Iterator[BinaryIO]:
    """A regular file of a run, opened without following a link or waiting for a FIFO's other end."""
    if "/" in name:
        raise ValueError(f"{name!r} is not the name of a file in a run directory")
    with _held(directory) as held:
        try:
            fd = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=held
            )
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise BadInput(
                    f"{directory / name} is a symbolic link, which no run creates; it is not read"
                ) from None
            raise BadInput(f"cannot read {directory / name}: {error.strerror}") from None
    with _checked(fd, str(directory / name), limit) as file:
        yield file


@contextmanager
def _checked(fd: int, name: str, limit: int | None) -> Iterator[BinaryIO]:
    """The file of a descriptor, where it is a regular one that is not too large."""
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{name} is not a regular file; it is not read")
        if limit is not None and status.st_size > limit:
            raise BadInput(f"{name} is too large to be read ({status.st_size} bytes, at most {limit})")
    except BaseException:
        os.close(fd)
        raise
    with open(fd, "rb") as file:
        yield file
