"""`./lab`: invoke's program with roamlab's tasks, one a line, whose complaints are one sentence and a documented status."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from invoke import Config, Exit, Program
from invoke.exceptions import ParseError
from invoke.parser import Argument, Parser

import roamlab
from roamlab.cli.collection import TASKS
from roamlab.cli.words import prepare, shield, unknown_task, usage
from roamlab.errors import CRASHED, BadInput, LabError
from roamlab.parameters import shorten
from roamlab.record.guarded import printable
from roamlab.where import COMMAND

_OF_NAMES: Final = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.EROFS,
    }
)
"""What is wrong with a name that was given."""
_OF_COMMANDS: Final = frozenset(
    {"echo", "dry", "hide", "pty", "warn-only", "command-timeout", "config", "prompt-for-sudo-password"}
)
"""invoke's options for shell commands that tasks run through it: none here does."""


def main(words: Sequence[str]) -> None:
    """Run the task that the words name; ends the process with its exit status.

    Nothing gets past it: what a person can act on is a sentence with its documented status, and a defect of roamlab's own one
    with a status that no verdict has; ``ROAMLAB_TRACEBACK=1`` shows where it is.
    """
    try:
        _prepare_streams()
        try:
            Tasks(namespace=TASKS, config_class=_NoFiles).run([COMMAND, *words])
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # stdout was closed early
        _forget_output()
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        _end("interrupted; files written so far are complete", 130)
    except Exception as error:
        if os.environ.get("ROAMLAB_TRACEBACK"):
            traceback.print_exc()
        _end(*last_words(error))


def last_words(error: Exception) -> tuple[str, int]:
    """The sentence and exit status for an error that no task handled."""
    if isinstance(error, LabError):
        return str(error), error.status
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{os.strerror(error.errno).lower()} in the output directory; free some space or write elsewhere",
            LabError.status,
        )
    if isinstance(error, OSError) and error.errno is not None:
        where = f": {shorten(os.fsdecode(error.filename))}" if isinstance(error.filename, str | bytes) else ""
        given = error.errno in _OF_NAMES and where
        return f"{os.strerror(error.errno).lower()}{where}", BadInput.status if given else LabError.status
    if isinstance(error, MemoryError):
        return "there is not enough memory", LabError.status
    what = shorten(" ".join(f"{type(error).__name__}: {error}".split()), 200)
    return (
        f"a bug in roamlab ({what}); please report it with the output of ROAMLAB_TRACEBACK=1",
        CRASHED,
    )


def _end(sentence: str, status: int) -> NoReturn:
    """Print the sentence on standard error if that is possible, and exit."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.write(f"lab: {printable(sentence)}\n")
        sys.stderr.flush()
    _forget_output()
    sys.exit(status)


def _prepare_streams() -> None:
    """Open closed standard streams on /dev/null, and escape characters that their encoding lacks."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for as long as we live
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Redirect stdout to /dev/null, so that nothing is flushed to it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _NoFiles(Config):
    """invoke's configuration without files from the home directory and /etc."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **{**options, "lazy": True})


class _Words(Parser):
    behind: Sequence[str] = ()
    """The words after ``--``, which invoke would parse itself."""

    def parse_argv(self, argv: list[str]) -> object:
        return super().parse_argv(
            prepare([*argv, "--", *map(shield, self.behind)] if self.behind else argv, self.contexts)
        )


class Tasks(Program):
    """The command-line program: invoke's, with other parsing and messages."""

    argv: list[str]
    behind: list[str] = []  # noqa: RUF012 - replaced, never changed

    def core_args(self) -> list[Argument]:
        """The options that may stand before the task."""
        return [argument for argument in super().core_args() if argument.name not in _OF_COMMANDS]

    def update_config(self, merge: bool = True) -> None:
        """Do nothing: no option before the task changes how tasks run."""

    def print_version(self) -> None:
        """Print roamlab's version."""
        print(f"roamlab {roamlab.__version__}")

    def normalize_argv(self, argv: list[str]) -> None:
        """Accept ``--help`` anywhere on a task's line."""
        super().normalize_argv(argv)
        if "--" in self.argv:
            place = self.argv.index("--")
            self.behind, self.argv = self.argv[place + 1 :], self.argv[:place]
        words = self.argv[1:]
        if words[:1] == ["--"]:
            raise _bad_input("-- stands before the task; put it after the task, before its plain words")
        if {"-h", "--help"} & set(words):
            named = [word for word in words if not word.startswith("-")][:1]
            for name in named:
                if name not in self.namespace:
                    raise _bad_input(unknown_task(name, self.namespace.task_names))
            self.argv = [self.argv[0], "--help", *named]

    def parse_core_args(self) -> None:
        """Parse the options before the task."""
        with _sentences():
            super().parse_core_args()

    def parse_cleanup(self) -> None:
        """Exit here if only help or a list was requested."""
        listed = self.args.list.value
        if isinstance(listed, str):
            raise _bad_input(f"--list takes no value; there is no group of tasks called {shorten(listed)!r}")
        super().parse_cleanup()

    def parse_tasks(self) -> None:
        """Parse the task and its words."""
        with _sentences():
            super().parse_tasks()

    def _make_parser(self) -> Parser:
        parser = _Words(initial=self.initial_context, contexts=self.collection.to_contexts())
        parser.behind = self.behind
        return parser

    def task_list_opener(self, **_: str) -> str:
        """The heading of the task list."""
        return "Tasks"

    def print_help(self) -> None:
        """Print the usage line and the task list."""
        print(f"Usage: {COMMAND} TASK [words and --options]; `{COMMAND} TASK --help` explains a task\n")
        self.list_tasks()

    def print_task_help(self, name: str) -> None:
        """Print a task's help: its words first, then its options in order of importance."""
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
    except ValueError:  # --list-depth is the only numeric option left
        raise _bad_input("--list-depth needs a whole number") from None


def _bad_input(sentence: str) -> Exit:
    return Exit(f"lab: {printable(sentence)}", code=BadInput.status)
