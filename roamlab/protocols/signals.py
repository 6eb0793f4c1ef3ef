"""FIG. 8's decisions: when a NIC is attached, when the peer should send to another one, when one is given up.

A level must stay on the other side of its threshold for the dwell time, and a better NIC must be better by the hysteresis, so
that shadowing at a border makes nobody go to and fro (ping-pong).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Decision(Enum):
    """What to do with a NIC."""

    ATTACH = "attach"
    PREFER = "prefer"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Levels in dBm, the hysteresis in dB, the dwell time in ns.

    ``attach`` and better: usable. Worse than ``fade``: to be given up. Between them a NIC stays what it is.
    """

    attach: float = -82.0
    fade: float = -88.0
    hysteresis: float = 5.0
    dwell_ns: int = 500_000_000


@dataclass(slots=True)
class SignalPolicy:
    """Decides from levels; ``preferred`` is the NIC that the association began with."""

    preferred: str
    thresholds: Thresholds = field(default_factory=Thresholds)
    attached: set[str] = field(default_factory=set)
    _since: dict[tuple[Decision, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attached.add(self.preferred)

    def heard(self, levels: Mapping[str, float], now: int) -> list[tuple[Decision, str]]:
        """What follows from the levels (dBm by NIC) at ``now`` (ns): attach before prefer before remove."""
        limits = self.thresholds
        decisions = []
        for nic, level in sorted(levels.items()):
            if nic not in self.attached and self._lasting(Decision.ATTACH, nic, level >= limits.attach, now):
                self.attached.add(nic)
                decisions.append((Decision.ATTACH, nic))
        best = max(self.attached & levels.keys(), key=lambda nic: (levels[nic], nic), default=self.preferred)
        current = levels.get(self.preferred, float("-inf"))
        for nic in sorted(self.attached - {self.preferred}):
            better = nic == best and levels[nic] >= current + limits.hysteresis
            if self._lasting(Decision.PREFER, nic, better, now):
                self.preferred = nic
                decisions.append((Decision.PREFER, nic))
        for nic in sorted(self.attached - {self.preferred}):
            faded = levels.get(nic, float("-inf")) < limits.fade
            if self._lasting(Decision.REMOVE, nic, faded, now):
                self.attached.remove(nic)
                decisions.append((Decision.REMOVE, nic))
        return decisions

    def _lasting(self, decision: Decision, nic: str, condition: bool, now: int) -> bool:
        """Whether a condition has held for the dwell time; it counts anew afterwards."""
        key = (decision, nic)
        if not condition:
            self._since.pop(key, None)
            return False
        if now - self._since.setdefault(key, now) < self.thresholds.dwell_ns:
            return False
        del self._since[key]
        return True
