"""FIG. 2 to 4 from any capture: each SCTP packet's common header, chunks and parameters, by name and field.

What to show is said in the words of `roamlab.query.filtering`; Mobile IP's messages and ARP are shown where these ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

from roamlab.errors import BadInput
from roamlab.protocols import trace
from roamlab.protocols.errors import DecodeError
from roamlab.protocols.rewriting import Keys, NoKey
from roamlab.protocols.sctp import auth
from roamlab.protocols.sctp.chunks import Auth
from roamlab.protocols.sctp.describe import outline
from roamlab.protocols.sctp.packet import checksum, stored_checksum
from roamlab.protocols.trace import ArpPacket, IpDatagram, SctpPacket, Sighting
from roamlab.query.filtering import WAYS, Filter, facts, message
from roamlab.record import guarded
from roamlab.record.run_directory import CAPTURE, RunDirectory

_PACKED: Final = {
    "gunzip": b"\x1f\x8b",
    "unxz": b"\xfd7zXZ",
    "unzstd": b"\x28\xb5\x2f\xfd",
    "bunzip2": b"BZh",
}


def decode(capture: Path, expression: str = "") -> Iterator[str]:
    """The lines for the packets of a capture, or a run's, that fit. Raises BadInput for what is neither, or no filter."""
    chosen = Filter.parse(expression)
    if capture.is_dir():
        capture = RunDirectory.open(capture).path / CAPTURE
        content = _of_run(capture)
    else:
        content = guarded.read_any(capture)
    try:
        captured = trace.read(content)
    except DecodeError as error:
        raise BadInput(f"{capture} is {_no_capture(content, error)}") from None
    return _lines(captured, chosen)


def _no_capture(content: bytes, error: DecodeError) -> str:
    packed = next((how for how, start in _PACKED.items() if content.startswith(start)), None)
    if packed:
        return f"packed; unpack it with `{packed}` first"
    return f"not a capture: {str(error).removeprefix('not a capture: ')}"


def _of_run(capture: Path) -> bytes:
    try:
        return guarded.read(capture.parent, capture.name, guarded.FILE_LIMIT)
    except FileNotFoundError:
        raise BadInput(f"there is no {capture}: the run ended too early") from None


def _lines(captured: trace.Trace, chosen: Filter) -> Iterator[str]:
    keys, shown = Keys(), 0
    epoch = captured.sightings[0].time_ns if captured.sightings else 0
    spoken_of = chosen.candidates(captured)
    for packet in spoken_of:
        if isinstance(packet, SctpPacket):
            keys.learn(packet.raw)
        if chosen.fits(facts(packet)):
            shown += 1
            yield from _packet(packet, epoch, keys)
            yield ""
    kind = "other" if chosen.elsewhere else "SCTP"
    yield f"{shown} of {len(spoken_of)} {kind} packets, of {len(captured.sightings)} packets in the capture"
    if captured.truncated:
        yield "the capture ends inside a packet, which is left out"


def _packet(packet: Sighting, epoch: int, keys: Keys) -> Iterator[str]:
    where = f"{packet.node}.{packet.nic}".rstrip(".") + WAYS.get(packet.direction, "")
    ends = f"  {packet.source} > {packet.destination}" if isinstance(packet, IpDatagram) else ""
    yield f"packet {packet.index}  {_seconds(packet.time_ns - epoch)} s  {where}{ends}"
    if isinstance(packet, IpDatagram):
        for outer in packet.outer:
            yield f"  tunnelled: {outer.source} > {outer.destination}, protocol {outer.protocol}"
    yield from _sctp(packet, keys) if isinstance(packet, SctpPacket) else _other(packet)


def _other(packet: Sighting) -> Iterator[str]:
    """The names of what a packet is, and the fields of a message."""
    yield f"  {', '.join(sorted(facts(packet).names))}"
    said = packet.arp if isinstance(packet, ArpPacket) else message(packet)
    if said is not None:
        yield from _fields(said, 2)


def _fields(said: object, depth: int) -> Iterator[str]:
    for field in fields(said) if is_dataclass(said) else ():
        value = getattr(said, field.name)
        nested = [part for part in (value if isinstance(value, tuple) else (value,)) if is_dataclass(part)]
        if nested:
            yield f"{'  ' * depth}{field.name}:"
            for part in nested:
                yield from _fields(part, depth + 1)
        else:
            yield f"{'  ' * depth}{field.name}: {_text(value)}"


def _text(value: object) -> str:
    match value:
        case bytes():
            return value.hex()
        case tuple():
            return ", ".join(map(str, value))
        case IntFlag():
            return " ".join(str(flag.name) for flag in value)
    return str(value)


def _sctp(packet: SctpPacket, keys: Keys) -> Iterator[str]:
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
