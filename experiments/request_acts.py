"""What a scenario does to the mobile node's association at one instant, NICs apart: requests of its own, and a look at it.

A part of `experiments.lab.At`, in a module of its own by its subject.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from experiments.asking import Request


@dataclass(frozen=True, slots=True)
class _Anywhere:
    """A node without a NIC in particular, as a stimulus has it."""

    node: str
    name: str = ""


class RequestActs:
    """The verbs; ``lab`` and ``time_s`` are those of the At that they belong to."""

    __slots__ = ()
    lab: Any
    time_s: float

    def account(self) -> None:
        """Have both nodes report what their kernels keep for SCTP."""
        lab = self.lab
        for name in (lab.mobile.name, lab.correspondent.name):
            lab.timeline.at(self.time_s, partial(lab.agents.command, name, "account"))

    def ask(self, mobile: Any, *wanted: Request) -> None:
        """Have the mobile node ask for these requests, in this order, in one ASCONF (way ``rewriting``)."""
        lab = self.lab
        plain = [request.plain(number) for number, request in enumerate(wanted)]

        def act() -> None:
            lab.stimulus("ask", self.time_s, _Anywhere(mobile.name), requests=plain)
            lab.agents.command(mobile.name, "ask", requests=plain)

        lab.timeline.at(self.time_s, act)
