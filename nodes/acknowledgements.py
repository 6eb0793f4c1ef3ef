"""ASCONF-ACKs as they arrive at this node.

The socket API says nothing of them (RFC 6458 has no notification for the endpoint that asked), so the mobility manager reads
them beside the kernel: a raw SCTP socket gets a copy of each packet that arrives. A filter in the kernel drops what begins
with DATA, so that bulk traffic costs nothing.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import Final

from protocols.errors import DecodeError
from protocols.mobility import Command, Verb
from protocols.sctp import chunks
from protocols.sctp.parameters import PARAMETERS, AddIp, DeleteIp, ErrorCauseIndication, Parameter, SetPrimary

_IPPROTO_SCTP: Final = 132
_SO_ATTACH_FILTER: Final = 26
_COMMON_HEADER: Final = 12
_VERBS: Final[dict[type[Parameter], Verb]] = {
    AddIp: Verb.ADD,
    DeleteIp: Verb.DELETE,
    SetPrimary: Verb.SET_PRIMARY,
}

# Classic BPF (linux/filter.h): drop when the first chunk's type is 0. A raw IPv4 socket sees the IP header, IPv6's not.
_LOAD_HEADER_LENGTH: Final = (0xB1, 0, 0, 0)  # ldxb 4*([0]&0xf)
_LOAD_TYPE_BEHIND: Final = (0x50, 0, 0, _COMMON_HEADER)  # ldb [x+12]
_LOAD_TYPE: Final = (0x30, 0, 0, _COMMON_HEADER)  # ldb [12]
_DECIDE: Final = ((0x15, 0, 1, 0), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF))  # jeq #0; ret 0; ret all


class AcknowledgementWatch:
    """Reads the ASCONF-ACKs that arrive over IPv4 (``family`` 4) or IPv6 (6). Needs CAP_NET_RAW."""

    def __init__(self, family: int) -> None:
        self._ipv4 = family == 4
        kind = socket.AF_INET if self._ipv4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_RAW, _IPPROTO_SCTP)
        self._socket.setblocking(False)
        load = (_LOAD_HEADER_LENGTH, _LOAD_TYPE_BEHIND) if self._ipv4 else (_LOAD_TYPE,)
        program = b"".join(struct.pack("=HBBI", *instruction) for instruction in (*load, *_DECIDE))
        code = ctypes.create_string_buffer(program, len(program))
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, ctypes.addressof(code))
        )

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Iterator[frozenset[Command]]:
        """For each ASCONF-ACK that has arrived: the requests that it refuses (none when all was accepted)."""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            header = (data[0] & 0xF) * 4 if self._ipv4 else 0
            try:
                bundled = chunks.decode(data[header + _COMMON_HEADER :])
            except DecodeError:
                continue  # not for us to judge; the kernel has dropped it or will answer it
            for chunk in bundled:
                if isinstance(chunk, chunks.AsconfAck):
                    yield refused(chunk)


def refused(acknowledgement: chunks.AsconfAck) -> frozenset[Command]:
    """The requests that an ASCONF-ACK refuses; a cause carries a copy of the request it is about (RFC 5061, 4.2.3)."""
    commands = set()
    for indication in acknowledgement.parameters:
        if not isinstance(indication, ErrorCauseIndication):
            continue
        for cause in indication.causes:
            try:
                copies = PARAMETERS.decode(getattr(cause, "copied", b""))
            except DecodeError:
                continue
            for request in copies:
                if isinstance(request, AddIp | DeleteIp | SetPrimary):
                    commands.add(Command(_VERBS[type(request)], str(request.address)))
    return frozenset(commands)
