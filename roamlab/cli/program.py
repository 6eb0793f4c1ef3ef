"""`./lab`: invoke's program with roamlab's tasks, one a line, whose complaints are one sentence and a documented status."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from invoke import Exit, Program
from invoke.exceptions import ParseError
from invoke.parser import Argument, Parser

import roamlab
from roamlab.cli.collection import TASKS
from roamlab.cli.words import prepare, unknown_task, usage
from roamlab.errors import BadInput, LabError
from roamlab.where import COMMAND

_OF_COMMANDS: Final = frozenset(
    {"echo", "dry", "hide", "pty", "warn-only", "command-timeout", "config", "prompt-for-sudo-password"}
)
"""invoke's options for shell commands that tasks run through it: none here does."""


def main(words: Sequence[str]) -> None:
    """Run the task that the words name; ends the process with its exit status."""
    try:
        try:
            Lab(namespace=TASKS).run([f"{COMMAND}", *words])
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough
        _forget_output()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _forget_output()
        sys.stderr.write(
            f"lab: {os.strerror(error.errno).lower()} where the output goes; free some or write it elsewhere\n"
        )
        sys.exit(LabError.status)


def _forget_output() -> None:
    """Leave nothing to be flushed when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Words(Parser):
    behind: Sequence[str] = ()
    """The words behind ``--``, which invoke would take for its own."""

    def parse_argv(self, argv: list[str]) -> object:
        return super().parse_argv(
            prepare([*argv, "--", *self.behind] if self.behind else argv, self.contexts)
        )


class Lab(Program):
    """The program; what differs from invoke's own is what it understands and says."""

    argv: list[str]
    behind: list[str] = []  # noqa: RUF012 - replaced, never changed

    def core_args(self) -> list[Argument]:
        """The options that may stand before the task."""
        return [argument for argument in super().core_args() if argument.name not in _OF_COMMANDS]

    def update_config(self, merge: bool = True) -> None:
        """Nothing: no option before the task changes how tasks run."""

    def print_version(self) -> None:
        """Say the version that the project has."""
        print(f"roamlab {roamlab.__version__}")

    def normalize_argv(self, argv: list[str]) -> None:
        """Ask for a task's help wherever in its line ``--help`` stands."""
        super().normalize_argv(argv)
        if "--" in self.argv:
            place = self.argv.index("--")
            self.behind, self.argv = self.argv[place + 1 :], self.argv[:place]
        words = self.argv[1:]
        if {"-h", "--help"} & set(words):
            named = [word for word in words if not word.startswith("-")][:1]
            for name in named:
                if name not in self.namespace:
                    raise _bad_input(unknown_task(name, self.namespace.task_names))
            self.argv = [self.argv[0], "--help", *named]

    def parse_core_args(self) -> None:
        """Read what stands before the task."""
        with _sentences():
            super().parse_core_args()

    def parse_tasks(self) -> None:
        """Read the task and its words."""
        with _sentences():
            super().parse_tasks()

    def _make_parser(self) -> Parser:
        parser = _Words(initial=self.initial_context, contexts=self.collection.to_contexts())
        parser.behind = self.behind
        return parser

    def task_list_opener(self, **_: str) -> str:
        """What stands above the list of tasks."""
        return "Tasks"

    def print_help(self) -> None:
        """Say how a line is made, and which tasks there are."""
        print(f"Usage: {COMMAND} TASK [words and --options]; `{COMMAND} TASK --help` explains a task\n")
        self.list_tasks()

    def print_task_help(self, name: str) -> None:
        """Say what a task does, with its words first and then its options in the order of their weight."""
        task = self.parser.contexts[name]
        arguments = list(task.args.values())
        print(f"Usage: {usage(task)}\n")
        print(f"  {self.collection[name].__doc__}\n")
        if arguments:
            self.print_columns([(_option(argument), argument.help) for argument in arguments])


def _option(argument: Argument) -> str:
    name = argument.names[0]
    if argument.positional:
        return str(name).upper()
    if argument.kind is bool:
        return f"--[no-]{name}" if argument.default is True else f"--{name}"
    value = "=NUMBER" if argument.kind is int else "=TEXT"
    return f"--{name}[{value}]" if argument.optional else f"--{name}{value}"


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except ParseError as error:
        raise _bad_input(str(error)) from None
    except ValueError:  # of the only one left that is a number
        raise _bad_input("--list-depth needs a whole number") from None


def _bad_input(sentence: str) -> Exit:
    return Exit(f"lab: {sentence}", code=BadInput.status)
