"""Error causes (RFC 9260, 3.3.10; RFC 5061, 4.3; RFC 4895, 4.1), as ERROR, ABORT and ASCONF-ACK chunks carry them.

What a cause copies from the offending packet (a chunk, parameters) is kept as the bytes that came: a sender may have
cut it, and it was offending to begin with.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp.tlv import BYTES, U16S, Options, Tlv


class Cause(Tlv):
    """An error cause."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RawCause(Cause):
    """A cause of a type that is not known here."""

    type: int
    value: bytes = b""
    tail = BYTES


@dataclass(frozen=True, slots=True)
class InvalidStreamIdentifier(Cause):
    """RFC 9260, 3.3.10.1."""

    stream: int
    type = 1
    name = "Invalid Stream Identifier"
    fixed = Struct("!H2x")


@dataclass(frozen=True, slots=True)
class MissingMandatoryParameter(Cause):
    """RFC 9260, 3.3.10.2: the types of the missing parameters."""

    missing: tuple[int, ...]
    type = 2
    name = "Missing Mandatory Parameter"

    @classmethod
    def _parse(cls, body: bytes, **header: int) -> "MissingMandatoryParameter":
        if len(body) < 4 or len(body) != 4 + 2 * int.from_bytes(body[:4], "big"):
            raise DecodeError(f"{cls.name}: the count does not fit {len(body)} bytes")
        return cls(U16S.decode(body[4:]), **header)

    def _body(self) -> bytes:
        return len(self.missing).to_bytes(4, "big") + U16S.encode(self.missing)


@dataclass(frozen=True, slots=True)
class StaleCookie(Cause):
    """RFC 9260, 3.3.10.3: by how many microseconds the cookie is too old."""

    staleness_us: int
    type = 3
    name = "Stale Cookie"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class OutOfResource(Cause):
    """RFC 9260, 3.3.10.4."""

    type = 4
    name = "Out of Resource"


@dataclass(frozen=True, slots=True)
class UnresolvableAddress(Cause):
    """RFC 9260, 3.3.10.5: the address parameter, or the request that held it."""

    copied: bytes
    type = 5
    name = "Unresolvable Address"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class UnrecognizedChunkType(Cause):
    """RFC 9260, 3.3.10.6: the chunk."""

    chunk: bytes
    type = 6
    name = "Unrecognized Chunk Type"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class InvalidMandatoryParameter(Cause):
    """RFC 9260, 3.3.10.7. Empty by the RFC; some stacks copy the parameter."""

    copied: bytes = b""
    type = 7
    name = "Invalid Mandatory Parameter"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class UnrecognizedParameters(Cause):
    """RFC 9260, 3.3.10.8: the parameters."""

    copied: bytes
    type = 8
    name = "Unrecognized Parameters"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class NoUserData(Cause):
    """RFC 9260, 3.3.10.9: the TSN of the DATA chunk without data."""

    tsn: int
    type = 9
    name = "No User Data"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class CookieReceivedWhileShuttingDown(Cause):
    """RFC 9260, 3.3.10.10."""

    type = 10
    name = "Cookie Received While Shutting Down"


@dataclass(frozen=True, slots=True)
class RestartWithNewAddresses(Cause):
    """RFC 9260, 3.3.10.11: the new addresses' parameters."""

    copied: bytes
    type = 11
    name = "Restart of an Association with New Addresses"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class UserInitiatedAbort(Cause):
    """RFC 9260, 3.3.10.12: the upper layer's reason."""

    reason: bytes = b""
    type = 12
    name = "User-Initiated Abort"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class ProtocolViolation(Cause):
    """RFC 9260, 3.3.10.13."""

    information: bytes = b""
    type = 13
    name = "Protocol Violation"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class RequestToDeleteLastRemainingAddress(Cause):
    """RFC 5061, 4.3.1: the request."""

    copied: bytes
    type = 0xA0
    name = "Request to Delete Last Remaining IP Address"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class RefusedDueToResourceShortage(Cause):
    """RFC 5061, 4.3.2: the request."""

    copied: bytes
    type = 0xA1
    name = "Operation Refused Due to Resource Shortage"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class RequestToDeleteSourceAddress(Cause):
    """RFC 5061, 4.3.3: the request."""

    copied: bytes
    type = 0xA2
    name = "Request to Delete Source IP Address"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class IllegalAsconfAck(Cause):
    """RFC 5061, 4.3.4: an ASCONF-ACK that nobody waited for. Some stacks copy bytes of it."""

    copied: bytes = b""
    type = 0xA3
    name = "Association Aborted Due to Illegal ASCONF-ACK"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class RefusedNoAuthorization(Cause):
    """RFC 5061, 4.3.5: the request."""

    copied: bytes
    type = 0xA4
    name = "Request Refused - No Authorization"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class UnsupportedHmacIdentifier(Cause):
    """RFC 4895, 4.1: the identifier that is not supported."""

    hmac_id: int
    type = 0x0105
    name = "Unsupported HMAC Identifier"
    fixed = Struct("!H")


CAUSES: Final = Options[Cause](
    "error cause",
    (
        InvalidStreamIdentifier,
        MissingMandatoryParameter,
        StaleCookie,
        OutOfResource,
        UnresolvableAddress,
        UnrecognizedChunkType,
        InvalidMandatoryParameter,
        UnrecognizedParameters,
        NoUserData,
        CookieReceivedWhileShuttingDown,
        RestartWithNewAddresses,
        UserInitiatedAbort,
        ProtocolViolation,
        RequestToDeleteLastRemainingAddress,
        RefusedDueToResourceShortage,
        RequestToDeleteSourceAddress,
        IllegalAsconfAck,
        RefusedNoAuthorization,
        UnsupportedHmacIdentifier,
    ),
    RawCause,
)
"""Every cause by its code: `CAUSES.decode_one(data)` gives the first and the rest, `CAUSES.decode(data)` all."""
