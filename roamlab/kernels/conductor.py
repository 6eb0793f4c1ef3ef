"""Paces a guest's virtual time from outside: it goes on as far as somebody allows, and then waits, for no matter how long.

This is the controller's side of UML's ``time-travel=ext:`` (include/uapi/linux/um_timetravel.h) for one guest. The guest asks
for each moment at which something is due; until one is allowed it gets no answer, and nothing inside can tell. Between two
such moments it runs on alone. What it does is the same, to the bit, as without anybody outside (docs/live.md).
"""

from __future__ import annotations

import os
import select
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Final

_MESSAGE: Final = struct.Struct("=IIQ")  # struct um_timetravel_msg: op, seq, time
_PAGE: Final = 4096
_FOR_EVER: Final = (1 << 63) - 1


class _Op(IntEnum):
    """enum um_timetravel_ops."""

    ACK = 0
    START = 1
    REQUEST = 2
    WAIT = 3
    GET = 4
    UPDATE = 5
    RUN = 6
    FREE_UNTIL = 7
    GET_TOD = 8
    BROADCAST = 9


class Conductor:
    """The time of one guest, which connects to `address` while `serving` lasts.

    ``on_stop`` is called, from a thread of its own, when the guest has done all that was due before a time that it was allowed,
    with that time; once for each. Times are in ns since the guest's boot.
    """

    def __init__(self, on_stop: Callable[[int], None] = lambda _: None) -> None:
        self._on_stop = on_stop
        self._allowed = 0
        self._now = 0
        self._due: int | None = None
        self._told = -1
        self._lock = threading.Lock()
        self._wake: socket.socket | None = None

    def allow(self, until_ns: int) -> None:
        """Let the guest do all that is due before ``until_ns``; may be called from any thread."""
        with self._lock:
            self._allowed = max(self._allowed, until_ns)
            if self._wake is not None:
                with suppress(BlockingIOError):  # it has not yet heard of the last time
                    self._wake.send(b"\0")

    def free(self) -> None:
        """Let the guest run as fast as it can from now on."""
        self.allow(_FOR_EVER)

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Listen for the guest while the block lasts; gives a descriptor to hand on, under which it finds the socket.

        The socket's name is gone before anything is started, so that nothing is left whoever is killed.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with listener:
            with tempfile.TemporaryDirectory(prefix="roamlab-time-") as place:
                path = Path(place) / "time"
                listener.bind(str(path))
                listener.listen(1)
                named = os.open(path, os.O_PATH | os.O_CLOEXEC)
            wake, woken = socket.socketpair()
            wake.setblocking(False)
            with self._lock:
                self._wake = wake
            thread = threading.Thread(target=self._serve, args=(listener, woken), daemon=True)
            thread.start()
            try:
                yield named
            finally:
                with self._lock:
                    self._wake = None
                wake.close()
                thread.join()
                woken.close()
                os.close(named)

    # -- the protocol ------------------------------------------------------------------------------------------------

    def _serve(self, listener: socket.socket, woken: socket.socket) -> None:
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(listener, select.POLLIN)
        guest: socket.socket | None = None
        waiting = False
        try:
            while True:
                ready = {fd for fd, _ in poll.poll()}
                if woken.fileno() in ready and not woken.recv(_PAGE):
                    return
                if guest is None and listener.fileno() in ready:
                    poll.unregister(listener)
                    guest, _ = listener.accept()
                    poll.register(guest, select.POLLIN)
                elif guest is not None and guest.fileno() in ready:
                    message = _receive(guest)
                    if message is None:
                        return
                    waiting = self._answer(guest, *message)
                if guest is not None and waiting:
                    if self._may_go_on():
                        if not self._go_on(guest):
                            return
                        waiting = False
                    else:
                        self._tell()
        except OSError:  # the guest is gone
            return
        finally:
            if guest is not None:
                guest.close()

    def _answer(self, guest: socket.socket, op: int, seq: int, time: int) -> bool:
        """Answer a message of the guest's; whether it waits for its turn now."""
        match op:
            case _Op.START:
                _start(guest, seq)
            case _Op.REQUEST:
                self._due = time
                _send(guest, _Op.ACK, seq)
            case _Op.GET:
                _send(guest, _Op.ACK, seq, self._now)
            case _Op.UPDATE:
                self._now = max(self._now, time)
                _send(guest, _Op.ACK, seq)
            case _Op.WAIT:
                _send(guest, _Op.ACK, seq)
                return True
            case _Op.ACK:
                pass
            case _:
                _send(guest, _Op.ACK, seq)
        return False

    def _may_go_on(self) -> bool:
        with self._lock:
            return self._due is not None and self._due < self._allowed

    def _tell(self) -> None:
        """Say that the guest has stopped, once for each time that it was allowed."""
        with self._lock:
            reached = self._allowed
        if reached > self._told:
            self._told = reached
            self._on_stop(reached)

    def _go_on(self, guest: socket.socket) -> bool:
        """Let the waiting guest run: alone up to what is allowed. False where it is gone."""
        assert self._due is not None
        with self._lock:
            until = self._allowed
        self._now, self._due = max(self._now, self._due), None
        # It must have both before it does anything: each is answered first.
        for op, time in ((_Op.FREE_UNTIL, until), (_Op.RUN, self._now)):
            _send(guest, op, 0, time)
            if op is _Op.FREE_UNTIL and not self._acknowledged(guest):
                return False
        return True

    def _acknowledged(self, guest: socket.socket) -> bool:
        """Wait for an acknowledgement, answering what the guest asks meanwhile."""
        while (message := _receive(guest)) is not None:
            if message[0] == _Op.ACK:
                return True
            self._answer(guest, *message)
        return False


def _start(guest: socket.socket, seq: int) -> None:
    """Answer START with the two descriptors that it takes: shared memory, of a version that it declines, and a log."""
    memory = os.memfd_create("roamlab-time", os.MFD_CLOEXEC)
    log = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(memory, _PAGE)
        socket.send_fds(guest, [_MESSAGE.pack(_Op.ACK, seq, 0)], [memory, log])
    finally:
        os.close(memory)
        os.close(log)


def _send(guest: socket.socket, op: int, seq: int, time: int = 0) -> None:
    guest.sendall(_MESSAGE.pack(op, seq, time))


def _receive(guest: socket.socket) -> tuple[int, int, int] | None:
    data = b""
    while len(data) < _MESSAGE.size:
        part = guest.recv(_MESSAGE.size - len(data))
        if not part:
            return None
        data += part
    op, seq, time = _MESSAGE.unpack(data)
    return op, seq, time
