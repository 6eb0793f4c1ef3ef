"""What every task has in common: its options' help, and how it ends when something is wrong."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from invoke import Exit, task

from roamlab.cli.words import unshielded
from roamlab.record.guarded import printable
from roamlab.where import COMMAND

_HELP: Final = {
    "scenario": f"what to play: a name that `{COMMAND} list` shows, PATH.py, or PATH.py:NAME for one of several in a file",
    "topology": "NAME or PATH.py:CLASS, to play in place of the scenario's own",
    "kernel": f"native, debian, a name or variant of `{COMMAND} kernel --list`, or a UML binary's path; "
    "by default what this machine can do best",
    "seed": "what everything random follows from",
    "set": "KEY=VALUE, a parameter of the scenario or its topology; may be repeated",
    "runs": "where run directories go",
    "json": "print one JSON object and nothing else",
    "report": "write a page into the run directory (on unless --no-report)",
    "junit": "a file for JUnit's XML",
    "ktap": "print KTAP and nothing else",
    "summary": "a file for a Markdown table",
}
"""Of the options that several tasks take, in the same sense."""


def command(
    *,
    name: str | None = None,
    iterable: Iterable[str] = (),
    positional: Iterable[str] | None = None,
    optional: Iterable[str] = (),
    help: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., int | None]], Any]:
    """A task whose function returns its exit status; what can be acted on ends it in one sentence (README, "Exit status").

    ``positional`` are the parameters that need no option's name, by default those without a default; one that is iterable
    takes any number of words. The others are as in `invoke.task`.
    """

    def decorate(function: Callable[..., int | None]) -> Any:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> None:
            from roamlab.errors import LabError
            from roamlab.kernels.job import KernelError
            from roamlab.registry import check_seed

            try:
                if "seed" in kwargs:
                    check_seed(kwargs["seed"])
                status = function(*args, **{name: unshielded(value) for name, value in kwargs.items()})
            except LabError as error:
                raise Exit(f"lab: {printable(str(error))}", code=error.status) from None
            except KernelError as error:
                raise Exit(f"lab: {printable(str(error))}", code=_kernel_status(error)) from None
            except KeyboardInterrupt:
                raise Exit("lab: interrupted; what was written so far is whole", code=130) from None
            if status:
                raise Exit(code=status)

        texts = {name: _HELP[name] for name in inspect.signature(function).parameters if name in _HELP}
        return task(
            name=name,
            iterable=iterable,
            positional=positional,
            optional=optional,
            help={**texts, **(help or {})},
        )(guarded)

    return decorate


def _kernel_status(error: Exception) -> int:
    from roamlab.kernels.job import NotPermitted, Unsupported

    return 4 if isinstance(error, Unsupported | NotPermitted) else 2
