"""One process captures on the NICs of all hosts and writes one pcapng file.

The builder opens a packet socket in each host's namespace and hands it over; the process itself enters no namespace. It
ends when its control socket closes, be it because the builder asks or because it was killed, after writing what the
kernel had captured by then.

What a capture costs in a guest is system calls and changes from process to process; so packets are let wait where the kernel
keeps them, taken many at a time and written in one piece. A piece ends with a block, and so does what a killed process leaves.
"""

import errno
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from roamlab.linux.libc import die_with_parent
from roamlab.linux.namespace import Namespace
from roamlab.linux.sockets import force_receive_buffer
from roamlab.network.packets import SO_TIMESTAMPNS, Packet, PacketReader
from roamlab.protocols.pcapng import ETHERNET, RAW, Direction, Writer

_ETH_P_ALL: Final = 0x0003
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_PACKET_OTHERHOST, _PACKET_OUTGOING = 3, 4
_RECEIVE_BUFFER: Final = 32 * 1024 * 1024  # taken only while packets wait in it
_TIMESPEC: Final = struct.Struct("=qq")
_STATISTICS: Final = struct.Struct("=II")  # tpacket_stats: packets, those dropped included; dropped
_ANCILLARY: Final = socket.CMSG_SPACE(_TIMESPEC.size)
_MESSAGE: Final = 4096
_TURN: Final = 4096  # packets of one NIC at a time, so that a flood on one leaves the others their share
_HOLD_MS: Final = 250  # how long packets are let wait for more to come
_PR_SET_PDEATHSIG: Final = 1
_RAW_MARK: Final = b"\0raw"  # behind the name of an interface on the control socket


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """What a capture held: packets written and packets that the kernel dropped, by NIC (`node.nic`).

    `error` says why the capture is not whole (a full disk, say), and is empty if it is.
    """

    packets: Mapping[str, int]
    dropped: Mapping[str, int]
    error: str = ""


class Capture:
    """A capture under way; `pid` is the process's."""

    def __init__(self, path: Path, namespace: Namespace) -> None:
        """Start the capturing process, which makes or empties `path`.

        `namespace` is any with its loopback up.

        Raises:
            OSError: `path` can't be written.

        """
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            parent = os.getpid()
            self.pid = os.fork()
            if not self.pid:
                _child(theirs, file, parent)
            theirs.close()
        finally:
            os.close(file)
        self._stamped = _switch_timestamps_on(namespace)

    def add(self, name: str, namespace: Namespace, nic: str, *, raw: bool = False) -> None:
        """Capture on a NIC of a namespace from now on, as interface `name`; `raw` is for a tunnel, whose packets have no frame.

        A capture that has ended (a full disk) takes no more NICs; that is no reason to end an experiment, and `stop` tells.

        Raises:
            OSError: no such NIC.

        """
        with namespace.entered():
            # Without a protocol the socket takes nothing until it is bound to its NIC.
            tap = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
            )
        with tap:
            tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            try:
                force_receive_buffer(tap, _RECEIVE_BUFFER)
            except PermissionError:  # root of a user namespace
                tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            tap.bind((nic, _ETH_P_ALL))
            with suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._control, [name.encode() + (_RAW_MARK if raw else b"")], [tap.fileno()])

    def stop(self) -> CaptureReport:
        """End the capture when all that the kernel has captured is written."""
        with suppress(OSError):  # it has ended by itself
            self._control.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):
            while part := self._control.recv(1 << 20):
                answer += part
        self._control.close()
        self._stamped.close()
        os.waitpid(self.pid, 0)
        if not answer:
            return CaptureReport({}, {}, "the capturing process was killed")
        return msgspec.json.decode(answer, type=CaptureReport)


def _switch_timestamps_on(namespace: Namespace) -> socket.socket:
    """Wait until the kernel stamps packets as they pass: it begins some time after the first socket has asked for it.

    Until then a packet gets the time at which it is read. Returns the socket that keeps the stamps on.
    """
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind(("127.0.0.1", 0))
    while True:
        sock.sendto(b"", sock.getsockname())
        time.sleep(0.0005)
        sent = time.time_ns()
        if _time(sock.recvmsg(1, _ANCILLARY)[1]) < sent:
            return sock


def _child(control: socket.socket, file: int, parent: int) -> NoReturn:
    """The capturing process, from fork to end."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the builder decides when to end
        signal.signal(signal.SIGTERM, lambda *_: control.shutdown(socket.SHUT_RD))
        # The builder's end of the socket may live on in processes it forked; its death must still end the capture.
        die_with_parent(signal.SIGTERM)
        _keep_only(control.fileno(), file)
        if os.getppid() == parent:
            try:
                report = _Recorder(control, file).run()
            except OSError as problem:  # not even the file's head could be written
                report = CaptureReport({}, {}, str(problem))
            control.setblocking(True)
            with suppress(OSError):
                control.send(msgspec.json.encode(report))
    finally:
        os._exit(0)


def _keep_only(*fds: int) -> None:
    """Close all other descriptors but standard error: namespaces, sockets and files of the builder's live in them."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


class _Recorder:
    """The capturing process's work: packet sockets in, blocks out."""

    def __init__(self, control: socket.socket, file: int) -> None:
        self._control = control
        control.setblocking(False)  # recv_fds takes flags and does not pass them on
        self._file = _WholeBlocks(file)
        self._writer = Writer(self._file)
        self._file.flush()
        self._taps: dict[int, tuple[int, socket.socket]] = {}  # by descriptor: interface number, socket
        self._names: list[str] = []
        self._counts: list[int] = []
        self._reader = PacketReader()
        self._poll = select.epoll()
        self._joining = select.poll()  # select's would stop at descriptor 1023
        self._joining.register(control, select.POLLIN)

    def run(self) -> CaptureReport:
        """Record until the control socket closes and all is drained."""
        error = ""
        self._poll.register(self._control, select.EPOLLIN)
        try:
            running = True
            while running:
                self._poll.poll()
                if self._joining.poll(_HOLD_MS):
                    running = self._join()
                self._record(fd for fd, _ in self._poll.poll(0) if fd in self._taps)
            while self._record(self._taps):
                pass
        except OSError as problem:
            error = str(problem)
        packets = dict(zip(self._names, self._counts, strict=True))
        dropped = {self._names[number]: _dropped(tap) for number, tap in self._taps.values()}
        return CaptureReport(packets, dropped, error)

    def _join(self) -> bool:
        """Take the NICs that wait at the control socket; False at its end."""
        while True:
            try:
                name, fds, _, _ = socket.recv_fds(self._control, _MESSAGE, 1)
            except BlockingIOError:
                return True
            if not name:
                return False
            tap = socket.socket(fileno=fds[0])
            linktype = RAW if name.endswith(_RAW_MARK) else ETHERNET
            name = name.removesuffix(_RAW_MARK)
            self._taps[tap.fileno()] = self._writer.interface(name.decode(), linktype=linktype), tap
            self._names.append(name.decode())
            self._counts.append(0)
            self._poll.register(tap, select.EPOLLIN)

    def _record(self, fds: "Iterator[int] | dict[int, tuple[int, socket.socket]]") -> int:
        """Write what waits in these sockets, by time and, at the same time, by interface; return how many."""
        found: list[tuple[int, int, int, int, bytes]] = []
        for fd in sorted(fds):
            number, _ = self._taps[fd]
            for order, (when, kind, data) in enumerate(self._drain(fd)):
                # A NIC takes frames for itself and for groups; a segment that floods shows it others' as well.
                if kind != _PACKET_OTHERHOST:
                    found.append((when, number, order, kind, data))
        found.sort()
        for when, number, _, kind, data in found:
            direction = Direction.OUT if kind == _PACKET_OUTGOING else Direction.IN
            self._writer.packet(number, when, data, direction=direction)
            self._counts[number] += 1
        self._file.flush()
        return len(found)

    def _drain(self, fd: int) -> Iterator[Packet]:
        for _ in range(_TURN // self._reader.at_once):
            try:
                packets = self._reader.read(fd)
            except (
                OSError
            ):  # the NIC went down or was removed; said once, and what came before is still there
                continue
            yield from packets
            if len(packets) < self._reader.at_once:
                return


class _WholeBlocks:
    """A file to which blocks are added in memory, and which takes them in one write."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._blocks: list[bytes] = []

    def write(self, block: bytes) -> int:
        """Add a block."""
        self._blocks.append(block)
        return len(block)

    def flush(self) -> None:
        """Write what was added; raises OSError when there is no room for all of it."""
        data = b"".join(self._blocks)
        self._blocks.clear()
        if data and os.write(self._fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _time(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


def _dropped(tap: socket.socket) -> int:
    _, dropped = _STATISTICS.unpack(tap.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size))
    return int(dropped)
