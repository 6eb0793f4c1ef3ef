"""What can go wrong, each with its exit status (README, "Exit status")."""

from __future__ import annotations

from typing import ClassVar, Final

CRASHED: Final = 70
"""The exit status of a defect in roamlab itself (EX_SOFTWARE of sysexits.h): no verdict has it."""


class LabError(Exception):
    """Something that a person can act on: one sentence, no traceback. ``status`` is the exit status of the command."""

    status: ClassVar[int] = 3


class BadInput(LabError):
    """What was asked for does not exist or is malformed."""

    status = 2


class NoSession(LabError):
    """No session was established. This is a result, not an error in roamlab."""

    status = 1


class UnsupportedHere(LabError):
    """The kernel or machine lacks something that the scenario needs."""

    status = 4
