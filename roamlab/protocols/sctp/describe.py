"""Chunks, parameters and causes in words: a line for people, or every field by its name."""

from collections.abc import Iterator
from dataclasses import fields
from functools import singledispatch
from typing import Final, NamedTuple, TypeGuard

from roamlab.protocols.errors import DecodeError
from roamlab.protocols.sctp import causes as c
from roamlab.protocols.sctp import chunks as k
from roamlab.protocols.sctp import parameters as p
from roamlab.protocols.sctp.tlv import Tlv

_LONGEST = 32  # bytes of opaque data that a line shows
_HEXADECIMAL: Final = frozenset({"tag", "type", "chunk_types", "flags", "missing"})
_CONTAINERS: Final = (p.UnrecognizedParameter, p.ErrorCauseIndication)
"""What copies may hold and be held by: opened no further, as a hostile packet could nest thousands."""


@singledispatch
def describe(item: Tlv) -> str:
    """Return a line such as "ASCONF serial=7 lookup=192.0.2.1 ADD 198.51.100.7 id=1 DELETE 192.0.2.1 id=2"."""
    return " ".join((item.name, *(f"{name}={_short(value)}" for name, value in _shown(item))))


class Line(NamedTuple):
    """One line of what a packet says: a field's name with its value, or with what is nested in it below; or an item's name.

    ``depth`` counts from 0; printed it is two blanks a level.
    """

    depth: int
    name: str
    value: str | None = None
    is_field: bool = True

    def __str__(self) -> str:
        colon = ":" if self.is_field else ""
        return "  " * self.depth + self.name + colon + (f" {self.value}" if self.value is not None else "")


def heading(name: str, depth: int = 0) -> Line:
    """The line that names an item."""
    return Line(depth, name, is_field=False)


def outline(item: Tlv, depth: int = 0, *, headers: bool = False) -> Iterator[Line]:
    """Yield the item's name, then each field by its name, nested ones deeper.

    With `headers` the name is followed by what the item's own header says (RFC 9260, 3.2 and 3.2.1): type, a chunk's flags,
    and length in bytes.
    """
    yield heading(f"{item.name}{_header(item) if headers else ''}", depth)
    for name, value in _shown(item):
        if headers and name == "flags":
            continue
        inside = _inside(name, value)
        if inside:
            yield Line(depth + 1, name)
            for inner in inside:
                yield from outline(inner, depth + 2, headers=headers)
        else:
            yield Line(depth + 1, name, _long(name, value))


def _header(item: Tlv) -> str:
    """The item's header in words; the length is that of what was decoded, made again."""
    length = len(item.unpadded())
    if isinstance(item, k.Chunk):
        return f" (0x{item.type:02x}), flags 0x{item.flags:02x}, length {length}"
    return f" (0x{item.type:04x}), length {length}"


def _inside(name: str, value: object) -> tuple[Tlv, ...]:
    """What is nested in a field: items, or the parameters that a cause copied where they are whole."""
    if _nested(value):
        return value
    if name != "copied" or not isinstance(value, bytes):
        return ()
    try:
        items = p.PARAMETERS.decode(value)
    except DecodeError:
        return ()
    return () if any(isinstance(item, _CONTAINERS) for item in items) else items


def _shown(item: Tlv) -> Iterator[tuple[str, object]]:
    """Yield name and value of each field worth showing."""
    for field in fields(item):  # type: ignore[arg-type]
        value = getattr(item, field.name)
        if field.name == "type" or (field.name == "flags" and not value):
            continue
        yield field.name, value


def _nested(value: object) -> TypeGuard[tuple[Tlv, ...]]:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], Tlv)


def _short(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)}B"
    if isinstance(value, tuple):
        return "[" + ", ".join(describe(item) if isinstance(item, Tlv) else str(item) for item in value) + "]"
    return str(value)


def _long(name: str, value: object) -> str:
    if isinstance(value, bytes):
        more = f"... ({len(value)} bytes)" if len(value) > _LONGEST else ""
        return value[:_LONGEST].hex() + more
    if isinstance(value, tuple):
        return ", ".join(_long(name, item) for item in value) or "none"
    if name == "chunk_types" and isinstance(value, int):
        return chunk_name(value)
    if name in _HEXADECIMAL and isinstance(value, int):
        return f"0x{value:x}"
    return str(value)


def chunk_name(kind: int) -> str:
    """Return the name of a chunk type."""
    return str(k.KINDS[kind].name) if kind in k.KINDS else f"0x{kind:02x}"


def _all(items: tuple[Tlv, ...]) -> str:
    return "".join(" " + describe(item) for item in items)


def _copied(data: bytes) -> str:
    """What a cause or parameter copied; containers are named only."""
    try:
        items = p.PARAMETERS.decode(data)
    except DecodeError:
        return f"{len(data)}B"
    return ", ".join(item.name if isinstance(item, _CONTAINERS) else describe(item) for item in items)


def _initiation(item: k.Init | k.InitAck) -> str:
    head = f"{item.name} tag=0x{item.tag:08x} a_rwnd={item.a_rwnd} streams={item.outbound_streams}/{item.inbound_streams}"
    return f"{head} tsn={item.tsn}{_all(item.parameters)}"


describe.register(k.Init)(_initiation)
describe.register(k.InitAck)(_initiation)


@describe.register
def _(item: k.Data) -> str:
    bits = "".join(
        letter
        for letter, bit in zip(
            "IUBE", (item.immediate, item.unordered, item.beginning, item.ending), strict=True
        )
        if bit
    )
    return f"DATA tsn={item.tsn} stream={item.stream} ssn={item.ssn} ppid={item.ppid} {bits or '-'} {len(item.data)}B"


@describe.register
def _(item: k.Sack) -> str:
    tsns = ((item.cumulative_tsn + offset & 0xFFFFFFFF for offset in block) for block in item.gaps)
    gaps = ",".join("-".join(map(str, block)) for block in tsns)
    duplicates = ",".join(map(str, item.duplicates))
    line = f"SACK cumulative_tsn={item.cumulative_tsn} a_rwnd={item.a_rwnd}"
    return line + (f" gaps={gaps}" if gaps else "") + (f" duplicates={duplicates}" if duplicates else "")


@describe.register
def _(item: k.Asconf) -> str:
    return f"ASCONF serial={item.serial} lookup={item.lookup or 'missing'}{_all(item.requests)}"


@describe.register
def _(item: k.AsconfAck) -> str:
    # RFC 5061, 4.1.2: requests without an answer have been carried out.
    return f"ASCONF-ACK serial={item.serial}{_all(item.parameters) or ' all carried out'}"


def _causes(item: k.Abort | k.Error) -> str:
    return item.name + _all(item.causes)


describe.register(k.Abort)(_causes)
describe.register(k.Error)(_causes)


def _heartbeat(item: k.Heartbeat | k.HeartbeatAck) -> str:
    return item.name


describe.register(k.Heartbeat)(_heartbeat)
describe.register(k.HeartbeatAck)(_heartbeat)


@describe.register
def _(item: k.Auth) -> str:
    return f"AUTH key={item.key_id} hmac={ {1: 'SHA-1', 3: 'SHA-256'}.get(item.hmac_id, item.hmac_id) }"


def _address(item: p.IPv4Parameter | p.IPv6Parameter) -> str:
    return str(item.address)


describe.register(p.IPv4Parameter)(_address)
describe.register(p.IPv6Parameter)(_address)


def _request(item: p.AddIp | p.DeleteIp | p.SetPrimary) -> str:
    return f"{item.name.removesuffix(' IP')} {item.address} id={item.correlation_id}"


describe.register(p.AddIp)(_request)
describe.register(p.DeleteIp)(_request)
describe.register(p.SetPrimary)(_request)


@describe.register
def _(item: p.Success) -> str:
    return f"SUCCESS id={item.correlation_id}"


@describe.register
def _(item: p.ErrorCauseIndication) -> str:
    return f"FAILED id={item.correlation_id}{_all(item.causes)}"


def _chunk_types(item: p.ChunkList | p.SupportedExtensions) -> str:
    return f"{item.name}=[{', '.join(map(chunk_name, item.chunk_types))}]"


describe.register(p.ChunkList)(_chunk_types)
describe.register(p.SupportedExtensions)(_chunk_types)


@describe.register
def _(item: p.UnrecognizedParameter) -> str:
    return f"{item.name} ({_copied(item.copied)})"


@describe.register
def _(item: c.Cause) -> str:
    copied = getattr(item, "copied", None)
    line = f"{item.name} (0x{item.type:04x})"
    if copied is not None:
        return f"{line}: {_copied(copied)}" if copied else line
    return " ".join((line, *(f"{name}={_short(value)}" for name, value in _shown(item))))
