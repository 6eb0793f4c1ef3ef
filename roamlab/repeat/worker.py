"""A worker's side: carries out the calls that come in at its standard input, and answers at its standard output.

Started by roamlab.repeat.workers. Calls and answers are pickled: both ends are this user's, and nobody else has the pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from roamlab.errors import LabError
from roamlab.linux.libc import die_with_parent


@dataclass(frozen=True, slots=True)
class Call:
    """What a worker is to do."""

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: its value, or the error that it ended with."""

    value: object = None
    error: Exception | None = None


def serve(parent: int) -> None:
    """Work until there are no more calls, or ``parent`` is gone."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    # The pipes are ours alone; what a run prints goes where the front end's errors go.
    with os.fdopen(os.dup(0), "rb") as calls, os.fdopen(os.dup(1), "wb") as answers:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        while True:
            try:
                call: Call = pickle.load(calls)  # noqa: S301 - of our parent
            except EOFError:
                return
            answers.write(_answer(call))
            answers.flush()


def _answer(call: Call) -> bytes:
    try:
        return pickle.dumps(Answer(value=call.function(*call.arguments, **call.named)))
    except Exception as error:
        return _error(error)


def _error(error: Exception) -> bytes:
    """The answer with an error; one that cannot be read again there becomes its sentence."""
    try:
        data = pickle.dumps(Answer(error=error))
        pickle.loads(data)  # noqa: S301 - our own
    except Exception:
        return pickle.dumps(Answer(error=LabError(f"{type(error).__name__}: {error}")))
    return data
