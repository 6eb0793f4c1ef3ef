"""Rewrite a command line into the form that invoke reads without guessing: ``TASK --option=value ...``.

invoke takes an unexpected word for the name of the next task. Here a line names one task, options and plain words come in
any order, and every mistake is reported in one sentence that names the fix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from invoke.exceptions import ParseError
from invoke.parser import Argument, ParserContext

from roamlab.parameters import shorten
from roamlab.where import COMMAND


def prepare(words: Sequence[str], tasks: Mapping[str, ParserContext]) -> list[str]:
    """The same line with every plain word under its option's name. Raises ParseError for one that fits no task or option."""
    if not words:
        return []
    name, *rest = words
    if name not in tasks:
        raise ParseError(unknown_task(name, tasks))
    return _Line(tasks[name]).read(rest)


def unknown_task(name: str, tasks: Iterable[str]) -> str:
    """The sentence about a task, or an option in its place, that does not exist."""
    if name.startswith("-"):
        return f"{name} cannot stand before a task; write {COMMAND} TASK {name}, `{COMMAND} --list` shows all tasks"
    return f"there is no task {shorten(name)!r}{_nearest(name, tasks)}; `{COMMAND} --list` shows all"


_SHIELD = "\0"


def shield(word: str) -> str:
    """A word behind ``--``, so that invoke takes it for no option of ours where it looks like one."""
    return f"{_SHIELD}{word}" if word.startswith("-") else word


def unshielded(value: object) -> object:
    """An argument's value without what `shield` put before its words."""
    if isinstance(value, list):
        return [unshielded(word) for word in value]
    return value.removeprefix(_SHIELD) if isinstance(value, str) else value


def usage(task: ParserContext) -> str:
    """How the task's line looks: its name, its plain words, and whether it has options."""
    places = [f"[{a.name.upper()}...]" if a.kind is list else a.name.upper() for a in task.positional_args]
    options = ["[--options]"] if len(task.args) > len(places) else []
    return " ".join([f"{COMMAND} {task.name}", *places, *options])


class _Line:
    def __init__(self, task: ParserContext) -> None:
        self._task = task
        self._places: list[Argument] = list(task.positional_args)
        self._seen: set[str] = set()
        self._read: list[str] = [task.name]

    def read(self, words: Sequence[str]) -> list[str]:
        plain: list[str] = []
        left = deque(words)
        while left:
            word = left.popleft()
            if word == "--":
                plain += left
                break
            if word.startswith("-"):
                self._option(word, left)
            else:
                plain.append(word)
        for word in plain:
            self._plain(word)
        missing = [place.name.upper() for place in self._places if place.kind is not list]
        if missing:
            raise self._wrong(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; write {usage(self._task)}"
            )
        return self._read

    def _option(self, word: str, left: deque[str]) -> None:
        flag, equals, value = word.partition("=")
        if flag in self._task.inverse_flags:
            argument = self._task.flags[self._task.inverse_flags[flag]]
        elif flag in self._task.flags:
            argument = self._task.flags[flag]
        else:
            options = [name for name in self._task.flag_names() if name.startswith("--")]
            raise self._wrong(f"{self._task.name} has no option {shorten(flag)!r}{_nearest(flag, options)}")
        if argument.kind is bool:
            if equals:
                raise self._wrong(f"{flag} takes no value")
            self._note(argument, flag)
        elif equals:
            self._give(argument, value)
        elif left and not (left[0] in self._task.flags or (argument.optional and left[0].startswith("-"))):
            self._give(argument, left.popleft())
        elif argument.optional:
            self._note(argument, flag)
        else:
            raise self._wrong(f"{flag} needs a value; `{COMMAND} {self._task.name} --help` says which")

    def _plain(self, word: str) -> None:
        if not self._places:
            raise self._wrong(f"{shorten(word)!r} is one word too many; write {usage(self._task)}")
        self._give(self._places[0], word)

    def _give(self, argument: Argument, value: str) -> None:
        if argument.kind is int:
            try:
                int(value)
            except ValueError:
                raise self._wrong(f"--{argument.names[0]} {shorten(value)} is not a whole number") from None
        self._note(argument, f"--{argument.names[0]}={value}")

    def _note(self, argument: Argument, word: str) -> None:
        if argument.kind is not list:
            if argument.name in self._seen:
                raise self._wrong(f"--{argument.names[0]} is given twice; it can have one value")
            self._seen.add(argument.name)
            self._places = [place for place in self._places if place is not argument]
        self._read.append(word)

    def _wrong(self, sentence: str) -> ParseError:
        return ParseError(sentence, self._task)


def _nearest(name: str, known: Iterable[str]) -> str:
    from roamlab.registry import nearest  # costs more than all of this module; only a wrong line needs it

    return nearest(name, dict.fromkeys(known))
