"""An agent that keeps sessions: listens or connects, sends streams at a steady cadence, accounts for what arrives.

A *session* outlives its associations: when a node reconnects, the session's streams go on over the new association. What
was due while there was none is reported as ``data.unsent``, never quietly made up for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from socket import socket
from typing import Final

from roamlab.agents.agent import Agent, now_ns
from roamlab.agents.sctp_state import sctp_state
from roamlab.protocols import payload
from roamlab.protocols.payload import Direction, Kind, Message
from roamlab.record import events
from roamlab.record.commands import (
    Account,
    Command,
    Connect,
    Disconnect,
    EndStream,
    Greet,
    Listen,
    SetPrimary,
    Stream,
)
from roamlab.record.events import (
    AssociationConnect,
    AssociationEnded,
    CookieState,
    DataReceived,
    DataSent,
    DataUnsent,
    Gone,
    Notice,
    SctpState,
    SessionDisconnect,
    SessionOpened,
    Up,
)
from roamlab.transports import find, sctp, tcp, udp  # noqa: F401 - agents are forks of whoever imports this
from roamlab.transports.association import Association
from roamlab.transports.base import Channel, Listening, Measured, PathState, Recorded

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
    answer_size: int = 0
    """of the messages that each message of the peer is answered with at once; 0 for none"""
    ended: bool = False
    """whether its stream was ended before its time"""


class Endpoint(Agent):
    """Sessions over any transport. ``direction`` is the one that this node sends in."""

    direction: Direction

    def __init__(self, name: str, control: socket) -> None:
        super().__init__(name, control)
        self._sessions: dict[int, _Session] = {}
        self._recorded: list[Recorded] = []

    # -- commands --------------------------------------------------------------------------------------------------

    def obey(self, command: Command) -> None:
        """Do what a command says."""
        match command:
            case Listen():
                self._listen(command)
            case Connect():
                self.connect(command)
            case Greet(session):
                self._greet(session)
            case Stream():
                self._stream(command)
            case EndStream(session):
                self._sessions[session].ended = True
            case Disconnect(session):
                self._disconnect(session)
            case SetPrimary(session, address):
                self._set_primary(session, address)
            case Account(of):
                self.emit(SctpState(*sctp_state()) if of == "session" else CookieState(*sctp_state()))
            case _:
                super().obey(command)

    def connect(self, command: Connect) -> None:
        """Set up an association for a session; a session that had one before goes on over the new one."""
        session, transport = command.session, find(command.transport)
        association = transport.open(
            command.local, command.local_port, kernel_announces=command.kernel_announces
        )
        state = self._sessions.setdefault(session, _Session(session))
        state.association = None
        self._keep_record(association)
        self.on_readable(association, lambda: self._read(association, state))
        association.connect(command.peer, command.port)
        port = association.port if isinstance(association, Association) else 0
        self.emit(AssociationConnect(session, command.peer, port))
        if not transport.says_when_up:
            self.on_writable(association, lambda: self._decided(association, state))

    def _listen(self, command: Listen) -> None:
        listener = find(command.transport).listen(
            command.local, command.port, one_to_many=command.one_to_many
        )
        self.on_readable(listener, lambda: self._accept(listener))
        self.emit(events.Listening(command.local, command.port))

    def _greet(self, session: int) -> None:
        if (association := self._sessions[session].association) is not None:
            association.send(Message(Kind.HELLO, self.direction, session, 0, now_ns()).encode())

    def _stream(self, command: Stream) -> None:
        state = self._sessions.setdefault(command.session, _Session(command.session))
        state.direction = Direction[command.way.upper()] if command.way else self.direction
        state.next_sequence = max(command.first, state.next_sequence)
        state.ended = False
        if command.answers:
            state.answer_size = command.size
            return

        def send(due_ns: int = command.start_ns) -> None:
            if state.ended:
                return
            self._send_next(state, command.size)
            if due_ns + command.every_ns < command.end_ns:
                self.at(due_ns + command.every_ns, lambda: send(due_ns + command.every_ns))

        self.at(command.start_ns, send)

    def _set_primary(self, session: int, address: str) -> None:
        """Ask the peer of a session to send to an address. OSError when the socket refuses."""
        association = self._sessions[session].association
        if not isinstance(association, Association):
            raise ValueError(f"session {session} has no association to say it in")  # noqa: TRY004
        association.set_primary(address)

    def _disconnect(self, session: int) -> None:
        state = self._sessions[session]
        if state.association is not None:
            state.association.shutdown()
            state.association = None
        self.emit(SessionDisconnect(session))

    # -- what subclasses may add to ----------------------------------------------------------------------------------

    def association_accepted(self, association: Channel) -> None:
        """A peer set one up; of it the kernel reports no COMM_UP."""

    def association_up(self, association: Channel) -> None:
        """The kernel reported COMM_UP."""

    def association_down(self, association: Channel) -> None:
        """The association ended, in whatever way."""

    def over(self) -> None:
        """Leave the records that channels kept in the run directory."""
        for channel in self._recorded:
            for name, content in channel.records().items():
                if self.directory is not None:
                    (self.directory / f"{self.name}-{name}").write_bytes(content)

    def _keep_record(self, association: Channel) -> None:
        if isinstance(association, Recorded):
            self._recorded.append(association)

    # -- traffic ---------------------------------------------------------------------------------------------------

    def _accept(self, listener: Listening) -> None:
        while (association := listener.accept()) is not None:
            self.association_accepted(association)
            self._keep_record(association)
            self.on_readable(association, partial(self._read, association, None))
            self._read(association, None)

    def _decided(self, association: Channel, session: _Session) -> None:
        self.on_writable(association, None)
        self._read(association, session)

    def _read(self, association: Channel, session: _Session | None) -> None:
        """Take what can be read; the loop comes round again for what the descriptor still shows."""
        while (received := association.receive()) is not None:
            if isinstance(received, Notice):
                self._notified(association, session, received)
            elif received == b"":
                self._ended(association, session)
                return
            elif message := payload.decode(received):
                session = self._arrived(association, session, message)
            if not association.hides_more():
                return

    def _notified(self, association: Channel, session: _Session | None, notice: Notice) -> None:
        notice.session = session.number if session else None
        self.emit(notice)
        if isinstance(notice, Up):
            if session is not None:  # the side that connects says which session this is
                session.association = association
                self._greet(session.number)
            self.association_up(association)
        elif isinstance(notice, Gone):
            self._ended(association, session)

    def _arrived(self, association: Channel, session: _Session | None, message: Message) -> _Session:
        if session is None:
            session = self._sessions.setdefault(message.session, _Session(message.session))
            session.association = association
            self.on_readable(association, lambda: self._read(association, session))
            self.emit(SessionOpened(session.number))
        if message.kind is Kind.DATA:
            self.mention(DataReceived(message.session, message.direction.word, message.sequence))
            if session.answer_size:
                self._send_next(session, session.answer_size)
        return session

    def _ended(self, association: Channel, session: _Session | None) -> None:
        if association.fileno() < 0:
            return
        self.emit(AssociationEnded(session.number if session else None))
        self.association_down(association)
        self.forget(association)
        association.close()
        if session is not None and session.association is association:
            session.association = None
            session.backlog.clear()

    def _send_next(self, session: _Session, size: int) -> None:
        message = Message(Kind.DATA, session.direction, session.number, session.next_sequence, self.turn_ns)
        session.next_sequence += 1
        if session.association is None:
            self.mention(DataUnsent(session.number, session.direction.word, message.sequence))
            return
        self.mention(DataSent(session.number, session.direction.word, message.sequence))
        session.backlog.append(message.encode(size))
        self._flush(session, session.association)
        if message.sent_ns - session.looked_ns >= _LOOK_NS:
            session.looked_ns = message.sent_ns
            self._look(session)

    def _look(self, session: _Session) -> None:
        """Report what the stack keeps for each path, where it has changed since the last look."""
        if not isinstance(session.association, Measured):
            return
        for path in session.association.paths():
            if session.paths.get(path.address) != path:
                session.paths[path.address] = path
                self.mention(
                    events.PathState(session.number, path.address, path.cwnd, path.rto_ms, path.srtt_ms)
                )

    def _flush(self, session: _Session, association: Channel) -> None:
        while session.backlog:
            if not association.send(session.backlog[0]):
                self.on_writable(association, lambda: self._flush(session, association))
                return
            session.backlog.popleft()
        self.on_writable(association, None)
