"""Lab 6, solved: attach early, prefer what has been clearly better for a while, remove what is gone."""


class Policy:
    """One handover, with a hysteresis and a time that it must last."""

    def __init__(self) -> None:
        self.attached = self.preferred = self.removed = False
        self.better_since = 0.0

    def heard(self, time_s: float, levels: dict[str, float]) -> list[tuple[str, str]]:
        """Decide."""
        old, new = levels["wlan0"], levels["wlan1"]
        decisions = []
        if not self.attached and new > -84:
            self.attached = True
            decisions.append(("attach", "wlan1"))
        if new < old + 3:
            self.better_since = time_s
        if self.attached and not self.preferred and time_s - self.better_since >= 0.3:
            self.preferred = True
            decisions.append(("prefer", "wlan1"))
        if self.preferred and not self.removed and old < -85:
            self.removed = True
            decisions.append(("remove", "wlan0"))
        return decisions
