"""Typical: always the stronger one, at once. Shadowing makes it go to and fro."""


class Policy:
    """No hysteresis."""

    def __init__(self) -> None:
        self.attached = False
        self.preferred = "wlan0"

    def heard(self, time_s: float, levels: dict[str, float]) -> list[tuple[str, str]]:
        """Decide."""
        decisions = []
        if not self.attached and levels["wlan1"] > -95:
            self.attached = True
            decisions.append(("attach", "wlan1"))
        best = max(levels, key=lambda nic: levels[nic])
        if self.attached and best != self.preferred:
            self.preferred = best
            decisions.append(("prefer", best))
        return decisions
