"""Parameters of chunks: RFC 9260, 3.3.2 and 3.3.3; RFC 5061, 4.2; RFC 4895, 3; RFC 3758, 3.1; RFC 6525, 4; RFC 9653, 3."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.ip import Address, ipv4, ipv6
from roamlab.protocols.sctp.causes import CAUSES, Cause
from roamlab.protocols.sctp.tlv import BYTES, U8S, U16S, U32S, Options, Tlv


class Parameter(Tlv):
    """A parameter of a chunk."""

    __slots__ = ()


class AddressTail:
    """A tail that is one IPv4 or IPv6 address parameter, as the address itself."""

    def encode(self, value: Address) -> bytes:
        """Return the address as its parameter."""
        return address_parameter(value).encode()

    def decode(self, data: bytes) -> Address:
        """Return the address of the parameter that fills `data`."""
        if data[:4] == b"\x00\x05\x00\x08":
            return ipv4(data[4:])
        if data[:4] == b"\x00\x06\x00\x14":
            return ipv6(data[4:])
        raise DecodeError(f"no address parameter: {data[:24].hex()}")


_ADDRESS = AddressTail()


class _IPv4Tail:
    def encode(self, value: IPv4Address) -> bytes:
        return value.packed

    def decode(self, data: bytes) -> IPv4Address:
        return ipv4(data)


class _IPv6Tail:
    def encode(self, value: IPv6Address) -> bytes:
        return value.packed

    def decode(self, data: bytes) -> IPv6Address:
        return ipv6(data)


@dataclass(frozen=True, slots=True)
class RawParameter(Parameter):
    """A parameter of a type that is not known here."""

    type: int
    value: bytes = b""
    tail = BYTES


@dataclass(frozen=True, slots=True)
class HeartbeatInfo(Parameter):
    """RFC 9260, 3.3.5: opaque to all but its sender."""

    information: bytes
    type = 1
    name = "Heartbeat Info"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class IPv4Parameter(Parameter):
    """RFC 9260, 3.3.2.1.1."""

    address: IPv4Address
    type = 5
    name = "IPv4 Address"
    tail = _IPv4Tail()


@dataclass(frozen=True, slots=True)
class IPv6Parameter(Parameter):
    """RFC 9260, 3.3.2.1.2."""

    address: IPv6Address
    type = 6
    name = "IPv6 Address"
    tail = _IPv6Tail()


@dataclass(frozen=True, slots=True)
class StateCookie(Parameter):
    """RFC 9260, 3.3.3.1.1."""

    cookie: bytes
    type = 7
    name = "State Cookie"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class UnrecognizedParameter(Parameter):
    """RFC 9260, 3.3.3.1.2: the whole parameter that was not recognized."""

    copied: bytes
    type = 8
    name = "Unrecognized Parameter"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class CookiePreservative(Parameter):
    """RFC 9260, 3.3.2.1.3: by how many milliseconds the cookie should live longer."""

    increment_ms: int
    type = 9
    name = "Cookie Preservative"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class HostName(Parameter):
    """RFC 9260, 3.3.2.1.4, deprecated: a host name, its terminating null included."""

    host: bytes
    type = 11
    name = "Host Name Address"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class SupportedAddressTypes(Parameter):
    """RFC 9260, 3.3.2.1.5: parameter types, 5 for IPv4 and 6 for IPv6."""

    types: tuple[int, ...]
    type = 12
    name = "Supported Address Types"
    tail = U16S


@dataclass(frozen=True, slots=True)
class OutgoingSsnResetRequest(Parameter):
    """RFC 6525, 4.1; no streams means all."""

    request: int
    response: int
    last_tsn: int
    streams: tuple[int, ...] = ()
    type = 13
    name = "Outgoing SSN Reset Request"
    fixed = Struct("!III")
    tail = U16S


@dataclass(frozen=True, slots=True)
class IncomingSsnResetRequest(Parameter):
    """RFC 6525, 4.2; no streams means all."""

    request: int
    streams: tuple[int, ...] = ()
    type = 14
    name = "Incoming SSN Reset Request"
    fixed = Struct("!I")
    tail = U16S


@dataclass(frozen=True, slots=True)
class SsnTsnResetRequest(Parameter):
    """RFC 6525, 4.3."""

    request: int
    type = 15
    name = "SSN/TSN Reset Request"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class ReconfigurationResponse(Parameter):
    """RFC 6525, 4.4; `next_tsns` is (sender's, receiver's) or empty."""

    response: int
    result: int
    next_tsns: tuple[int, ...] = ()
    type = 16
    name = "Re-configuration Response"
    _sizes = (8, 16)

    @classmethod
    def _parse(cls, body: bytes, **header: int) -> "ReconfigurationResponse":
        if len(body) not in cls._sizes:
            raise DecodeError(f"{cls.name}: value of {len(body)} bytes, 8 or 16 expected")
        response, result, *next_tsns = U32S.decode(body)
        return cls(response, result, tuple(next_tsns), **header)

    def _body(self) -> bytes:
        return U32S.encode((self.response, self.result, *self.next_tsns))


@dataclass(frozen=True, slots=True)
class AddOutgoingStreamsRequest(Parameter):
    """RFC 6525, 4.5."""

    request: int
    streams: int
    type = 17
    name = "Add Outgoing Streams Request"
    fixed = Struct("!IH2x")


@dataclass(frozen=True, slots=True)
class AddIncomingStreamsRequest(Parameter):
    """RFC 6525, 4.6."""

    request: int
    streams: int
    type = 18
    name = "Add Incoming Streams Request"
    fixed = Struct("!IH2x")


@dataclass(frozen=True, slots=True)
class EcnCapable(Parameter):
    """RFC 9260, 3.3.2."""

    type = 0x8000
    name = "ECN Capable"


@dataclass(frozen=True, slots=True)
class ZeroChecksumAcceptable(Parameter):
    """RFC 9653, 3: the alternate error detection method's identifier."""

    method: int
    type = 0x8001
    name = "Zero Checksum Acceptable"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class Random(Parameter):
    """RFC 4895, 3.1: 32 random bytes, the sender's part of the association's key."""

    number: bytes
    type = 0x8002
    name = "RANDOM"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class ChunkList(Parameter):
    """RFC 4895, 3.2: the chunk types that the sender takes only behind an AUTH chunk."""

    chunk_types: tuple[int, ...]
    type = 0x8003
    name = "CHUNKS"
    tail = U8S


@dataclass(frozen=True, slots=True)
class HmacAlgorithms(Parameter):
    """RFC 4895, 3.3: HMAC identifiers, the preferred first; 1 is SHA-1, 3 is SHA-256."""

    hmac_ids: tuple[int, ...]
    type = 0x8004
    name = "HMAC-ALGO"
    tail = U16S


@dataclass(frozen=True, slots=True)
class Padding(Parameter):
    """RFC 4820, 4."""

    padding: bytes = b""
    type = 0x8005
    name = "Padding"
    tail = BYTES


@dataclass(frozen=True, slots=True)
class SupportedExtensions(Parameter):
    """RFC 5061, 4.2.7: the chunk types of the extensions that the sender knows."""

    chunk_types: tuple[int, ...]
    type = 0x8008
    name = "Supported Extensions"
    tail = U8S


@dataclass(frozen=True, slots=True)
class ForwardTsnSupported(Parameter):
    """RFC 3758, 3.1."""

    type = 0xC000
    name = "Forward-TSN-Supported"


@dataclass(frozen=True, slots=True)
class AddIp(Parameter):
    """RFC 5061, 4.2.1; the wildcard address means the packet's source."""

    correlation_id: int
    address: Address
    type = 0xC001
    name = "ADD IP"
    fixed = Struct("!I")
    tail = _ADDRESS


@dataclass(frozen=True, slots=True)
class DeleteIp(Parameter):
    """RFC 5061, 4.2.2; the wildcard address means all but the packet's source."""

    correlation_id: int
    address: Address
    type = 0xC002
    name = "DELETE IP"
    fixed = Struct("!I")
    tail = _ADDRESS


@dataclass(frozen=True, slots=True)
class ErrorCauseIndication(Parameter):
    """RFC 5061, 4.2.3: why the request with this correlation ID failed."""

    correlation_id: int
    causes: tuple[Cause, ...]
    type = 0xC003
    name = "Error Cause Indication"
    fixed = Struct("!I")
    tail = CAUSES


@dataclass(frozen=True, slots=True)
class SetPrimary(Parameter):
    """RFC 5061, 4.2.4: the address that the peer should send to; the wildcard means the packet's source."""

    correlation_id: int
    address: Address
    type = 0xC004
    name = "SET PRIMARY"
    fixed = Struct("!I")
    tail = _ADDRESS


@dataclass(frozen=True, slots=True)
class Success(Parameter):
    """RFC 5061, 4.2.5: the request with this correlation ID was carried out."""

    correlation_id: int
    type = 0xC005
    name = "Success"
    fixed = Struct("!I")


@dataclass(frozen=True, slots=True)
class AdaptationIndication(Parameter):
    """RFC 5061, 4.2.6."""

    code_point: int
    type = 0xC006
    name = "Adaptation Layer Indication"
    fixed = Struct("!I")


PARAMETERS: Final = Options[Parameter](
    "parameter",
    (
        HeartbeatInfo,
        IPv4Parameter,
        IPv6Parameter,
        StateCookie,
        UnrecognizedParameter,
        CookiePreservative,
        HostName,
        SupportedAddressTypes,
        OutgoingSsnResetRequest,
        IncomingSsnResetRequest,
        SsnTsnResetRequest,
        ReconfigurationResponse,
        AddOutgoingStreamsRequest,
        AddIncomingStreamsRequest,
        EcnCapable,
        ZeroChecksumAcceptable,
        Random,
        ChunkList,
        HmacAlgorithms,
        Padding,
        SupportedExtensions,
        ForwardTsnSupported,
        AddIp,
        DeleteIp,
        ErrorCauseIndication,
        SetPrimary,
        Success,
        AdaptationIndication,
    ),
    RawParameter,
)
"""Every parameter by its type: `PARAMETERS.decode_one(data)` gives the first and the rest, `PARAMETERS.decode(data)` all."""


def address_parameter(address: Address) -> IPv4Parameter | IPv6Parameter:
    """Return the parameter that carries `address`."""
    return IPv4Parameter(address) if isinstance(address, IPv4Address) else IPv6Parameter(address)


def addresses(parameters: tuple[Parameter, ...]) -> tuple[Address, ...]:
    """Return the addresses that `parameters` list, in their order."""
    return tuple(item.address for item in parameters if isinstance(item, IPv4Parameter | IPv6Parameter))
