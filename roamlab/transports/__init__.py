"""Transports: what a session needs of one, on its sockets and on the wire. One module each; others come by entry point."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from roamlab.errors import BadInput
from roamlab.transports.base import Transport

GROUP: Final = "roamlab.transports"
"""The group of entry points by which a package adds transports: its name, and the object that is a `Transport`."""
_OWN: Final[Mapping[str, tuple[str, str]]] = {
    "sctp": ("sctp", "TRANSPORT"),
    "mptcp": ("mptcp", "TRANSPORT"),
    "mptcp-eager": ("mptcp", "EAGER"),
    "mptcp-backup": ("mptcp", "BACKUP"),
    "usrsctp": ("usrsctp", "BOTH"),
    "usrsctp-mn": ("usrsctp", "CALLS"),
    "usrsctp-cn": ("usrsctp", "LISTENS"),
    "usrsctp-plain": ("usrsctp", "PLAIN"),
    "usrsctp-mobility": ("usrsctp", "MOBILITY"),
    "usrsctp-udp": ("usrsctp", "OVER_UDP"),
    "quic": ("quic", "TRANSPORT"),
    "quic-streams": ("quic", "STREAMS"),
    "quic-reset": ("quic", "RESET"),
    "quic-passive": ("quic", "PASSIVE"),
    "wireguard-tcp": ("wireguard", "TCP"),
    "wireguard-tcp-managed": ("wireguard", "MANAGED"),
    "wireguard-udp": ("wireguard", "UDP"),
    "wireguard-udp-keepalive": ("wireguard", "KEPT_ALIVE"),
    "tcp": ("tcp", "TRANSPORT"),
    "tcp-keepalive": ("tcp", "KEEPALIVE"),
    "tcp-user-timeout": ("tcp", "USER_TIMEOUT"),
    "udp": ("udp", "TRANSPORT"),
}
"""The module and the object of each, by name."""
_found: dict[str, Transport] = {}


def find(name: str) -> Transport:
    """The transport of a name: roamlab's own, or one that a package adds by an entry point.

    Raises:
        BadInput: There is none of that name, or the entry point's object is no transport.

    """
    if name not in _found:
        _found[name] = _load(name)
    return _found[name]


def names() -> list[str]:
    """The names of all transports, roamlab's own first."""
    added = (point.name for point in entry_points(group=GROUP))
    return list(dict.fromkeys([*_OWN, *added]))


def _load(name: str) -> Transport:
    if name in _OWN:
        module, instance = _OWN[name]
        own: Transport = getattr(import_module(f"roamlab.transports.{module}"), instance)
        return own
    for point in entry_points(group=GROUP, name=name):
        loaded = point.load()
        if not isinstance(loaded, Transport):
            raise BadInput(
                f"the entry point {name!r} ({point.value}) is not a Transport; see docs/transports.md"
            )
        return loaded
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names())}"
    raise BadInput(f"there is no transport {name!r} ({hint})")
