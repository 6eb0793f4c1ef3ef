"""What a run comes to: the verdict, its measurements and the steps that led there."""

from __future__ import annotations

from typing import Any

import msgspec


class Both(msgspec.Struct, frozen=True):
    """One figure for each direction: up is from the mobile node, down towards it."""

    up: float | None = None
    down: float | None = None


class Count(msgspec.Struct, frozen=True):
    """One count of messages for each direction."""

    up: int = 0
    down: int = 0


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of the causal chain.

    ``t`` is in seconds since the run's start; ``packet`` is the packet's place in the capture, counted from 0, or None for
    what came from an agent or the lab.
    """

    t: float
    step: str
    node: str
    text: str
    packet: int | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """``verdict.json``: everything that follows from the plan, the capture and the events, and nothing else.

    ``measures`` are figures of one kind of scenario alone, by names that say their units.
    """

    scenario: str
    figure: str
    verdict: str
    expected: str
    reasons: list[str]
    sent: Count = Count()
    delivered: Count = Count()
    lost: Count = Count()
    duplicated: Count = Count()
    outage_s: Both = Both()
    lower_bound_s: Both = Both()
    waits_s: dict[str, float] = {}
    measures: dict[str, float] = {}
    virtual_s: float = 0.0
    chain: list[Link] = []


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with the run that it is about; ``as_dict`` is what ``--json`` prints.

    ``parameters`` are those that differ from their defaults; ``status`` is the exit status.
    """

    judgement: Judgement
    parameters: dict[str, Any]
    kernel: dict[str, Any]
    seed: int
    run_dir: str
    wall_s: float
    status: int

    def as_dict(self) -> dict[str, Any]:
        """One flat object."""
        return {
            **msgspec.to_builtins(self.judgement),
            "kernel": self.kernel,
            "seed": self.seed,
            "run_dir": self.run_dir,
            "wall_s": self.wall_s,
        }
