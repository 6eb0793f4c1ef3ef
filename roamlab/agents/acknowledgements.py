"""ASCONF-ACKs as they arrive at this node.

The socket API says nothing of them (RFC 6458 has no notification for the endpoint that asked), so the mobility manager reads
them beside the kernel: a raw SCTP socket gets a copy of each packet that arrives. A filter in the kernel drops what begins
with DATA, and a SACK with nothing or DATA behind it, so that bulk traffic costs nothing.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from roamlab.linux.sockets import attach_filter
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.mobility import AddressRequest, Verb
from roamlab.protocols.sctp import chunks
from roamlab.protocols.sctp.parameters import (
    PARAMETERS,
    AddIp,
    DeleteIp,
    ErrorCauseIndication,
    Parameter,
    SetPrimary,
)

_IPPROTO_SCTP: Final = 132
_COMMON_HEADER: Final = 12
_VERBS: Final[dict[type[Parameter], Verb]] = {
    AddIp: Verb.ADD,
    DeleteIp: Verb.DELETE,
    SetPrimary: Verb.SET_PRIMARY,
}

# Classic BPF (linux/filter.h). What is read from behind the end of a packet drops it.
_LOAD_HEADER_LENGTH: Final = (0xB1, 0, 0, 0)  # ldxb 4*([0]&0xf): a raw IPv4 socket sees the IP header
_NO_HEADER: Final = (0x01, 0, 0, 0)  # ldx #0: IPv6's does not
_DECIDE: Final = (
    (0x50, 0, 0, _COMMON_HEADER),  # ldb [x+12], the first chunk's type
    (0x15, 6, 0, chunks.Data.type),  # jeq: drop
    (0x15, 0, 6, chunks.Sack.type),  # jne: keep
    (0x48, 0, 0, _COMMON_HEADER + 2),  # ldh [x+14], its length: a SACK's needs no padding
    (0x0C, 0, 0, 0),  # add x
    (0x07, 0, 0, 0),  # tax
    (0x50, 0, 0, _COMMON_HEADER),  # ldb [x+12], the next chunk's type
    (0x15, 0, 1, chunks.Data.type),  # jne: keep
    (0x06, 0, 0, 0),  # ret 0
    (0x06, 0, 0, 0xFFFF),  # ret all
)


class Answer(NamedTuple):
    """An ASCONF-ACK that arrived: by its ports the association, and the requests that it refuses (none: all was accepted)."""

    own_port: int
    peer_port: int
    refused: frozenset[AddressRequest]


class AcknowledgementWatch:
    """Reads the ASCONF-ACKs that arrive over IPv4 (``family`` 4) or IPv6 (6). Needs CAP_NET_RAW."""

    def __init__(self, family: int) -> None:
        self._ipv4 = family == 4
        kind = socket.AF_INET if self._ipv4 else socket.AF_INET6
        self._socket = socket.socket(kind, socket.SOCK_RAW, _IPPROTO_SCTP)
        self._socket.setblocking(False)
        attach(self._socket, ipv4=self._ipv4)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> Iterator[Answer]:
        """The ASCONF-ACKs that have arrived."""
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
                    peer_port, own_port = struct.unpack_from("!HH", data, header)
                    yield Answer(own_port, peer_port, refused(chunk))


def attach(sock: socket.socket, *, ipv4: bool) -> None:
    """Have the kernel keep from a socket the SCTP packets (behind an IPv4 header, if so) that hold no ASCONF-ACK."""
    load = _LOAD_HEADER_LENGTH if ipv4 else _NO_HEADER
    attach_filter(sock, (load, *_DECIDE))


def refused(acknowledgement: chunks.AsconfAck) -> frozenset[AddressRequest]:
    """The requests that an ASCONF-ACK refuses; a cause carries a copy of the request it is about (RFC 5061, 4.3)."""
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
                    commands.add(AddressRequest(_VERBS[type(request)], str(request.address)))
    return frozenset(commands)
