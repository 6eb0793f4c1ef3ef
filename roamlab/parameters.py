"""The types of parameters, with the range that each takes, and how their values are read from text.

A scenario or topology declares what it takes, ``gap: Seconds = 0.0``, and a value outside is refused before anything boots.
Any other range is said in place: ``moves: Annotated[int, msgspec.Meta(ge=1, le=100_000)]``,
``gap: Annotated[Seconds, Meta(le=14)]``.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from roamlab.errors import BadInput

Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=86_400)]
"""A wait or a length, in seconds."""
Cadence: TypeAlias = Annotated[float, Meta(ge=0.001, le=60)]
"""The time from one message to the next, in seconds."""
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0, le=60_000)]
"""A link's delay or jitter, in milliseconds."""
Percent: TypeAlias = Annotated[float, Meta(ge=0, le=100)]
"""A link's loss."""
Rate: TypeAlias = Annotated[float, Meta(ge=0.001, le=10_000)]
"""A link's rate, in Mbit/s; the kernel's shaper takes less than a kilobit for no limit."""
Lifetime: TypeAlias = Annotated[int, Meta(ge=1, le=65_535)]
"""A registration's lifetime, in seconds; 65535 is for ever (RFC 5944, 3.3 and 3.4)."""

_LEAST: Final = 0
_MOST: Final = 1e9
_LONGEST_FILE: Final = 1 << 20
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class TextFile:
    """Marks a ``str`` parameter that is set to a file's name and holds what stands in it, behind a line with the name.

    The file is read where the command is given, so that what was played is part of the plan. ``check`` raises ValueError for
    a content that can't be used.
    """

    check: Callable[[str], object]

    def read(self, parameter: str, name: str) -> str:
        """The value for a file's name. Raises BadInput for a file that cannot be read or used."""
        path = Path(name)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise BadInput(f"{parameter}={shorten(name)} is not a file")
            if status.st_size > _LONGEST_FILE:
                raise BadInput(
                    f"{parameter}={shorten(name)} has {status.st_size} bytes; it may have {_LONGEST_FILE}"
                )
            content = path.read_bytes().decode()
            self.check(content)
        except OSError as error:
            raise BadInput(f"{parameter}={shorten(name)} cannot be read: {error.strerror}") from None
        except ValueError as error:  # not UTF-8, a NUL in the name, or what the check says
            raise BadInput(f"{parameter}={shorten(name)} cannot be used: {error}") from None
        return f"# {' '.join(path.name.split())}\n{content}"


@dataclass(frozen=True, slots=True)
class NameOf:
    """Marks a ``str`` parameter that names something: ``find`` raises BadInput for a name that there is not."""

    find: Callable[[str], object]


def file_content(value: str) -> str:
    """What stood in the file that a ``TextFile`` parameter was set to."""
    return value.partition("\n")[2]


def shown(value: Any) -> Any:
    """A parameter's value as it is told: of a file its name, and the start of its content's SHA-256."""
    if isinstance(value, str) and value.startswith("# ") and "\n" in value:
        import hashlib  # which the inside, that tells nobody, would wait for

        content = file_content(value)
        return f"{value[2:].partition(chr(10))[0]}@{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    return value


def shorten(text: str, most: int = _SHOWN) -> str:
    """A text that somebody gave, short enough for a sentence."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def plain(annotation: Any) -> Any:
    """The type without its range: ``float | None`` for ``Rate | None``."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(plain(each) for each in get_args(annotation))]  # noqa: UP007 - of what is known at run time
    return annotation


def read(name: str, text: str, parameter: Parameter) -> Any:
    """The value that a text gives a parameter. Raises BadInput for one that is not of its type or out of its range."""
    for note in _notes(parameter.annotation):
        if isinstance(note, TextFile):
            return note.read(name, text)
        if isinstance(note, NameOf):
            note.find(text)
    kind = plain(parameter.annotation)
    try:
        value = msgspec.convert(text, kind, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise BadInput(
            f"{shorten(f'{name}={text}')} is not {_word(kind)}; write it like {name}={parameter.default}"
        ) from None
    check(name, value, parameter)
    return value


def check(name: str, value: Any, parameter: Parameter) -> None:
    """Raise BadInput for a number that is out of its parameter's range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or _is_choice(parameter.annotation):
        return
    low, high = bounds(parameter.annotation)
    if not (low <= value <= high and math.isfinite(value)):
        raise BadInput(f"{shorten(f'{name}={value}')} is out of range; it takes {low:,.10g} to {high:,.10g}")


def bounds(annotation: Any) -> tuple[float, float]:
    """The least and the most that a number of this type may be."""
    low: float = _LEAST
    high: float = _MOST
    for note in _notes(annotation):  # of a type that is narrowed, the narrower range stands last
        if isinstance(note, Meta):
            low = low if note.ge is None else note.ge
            high = high if note.le is None else note.le
    return low, high


def _notes(annotation: Any) -> tuple[object, ...]:
    """What stands beside a type in ``Annotated``, also where the type is one of several."""
    if get_origin(annotation) is Annotated:
        return tuple(get_args(annotation)[1:])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(note for each in get_args(annotation) for note in _notes(each))
    return ()


def _is_choice(annotation: Any) -> bool:
    return get_origin(plain(annotation)) is Literal


def _word(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_word(each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    return {float: "a number", int: "a whole number", bool: "true or false", type(None): "null"}.get(
        kind, "such a value"
    )
