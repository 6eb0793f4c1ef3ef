"""Sockets as transports open them."""

from __future__ import annotations

import os
import socket
from typing import Final

CHUNK: Final = 65536
"""How much is read at once, in bytes."""
BUFFER: Final = 4 << 20
"""Room for what a stream produces during a minute without a path, in bytes."""


def bound(kind: socket.SocketKind, local: str, port: int, protocol: int = 0) -> socket.socket:
    """A socket of a kind, bound to a local address and port. OSError, which names the address, where it cannot be."""
    sock = socket.socket(socket.AF_INET6 if ":" in local else socket.AF_INET, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((local, port))
    except OSError as error:
        raise OSError(error.errno, f"cannot bind to {local}: {os.strerror(error.errno or 0)}") from None
    return sock


def can_send(source: str, peer: tuple[str, int]) -> bool:
    """Whether what is sent from an address finds a way to a peer now; asks the kernel alone."""
    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((source, 0))
            probe.connect(peer)  # sends nothing
        except OSError:
            return False
    return True
