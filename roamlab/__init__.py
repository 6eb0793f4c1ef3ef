"""roamlab tests whether a network session survives when a host moves to another network.

The names below are the public interface, with ``roamlab.topologies`` (docs/api.md). Everything else in this package is private
to roamlab and may change with any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from roamlab.api import load, run, scenarios
    from roamlab.errors import BadInput, LabError
    from roamlab.lab.lab import Lab
    from roamlab.lab.mobile_ip import Terms
    from roamlab.protocols.mobility import Announce
    from roamlab.record.result import Outage, Result
    from roamlab.registry import Seconds, Verdict, scenario

__all__ = [
    "Announce",
    "BadInput",
    "Lab",
    "LabError",
    "Outage",
    "Result",
    "Seconds",
    "Terms",
    "Verdict",
    "load",
    "run",
    "scenario",
    "scenarios",
]

# Imported when they are first asked for (PEP 562): the inside of a run needs almost none of it.
_HOMES = {
    "Announce": "roamlab.protocols.mobility",
    "BadInput": "roamlab.errors",
    "Lab": "roamlab.lab.lab",
    "LabError": "roamlab.errors",
    "Outage": "roamlab.record.result",
    "Result": "roamlab.record.result",
    "Seconds": "roamlab.registry",
    "Terms": "roamlab.lab.mobile_ip",
    "Verdict": "roamlab.registry",
    "load": "roamlab.api",
    "run": "roamlab.api",
    "scenario": "roamlab.registry",
    "scenarios": "roamlab.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
