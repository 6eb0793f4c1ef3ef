"""Lab 6: a mobility policy. It hears how strong both base stations are, and decides."""


class Policy:
    """Begins with wlan0 attached and preferred."""

    def heard(self, time_s: float, levels: dict[str, float]) -> list[tuple[str, str]]:
        """What to do now: ("attach", NIC), ("prefer", NIC) or ("remove", NIC), in this order; or nothing.

        ``levels`` are in dBm, by NIC ("wlan0", "wlan1"); this is called ten times a second.
        """
        return []
