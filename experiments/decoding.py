"""FIG. 2 to 4 from any capture: each SCTP packet's common header, chunks and parameters, by name and field.

A filter is words that must all fit a packet. A word is a name (``asconf``, ``set-primary``: a chunk, parameter or cause), a
field with its value (``address=192.0.2.10``, ``serial=7``, ``src=``, ``dst=``, ``node=``, ``way=out``, ``tag=``), or one of
these with ``!`` before it, which must not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from experiments.errors import BadInput
from experiments.run_directory import CAPTURE, RunDirectory
from protocols import trace
from protocols.errors import DecodeError
from protocols.pcapng import Direction
from protocols.rewriting import Keys, NoKey
from protocols.sctp import auth
from protocols.sctp.causes import CAUSES
from protocols.sctp.chunks import KINDS, Auth, Chunk
from protocols.sctp.describe import outline
from protocols.sctp.packet import checksum, stored_checksum
from protocols.sctp.parameters import PARAMETERS
from protocols.sctp.tlv import Tlv
from protocols.trace import SctpPacket

_WAYS: Final = {Direction.IN: " in", Direction.OUT: " out"}
_PACKET_FIELDS: Final = frozenset(
    {"src", "dst", "sport", "dport", "tag", "node", "nic", "packet", "way", "tunnel"}
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which packets to show; see this module's head."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a filter. Raises BadInput for a name or field that no packet can have."""
        words = tuple(text.lower().split())
        for word in words:
            key, equals, value = word.lstrip("!").partition("=")
            known = _FIELDS if equals else _NAMES
            if not key or (equals and not value) or key not in known:
                raise BadInput(
                    f"--filter {word}: not a name such as asconf or set-primary, nor a field such as serial=7"
                )
        return cls(words)

    def fits(self, packet: SctpPacket) -> bool:
        """Whether all words fit."""
        names, values = _facts(packet)
        for word in self.words:
            key, equals, value = word.lstrip("!").partition("=")
            fits = (key, _number(value)) in values if equals else key in names
            if fits == word.startswith("!"):
                return False
        return True


def decode(capture: Path, expression: str = "") -> Iterator[str]:
    """The lines for the SCTP packets of a capture or a run's. Raises BadInput for what is neither, or a filter that is none."""
    chosen = Filter.parse(expression)
    if capture.is_dir():
        capture = RunDirectory.open(capture).path / CAPTURE
    try:
        captured = trace.load(capture)
    except OSError as error:
        raise BadInput(f"cannot read {capture}: {error.strerror}") from None
    except DecodeError as error:
        raise BadInput(f"{capture} is not a capture: {error}") from None
    return _lines(captured, chosen)


def _lines(captured: trace.Trace, chosen: Filter) -> Iterator[str]:
    keys, shown = Keys(), 0
    epoch = captured.sightings[0].time_ns if captured.sightings else 0
    for packet in captured.sctp:
        keys.learn(packet.raw)
        if chosen.fits(packet):
            shown += 1
            yield from _packet(packet, epoch, keys)
            yield ""
    yield f"{shown} of {len(captured.sctp)} SCTP packets, of {len(captured.sightings)} packets in the capture"
    if captured.truncated:
        yield "the capture ends inside a packet, which is left out"


def _packet(packet: SctpPacket, epoch: int, keys: Keys) -> Iterator[str]:
    where = f"{packet.node}.{packet.nic}".rstrip(".") + _WAYS.get(packet.direction, "")
    yield f"packet {packet.index}  {_seconds(packet.time_ns - epoch)} s  {where}  {packet.source} > {packet.destination}"
    for outer in packet.outer:
        yield f"  tunnelled: {outer.source} > {outer.destination}, protocol {outer.protocol}"
    stored, right = stored_checksum(packet.raw), checksum(packet.raw)
    yield "  common header"
    yield f"    source port: {packet.sport}"
    yield f"    destination port: {packet.dport}"
    yield f"    verification tag: 0x{packet.tag:08x}"
    yield f"    checksum: 0x{stored:08x} ({'right' if stored == right else f'wrong, 0x{right:08x} expected'})"
    for chunk in packet.chunks:
        for line in outline(chunk, headers=True):
            yield f"  {line}"
        if isinstance(chunk, Auth):
            yield f"    checked: {_checked(packet, keys)}"
    if packet.error:
        yield f"  not decoded: {packet.error}"


def _seconds(time_ns: int) -> str:
    """A time to the nanosecond, however long it is: a float has no room for both."""
    whole, fraction = divmod(abs(time_ns), 10**9)
    return f"{'-' if time_ns < 0 else ''}{whole}.{fraction:09d}"


def _checked(packet: SctpPacket, keys: Keys) -> str:
    try:
        return "right" if auth.verify(packet.raw, keys.key(packet.tag)) else "wrong"
    except (NoKey, DecodeError):
        return "not possible, INIT and INIT-ACK are not in the capture"


def _facts(packet: SctpPacket) -> tuple[set[str], set[tuple[str, str]]]:
    """Names of all that a packet holds, and its fields with their values."""
    values = {
        ("src", str(packet.source)),
        ("dst", str(packet.destination)),
        ("sport", str(packet.sport)),
        ("dport", str(packet.dport)),
        ("tag", str(packet.tag)),
        ("node", packet.node.lower()),
        ("nic", packet.nic.lower()),
        ("packet", str(packet.index)),
        ("way", _WAYS.get(packet.direction, "").strip()),
    }
    values |= {("tunnel", str(outer.destination)) for outer in packet.outer} or {("tunnel", "none")}
    names: set[str] = set()
    for chunk in packet.chunks:
        _collect(chunk, names, values)
    return names, values


def _collect(item: Tlv, names: set[str], values: set[tuple[str, str]]) -> None:
    names.add(_plain(item.name))
    for field in fields(item):  # type: ignore[arg-type]
        value = getattr(item, field.name)
        parts: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if isinstance(part, Tlv):
                _collect(part, names, values)
            elif not isinstance(part, bytes):
                values.add((field.name, str(part)))
    if isinstance(item, Chunk):
        values.add(("type", str(item.type)))


def _number(text: str) -> str:
    """The value as fields have it: addresses in their usual form, hexadecimal numbers as decimal ones."""
    try:
        return str(ip_address(text))
    except ValueError:
        return str(int(text, 16)) if re.fullmatch("0x[0-9a-f]+", text) else text


def _plain(name: str) -> str:
    return name.lower().replace(" ", "-")


def _vocabulary() -> tuple[frozenset[str], frozenset[str]]:
    kinds = [*KINDS.values(), *PARAMETERS.kinds, *CAUSES.kinds]
    names = frozenset(_plain(str(kind.name)) for kind in kinds)
    return names, _PACKET_FIELDS | {f.name for kind in kinds for f in fields(kind)}  # type: ignore[arg-type]


_NAMES, _FIELDS = _vocabulary()
