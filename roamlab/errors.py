"""Expected errors, each with its exit status (README, "Exit status")."""

from __future__ import annotations

from typing import ClassVar, Final

CRASHED: Final = 70
"""The exit status of a defect in roamlab itself (EX_SOFTWARE in sysexits.h); no verdict uses it."""


class LabError(Exception):
    """An error that the user can act on: one sentence, no traceback. ``status`` is the command's exit status."""

    status: ClassVar[int] = 3


class BadInput(LabError):
    """The user asked for something that does not exist or is malformed."""

    status = 2


class NoSession(LabError):
    """No session was established. This is a result, not an error in roamlab."""

    status = 1


class UnsupportedHere(LabError):
    """The kernel or machine lacks something that the scenario needs."""

    status = 4
