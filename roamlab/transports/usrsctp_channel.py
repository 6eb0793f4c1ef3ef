"""Associations of usrsctp's as channels."""

from __future__ import annotations

from collections import deque
from typing import Final

from roamlab.record.events import (
    AssociationClosed,
    AssociationFailed,
    AssociationLost,
    AssociationRestarted,
    AssociationUp,
    Notice,
    OtherNotice,
    PathAdded,
    PathAvailable,
    PathConfirmed,
    PathPrimary,
    PathRemoved,
    PathUnreachable,
)
from roamlab.transports.usrsctp_library import (
    AssociationChange,
    Library,
    OtherChange,
    PeerAddressChange,
    Socket,
)

_ASSOCIATION: Final[dict[int, type[Notice]]] = {
    1: AssociationUp,
    2: AssociationLost,
    3: AssociationRestarted,
    4: AssociationClosed,
    5: AssociationFailed,
}
_PATH: Final[dict[int, type[Notice]]] = {
    1: PathAvailable,
    2: PathUnreachable,
    3: PathRemoved,
    4: PathAdded,
    5: PathPrimary,
    6: PathConfirmed,
}
"""Notifications by the numbers that usrsctp.h gives the states."""


class UsrsctpAssociation:
    """One association of usrsctp's, connected or to be connected; all calls return at once."""

    def __init__(self, opened: Socket, *, called: bool) -> None:
        self._socket = opened
        self._called = called
        self._waiting: deque[bytes] = deque()

    @classmethod
    def open(cls, local: str, port: int, udp_port: int, *, mobility: bool) -> UsrsctpAssociation:
        """An association from an address, to be connected."""
        library = Library.start(udp_port, mobility=mobility)
        return cls(Socket.open(library, local, port), called=False)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def connect(self, peer: str, port: int) -> None:
        """Begin the set-up; ``association.up`` or ``association.failed`` follows."""
        self._socket.connect(peer, port)

    def send(self, data: bytes) -> bool:
        """Send a message, when there is room for it; it is kept until then."""
        self._waiting.append(data)
        self._flush()
        return True

    def receive(self) -> bytes | Notice | None:
        """The next message or notification; b"" at the end of the association, None when there is nothing now."""
        self._flush()
        while True:
            match self._socket.receive():
                case AssociationChange(state=1) if self._called:
                    continue  # the kernel's tells of it at the side that connects only
                case AssociationChange(state, error):
                    return _ASSOCIATION[state](error=error) if state in _ASSOCIATION else OtherNotice()
                case PeerAddressChange(address, state, error):
                    return _PATH[state](address=address, error=error) if state in _PATH else OtherNotice()
                case OtherChange(kind):
                    return OtherNotice(number=kind)
                case received:
                    return received

    def hides_more(self) -> bool:
        """Always: the descriptor shows that something came, not what is left."""
        return True

    def shutdown(self) -> None:
        """End the association in order (SHUTDOWN)."""
        self._socket.shutdown()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def set_primary(self, address: str) -> None:
        """Ask the peer to send to a local address (ASCONF, SET PRIMARY). OSError when the association has it not (yet)."""
        self._socket.set_primary(address)

    def _flush(self) -> None:
        while self._waiting:
            try:
                if not self._socket.send(self._waiting[0]):
                    return
            except OSError:  # it has ended, which its notification tells
                self._waiting.clear()
                return
            self._waiting.popleft()


class UsrsctpListener:
    """A listening socket of usrsctp's."""

    def __init__(self, local: str, port: int, udp_port: int, *, mobility: bool) -> None:
        self._socket = Socket.open(Library.start(udp_port, mobility=mobility), local, port)
        self._socket.listen()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def accept(self) -> UsrsctpAssociation | None:
        """The next association, or None when there is none now."""
        accepted = self._socket.accept()
        if accepted is None:
            return None
        accepted.prepare()
        return UsrsctpAssociation(accepted, called=True)
