"""docs/events.md, made from the classes of events: `python -m roamlab.record.reference docs/events.md`.

Each class says in its docstring when it is emitted, and each field in the string below it what it holds.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from roamlab.record import (
    attack_events,
    conditions,
    event,
    events,
    mobile_ip_events,
    mptcp_events,
    ours,
    program_events,
    quic_events,
    stimuli,
)
from roamlab.record.event import Event, kind_of

_SECTIONS: Final[tuple[tuple[str, ModuleType], ...]] = (
    ("Runs, sessions, NICs, requests, radio", events),
    ("Mobile IP", mobile_ip_events),
    ("MPTCP", mptcp_events),
    ("QUIC", quic_events),
    ("Attacks and made packets", attack_events),
    ("Programs", program_events),
    ("Stimuli", stimuli),
    ("Conditions", conditions),
)
_WIDTH: Final = 120
_HEAD: Final = """# Events

<!-- made by `python -m roamlab.record.reference docs/events.md` from roamlab/record; a test checks that it is up to date -->

`events.jsonl` has one JSON object a line, an event each. Every event has

* `kind`: which of those below it is;
* `t`: ns since the run's start;
* `node`: the node that it happened at, `lab` for what the lab itself does.

The lines stand as they were reported. What nobody waits for, such as single messages, is reported up to 250 ms after it
happened; a reader sorts by `t`. A member that has the value given as its default is left out. A *stimulus* is an event as well:
what the scenario did, with what the capture must show of it.
"""


@cache
def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for title, module in _SECTIONS:
        parts.append(f"\n## {title}\n")
        for kind in _defined(module):
            parts.append(f"\n### `{kind_of(kind)}`\n\n{_said(kind)}\n")
            parts += [f"\n{line}" if n == 0 else line for n, line in enumerate(_fields(kind))]
    return "\n".join(map(_wrapped, "".join(parts).replace("``", "`").split("\n")))


def _wrapped(line: str) -> str:
    if len(line) <= _WIDTH or line.startswith(("<", "#")):
        return line
    return textwrap.fill(
        line, _WIDTH, subsequent_indent="  " if line.startswith("* ") else "", break_long_words=False
    )


def _defined(module: ModuleType) -> Iterator[type[Event]]:
    """The classes of events that a module defines and that objects are made of, in its order."""
    for value in vars(module).values():
        own = isinstance(value, type) and issubclass(value, Event) and value.__module__ == module.__name__
        if own and not value.__subclasses__():
            yield value


def _said(kind: type[msgspec.Struct]) -> str:
    """The docstrings of a class and of those above it, the most special first."""
    found = [inspect.cleandoc(kind.__doc__ or "")]
    for base in kind.__mro__[1:]:
        if base in (Event, stimuli.Stimulus) or not issubclass(base, Event):
            break
        found.append(inspect.cleandoc(base.__doc__ or ""))
    return "\n\n".join(found)


def _fields(kind: type[Event]) -> Iterator[str]:
    """A line for each field that is the class's own, or of a class between it and `Event`."""
    notes: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__ != event.__name__ and base.__module__.startswith("roamlab."):
            notes |= _notes(base)
    for field in msgspec.structs.fields(kind):
        if field.name in ("t", "node"):
            continue
        default = ""
        if field.default is not msgspec.NODEFAULT:
            default = f" (default {msgspec.json.encode(field.default).decode()})"
        note = f": {notes[field.name]}" if notes.get(field.name) else ""
        yield f"* `{field.name}`{default}{note}\n"


def _notes(kind: type) -> dict[str, str]:
    """What stands below each field of a class."""
    (definition,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


if __name__ == "__main__":
    ours.replace(Path(sys.argv[1]), page().encode())
