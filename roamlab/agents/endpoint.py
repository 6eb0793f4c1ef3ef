"""An agent that keeps sessions: listens or connects, sends streams at a steady cadence, accounts for what arrives.

A *session* outlives its associations: when a node reconnects, the session's streams go on over the new association. What
was due while there was none is reported as ``data.unsent``, never quietly made up for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from roamlab.agents.agent import Agent, now_ns
from roamlab.agents.association import Association, Notification, PathState
from roamlab.agents.sctp_state import sctp_state
from roamlab.agents.streams import Channel, Listening, listen, open_channel
from roamlab.protocols import payload
from roamlab.protocols.payload import Direction, Kind, Message

_LOOK_NS: Final = 250_000_000  # how often a sender looks at its paths


@dataclass(slots=True)
class _Session:
    number: int
    association: Channel | None = None
    next_sequence: int = 0
    direction: Direction = Direction.UP
    """that this node's messages have"""
    backlog: deque[bytes] = field(default_factory=deque)
    paths: dict[str, PathState] = field(default_factory=dict)
    looked_ns: int = 0


class Endpoint(Agent):
    """Sessions over SCTP, TCP or UDP. ``direction`` is the one that this node sends in."""

    direction: Direction

    def __init__(self, name: str, control: Any) -> None:
        super().__init__(name, control)
        self._sessions: dict[int, _Session] = {}

    # -- commands --------------------------------------------------------------------------------------------------

    def do_listen(self, local: str, port: int, transport: str = "sctp", one_to_many: bool = False) -> None:
        """Accept associations (connections, flows); the first message of each names its session."""
        listener = listen(transport, local, port, one_to_many=one_to_many)
        self.on_readable(listener, lambda: self._accept(listener))
        self.emit("listening", address=local, port=port)

    def do_connect(
        self,
        session: int,
        local: str,
        peer: str,
        port: int,
        transport: str = "sctp",
        kernel_announces: bool = False,
        local_port: int = 0,
    ) -> None:
        """Set up an association for a session; a session that had one before goes on over the new one.

        ``local_port`` 0 lets the kernel choose.
        """
        association = open_channel(transport, local, local_port, kernel_announces=kernel_announces)
        state = self._sessions.setdefault(session, _Session(session))
        state.association = None
        self.on_readable(association, lambda: self._read(association, state))
        association.connect(peer, port)
        own = {"port": association.port} if isinstance(association, Association) else {}
        self.emit("association.connect", session=session, peer=peer, **own)
        if transport != "sctp":  # SCTP says by a notification, which can be read, that it is up
            self.on_writable(association, lambda: self._decided(association, state))

    def do_greet(self, session: int) -> None:
        """Tell the other side which session this is; again where nothing else would repeat a datagram that was lost."""
        if (association := self._sessions[session].association) is not None:
            association.send(Message(Kind.HELLO, self.direction, session, 0, now_ns()).encode())

    def do_stream(
        self,
        session: int,
        every_ns: int,
        size: int,
        start_ns: int,
        end_ns: int,
        way: str = "",
        first: int = 0,
    ) -> None:
        """Send a message of ``size`` bytes every ``every_ns`` from ``start_ns`` until ``end_ns`` (absolute).

        ``way`` ("up" or "down") is the direction that the messages are sent in, by default that of the node's kind;
        ``first`` is the sequence number to begin with.
        """
        state = self._sessions.setdefault(session, _Session(session))
        state.direction = Direction[way.upper()] if way else self.direction
        state.next_sequence = max(first, state.next_sequence)

        def send(due_ns: int = start_ns) -> None:
            self._send_next(state, size)
            if due_ns + every_ns < end_ns:
                self.at(due_ns + every_ns, lambda: send(due_ns + every_ns))

        self.at(start_ns, send)

    def do_disconnect(self, session: int) -> None:
        """End the session's association in order; its streams stay."""
        state = self._sessions[session]
        if state.association is not None:
            state.association.shutdown()
            state.association = None
        self.emit("session.disconnect", session=session)

    def do_set_primary(self, session: int, address: str) -> None:
        """Ask the peer of a session to send to an address (SET PRIMARY). OSError when the socket refuses."""
        association = self._sessions[session].association
        if not isinstance(association, Association):
            raise ValueError(f"session {session} has no association to say it in")  # noqa: TRY004
        association.set_primary(address)

    def do_account(self, kind: str = "sctp.state") -> None:
        """Report what the kernel keeps for SCTP here, as an event of that kind."""
        self.emit(kind, **sctp_state())

    # -- what subclasses may add to ----------------------------------------------------------------------------------

    def association_accepted(self, association: Channel) -> None:
        """A peer set one up; of it the kernel reports no COMM_UP."""

    def association_up(self, association: Channel) -> None:
        """The kernel reported COMM_UP."""

    def association_down(self, association: Channel) -> None:
        """The association ended, in whatever way."""

    # -- traffic ---------------------------------------------------------------------------------------------------

    def _accept(self, listener: Listening) -> None:
        while (association := listener.accept()) is not None:
            self.association_accepted(association)
            self.on_readable(association, partial(self._read, association, None))
            self._read(association, None)

    def _decided(self, association: Channel, session: _Session) -> None:
        self.on_writable(association, None)
        self._read(association, session)

    def _read(self, association: Channel, session: _Session | None) -> None:
        """Take what can be read; the loop comes round again for what the descriptor still shows."""
        while (received := association.receive()) is not None:
            if isinstance(received, Notification):
                self._notified(association, session, received)
            elif received == b"":
                self._ended(association, session)
                return
            elif message := payload.decode(received):
                session = self._arrived(association, session, message)
            if not association.hides_more():
                return

    def _notified(self, association: Channel, session: _Session | None, notification: Notification) -> None:
        details: dict[str, Any] = {"session": session.number} if session else {}
        if notification.address:
            details |= {"address": notification.address}
        if notification.error:
            details |= {"error": notification.error}
        self.emit(notification.kind, **details)
        if notification.kind.endswith(".up"):
            if session is not None:  # the side that connects says which session this is
                session.association = association
                self.do_greet(session.number)
            self.association_up(association)
        elif notification.kind.endswith((".lost", ".failed")):
            self._ended(association, session)

    def _arrived(self, association: Channel, session: _Session | None, message: Message) -> _Session:
        if session is None:
            session = self._sessions.setdefault(message.session, _Session(message.session))
            session.association = association
            self.on_readable(association, lambda: self._read(association, session))
            self.emit("session.opened", session=session.number)
        if message.kind is Kind.DATA:
            self.account(
                "data.received", session=message.session, dir=message.direction.word, seq=message.sequence
            )
        return session

    def _ended(self, association: Channel, session: _Session | None) -> None:
        if association.fileno() < 0:
            return
        self.emit("association.ended", **({"session": session.number} if session else {}))
        self.association_down(association)
        self.forget(association)
        association.close()
        if session is not None and session.association is association:
            session.association = None
            session.backlog.clear()

    def _send_next(self, session: _Session, size: int) -> None:
        message = Message(Kind.DATA, session.direction, session.number, session.next_sequence, self.turn_ns)
        session.next_sequence += 1
        details = {"session": session.number, "dir": session.direction.word, "seq": message.sequence}
        if session.association is None:
            self.account("data.unsent", **details)
            return
        self.account("data.sent", **details)
        session.backlog.append(message.encode(size))
        self._flush(session, session.association)
        if message.sent_ns - session.looked_ns >= _LOOK_NS:
            session.looked_ns = message.sent_ns
            self._look(session)

    def _look(self, session: _Session) -> None:
        """Report what the kernel keeps for each path, where it has changed since the last look."""
        if not isinstance(session.association, Association):
            return
        for path in session.association.paths():
            if session.paths.get(path.address) != path:
                session.paths[path.address] = path
                self.account(
                    "path.state",
                    session=session.number,
                    address=path.address,
                    cwnd=path.cwnd,
                    rto_ms=path.rto_ms,
                    srtt_ms=path.srtt_ms,
                )

    def _flush(self, session: _Session, association: Channel) -> None:
        while session.backlog:
            if not association.send(session.backlog[0]):
                self.on_writable(association, lambda: self._flush(session, association))
                return
            session.backlog.popleft()
        self.on_writable(association, None)
