"""Typical: waits until the old station is all but gone."""


class Policy:
    """Late."""

    def __init__(self) -> None:
        self.done = False

    def heard(self, time_s: float, levels: dict[str, float]) -> list[tuple[str, str]]:
        """Decide."""
        if self.done or levels["wlan0"] > -93:
            return []
        self.done = True
        return [("attach", "wlan1"), ("prefer", "wlan1"), ("remove", "wlan0")]
