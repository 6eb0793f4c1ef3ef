"""What SCTP's chunks, parameters and error causes have in common: type, length, value, padding to four bytes.

A message class declares its layout and inherits its codec: `fixed` is the struct of the leading fields, `tail` says how
the last field fills the rest. The few that fit no such layout override `_parse` and `_body`. Lengths never count the
padding of the message itself, but do count the padding of all that is nested in it save the last (RFC 9260, 3.2).
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import fields
from struct import Struct
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from roamlab.protocols.errors import DecodeError

NOTHING = Struct("")


class Tail(Protocol):
    """How the last field of a message fills the bytes behind the fixed ones."""

    def encode(self, value: Any) -> bytes:
        """Return the bytes of `value`."""

    def decode(self, data: bytes) -> Any:
        """Return the value of all of `data`; DecodeError where it has none."""


class Tlv:
    """A message with a type, a length, leading fields of fixed size and perhaps a tail.

    The type has 16 bits, as those of parameters and error causes; a chunk shares them with its flags.
    """

    __slots__ = ()
    type: int
    fixed: ClassVar[Struct] = NOTHING
    tail: ClassVar[Tail | None] = None

    @property
    def name(self) -> str:
        """The name that the RFC gives this type; its number where it is unknown."""
        return f"0x{self.type:02x}"

    @classmethod
    def _parse(cls, body: bytes, **header: int) -> Self:
        """Make a message from the bytes behind its type, length and flags."""
        size = cls.fixed.size
        if len(body) < size or (cls.tail is None and len(body) > size):
            raise DecodeError(f"{cls.name}: value of {len(body)} bytes, {size} expected")
        values = cls.fixed.unpack_from(body)
        make: Callable[..., Self] = cls
        if cls.tail is None:
            return make(*values, **header)
        return make(*values, cls.tail.decode(body[size:]), **header)

    def _body(self) -> bytes:
        """Return the bytes behind type, length and flags."""
        names = (field.name for field in fields(self) if not field.kw_only)  # type: ignore[arg-type]
        values = [getattr(self, name) for name in names if name != "type"]
        if self.tail is None:
            return self.fixed.pack(*values)
        return self.fixed.pack(*values[:-1]) + self.tail.encode(values[-1])

    def unpadded(self) -> bytes:
        """Return the message as its length counts it, without padding."""
        body = self._body()
        return struct.pack("!HH", self.type, len(body) + 4) + body

    def encode(self) -> bytes:
        """Return the message, padded to four bytes; struct.error where a field is out of its range."""
        return pad(self.unpadded())


O = TypeVar("O", bound=Tlv)  # noqa: E741


class Options(Generic[O]):
    """One space of 16-bit types: decodes its messages, and is the tail of those that hold a list of them."""

    def __init__(self, what: str, kinds: Iterable[type[O]], raw: type[O]) -> None:
        self._what = what
        self._kinds = {kind.type: kind for kind in kinds}
        self._raw = raw

    @property
    def kinds(self) -> tuple[type[O], ...]:
        """The classes of the messages that are known."""
        return tuple(self._kinds.values())

    def decode_one(self, data: bytes) -> tuple[O, bytes]:
        """Return the message that `data` begins with, and what follows its padding; DecodeError on bad bytes."""
        message, end = self._decode_at(data, 0)
        return message, data[end:]

    def decode(self, data: bytes) -> tuple[O, ...]:
        """Return all messages of `data`, which hold nothing else."""
        messages, at = [], 0
        while at < len(data):
            message, at = self._decode_at(data, at)
            messages.append(message)
        return tuple(messages)

    def encode(self, value: Iterable[O]) -> bytes:
        """Return the messages one behind the other, the last without padding."""
        *others, last = [message.unpadded() for message in value] or [b""]
        return b"".join(map(pad, others)) + last

    def _decode_at(self, data: bytes, at: int) -> tuple[O, int]:
        if len(data) < at + 4:
            raise DecodeError(f"{self._what}: header cut off")
        kind, length = struct.unpack_from("!HH", data, at)
        if length < 4 or at + length > len(data):
            raise DecodeError(f"{self._what} 0x{kind:04x}: length {length}, {len(data) - at} bytes there")
        body = data[at + 4 : at + length]
        known = self._kinds.get(kind)
        message = self._raw(kind, body) if known is None else known._parse(body)  # type: ignore[call-arg]  # noqa: SLF001
        return message, min(at + length + -length % 4, len(data))


class Bytes:
    """A tail of plain bytes."""

    def encode(self, value: bytes) -> bytes:
        """Return `value`."""
        return value

    def decode(self, data: bytes) -> bytes:
        """Return `data`."""
        return data


class Numbers:
    """A tail of numbers of one size, as a tuple of int."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._size = struct.calcsize("!" + code)

    def encode(self, value: tuple[int, ...]) -> bytes:
        """Return the numbers in network byte order."""
        return struct.pack(f"!{len(value)}{self._code}", *value)

    def decode(self, data: bytes) -> tuple[int, ...]:
        """Return the numbers that fill `data`."""
        if len(data) % self._size:
            raise DecodeError(f"list of {self._size}-byte numbers in {len(data)} bytes")
        return struct.unpack(f"!{len(data) // self._size}{self._code}", data)


class Records:
    """A tail of records of one layout, as a tuple of tuples of int."""

    def __init__(self, layout: str) -> None:
        self._layout = Struct(layout)

    def encode(self, value: tuple[tuple[int, ...], ...]) -> bytes:
        """Return the records one behind the other."""
        return b"".join(self._layout.pack(*record) for record in value)

    def decode(self, data: bytes) -> tuple[tuple[int, ...], ...]:
        """Return the records that fill `data`."""
        if len(data) % self._layout.size:
            raise DecodeError(f"list of {self._layout.size}-byte records in {len(data)} bytes")
        return tuple(self._layout.iter_unpack(data))


BYTES = Bytes()
U8S = Numbers("B")
U16S = Numbers("H")
U32S = Numbers("I")


def pad(data: bytes) -> bytes:
    """Return `data` filled up with zeros to a multiple of four bytes."""
    return data + bytes(-len(data) % 4)
