"""The decorator of every task: help of shared options, and errors as one sentence with an exit status."""

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
    "scenario": f"the scenario to play: a name from `{COMMAND} list`, PATH.py, or PATH.py:NAME for one of several in a file",
    "topology": "NAME or PATH.py:CLASS, instead of the scenario's own topology",
    "kernel": f"native, debian, a name or variant from `{COMMAND} kernel --list`, or the path of a UML binary; "
    "the default is the best one that works on this machine",
    "seed": "the seed of everything random in the run",
    "set": "KEY=VALUE, sets a parameter of the scenario or its topology; may be repeated",
    "runs": "the directory for run directories",
    "json": "print one JSON object and nothing else",
    "report": "write an HTML page into the run directory (on unless --no-report)",
    "junit": "write JUnit XML to this file",
    "ktap": "print KTAP and nothing else",
    "summary": "write a Markdown table to this file",
}
"""Help of the options that mean the same in several tasks."""


def command(
    *,
    name: str | None = None,
    iterable: Iterable[str] = (),
    positional: Iterable[str] | None = None,
    optional: Iterable[str] = (),
    help: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., int | None]], Any]:
    """Make a task of a function that returns its exit status.

    Expected errors are printed as one sentence, with the exit status from the README ("Exit status").

    ``positional`` are the parameters that are given without an option's name, by default those without a default; an
    iterable one takes any number of words. The other arguments are those of ``invoke.task``.
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
                raise Exit("lab: interrupted; files written so far are complete", code=130) from None
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
