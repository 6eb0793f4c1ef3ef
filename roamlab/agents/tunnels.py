"""The tunnels of one node, each made for its first user and taken down with its last."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from roamlab.agents.routing import Routing
from roamlab.protocols.mobileip.actions import Encapsulation

_NAME: Final = "mip"
_MOST: Final = 4096
# Far above the indices that the testbed gives NICs, which are the same numbers in every namespace.
_FIRST_INDEX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One tunnel: where it begins, where it ends (None: anywhere, it only decapsulates), and how it wraps."""

    local: IPv4Address
    remote: IPv4Address | None
    encapsulation: Encapsulation


class Tunnels:
    """Tunnel devices by what they are; two users of equal tunnels share a device."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._numbers: dict[Tunnel, int] = {}
        self._users: dict[Hashable, Tunnel] = {}

    def use(self, user: Hashable, tunnel: Tunnel) -> str:
        """The device of a tunnel for ``user``, in the place of the one that user had; made if there is none."""
        if self._users.get(user) != tunnel:
            self.release(user)
        self._users[user] = tunnel
        if tunnel not in self._numbers:
            taken = set(self._numbers.values())
            number = next(n for n in range(_MOST) if n not in taken)
            self._routing.add_tunnel(
                _name(number), _FIRST_INDEX + number, tunnel.encapsulation, tunnel.local, tunnel.remote
            )
            self._numbers[tunnel] = number
        return _name(self._numbers[tunnel])

    def device(self, user: Hashable) -> str | None:
        """The device that a user has, if any."""
        tunnel = self._users.get(user)
        return None if tunnel is None else _name(self._numbers[tunnel])

    def release(self, user: Hashable) -> bool:
        """Let go of a user's tunnel; the last user's is taken down. Return whether it was."""
        tunnel = self._users.pop(user, None)
        if tunnel is None or tunnel in self._users.values():
            return False
        self._routing.delete_device(_name(self._numbers.pop(tunnel)))
        return True

    def clear(self, names: list[str]) -> None:
        """Take down the tunnels that an agent before this one left among the devices ``names``."""
        for name in names:
            if name.removeprefix(_NAME).isdecimal():
                self._routing.delete_device(name)


def _name(number: int) -> str:
    return f"{_NAME}{number}"
