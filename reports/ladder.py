"""A run as a ladder diagram in text: the two ends as columns, packets as arrows, time downwards.

Packets that set up, change or end an association are drawn one by one; stretches of DATA and SACK between them are folded
into a line that counts them, but for the first data on each path and the packets around a silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from rich.text import Text

from experiments.run_directory import CAPTURE, RunDirectory
from protocols import trace as traces
from protocols.pcapng import Direction
from protocols.sctp import chunks
from protocols.sctp.describe import describe
from protocols.trace import SctpPacket

_TIME: Final = 12
_QUIET: Final = (chunks.Data, chunks.Sack)
_SILENCE_NS: Final = 200_000_000
_EVENTS: Final = {
    "stimulus": "{action} {nic}",
    "link.down": "{nic} down",
    "link.up": "{nic} up",
    "address.down": "- {address}",
    "address.up": "+ {address}",
    "asconf.unasked": "{verb} {address}: {error}",
    "agent.died": "agent died: {how}",
}


@dataclass(frozen=True, slots=True)
class Flight:
    """One packet between the two ends: when it left, and when it arrived (None: never)."""

    packet: SctpPacket
    arrived_ns: int | None

    @property
    def quiet(self) -> bool:
        """Whether it only carries data and acknowledgements of data."""
        return all(isinstance(chunk, _QUIET) for chunk in self.packet.chunks)


def flights(packets: Sequence[SctpPacket], ends: Sequence[str]) -> list[Flight]:
    """Every packet that left one of the ends, with its arrival at another."""
    arrivals: dict[int, list[SctpPacket]] = {}
    for packet in packets:
        if packet.direction is Direction.IN and packet.node in ends:
            arrivals.setdefault(id(packet.message), []).append(packet)
    found = []
    for packet in packets:
        if packet.direction is not Direction.OUT or packet.node not in ends:
            continue
        waiting = arrivals.get(id(packet.message), [])
        match = next((a for a in waiting if a.node != packet.node and a.time_ns >= packet.time_ns), None)
        if match:
            waiting.remove(match)
        found.append(Flight(packet, match.time_ns if match else None))
    return found


def draw(run: RunDirectory, width: int = 120) -> Iterator[Text]:
    """The lines of a run's ladder."""
    events = list(run.events())
    session = next((e for e in events if e["kind"] == "session.start"), None)
    if not events or session is None or not (run.path / CAPTURE).exists():
        yield Text("the run has no session to draw: it did not get that far", "yellow")
        return
    epoch = events[0]["epoch_ns"]
    ends = (session["mobile"], session["correspondent"])
    left, right = _TIME + 8, width - 14
    yield Text(" " * (left - len(ends[0]) // 2) + ends[0] + " " * (right - left - 2) + ends[1], "bold")
    captured = traces.load(run.path / CAPTURE)
    rows: list[tuple[int, Flight | dict[str, Any]]] = [
        *((f.packet.time_ns, f) for f in flights(captured.sctp, ends)),
        *((e["t"] + epoch, e) for e in events if e["kind"] in _EVENTS and e["node"] in (*ends, "lab")),
    ]
    rows.sort(key=lambda row: row[0])
    yield from _lines(rows, epoch, ends, left, right)


def _lines(
    rows: Sequence[tuple[int, Flight | dict[str, Any]]],
    epoch: int,
    ends: tuple[str, str],
    left: int,
    right: int,
) -> Iterator[Text]:
    folded: list[Flight] = []
    seen: set[tuple[str, str]] = set()
    for position, (time_ns, row) in enumerate(rows):
        if isinstance(row, Flight) and row.quiet and not _telling(rows, position, row, seen):
            folded.append(row)
            continue
        yield from _fold(folded, epoch, left, right)
        folded = []
        if isinstance(row, Flight):
            yield _arrow(row, epoch, ends, left, right)
        else:
            yield _event(row, time_ns, epoch, ends, left, right)
    yield from _fold(folded, epoch, left, right)


def _telling(
    rows: Sequence[tuple[int, Flight | dict[str, Any]]],
    position: int,
    flight: Flight,
    seen: set[tuple[str, str]],
) -> bool:
    """Whether a packet of data deserves its own arrow: the first on its path, one lost, or one beside a silence."""
    path = (str(flight.packet.source), str(flight.packet.destination))
    first = path not in seen and isinstance(flight.packet.chunks[0], chunks.Data)
    if first:
        seen.add(path)
    times = [row[0] for row in rows[max(0, position - 1) : position + 2]]
    silence = any(b - a > _SILENCE_NS for a, b in pairwise(times))
    return first or silence


def _fold(folded: Sequence[Flight], epoch: int, left: int, right: int) -> Iterator[Text]:
    if not folded:
        return
    data = sum(any(isinstance(chunk, chunks.Data) for chunk in f.packet.chunks) for f in folded)
    lost = sum(f.arrived_ns is None for f in folded)
    words = f"{data} DATA, {len(folded) - data} SACK" + (f", {lost} never arrived" if lost else "")
    yield _row(
        folded[0].packet.time_ns,
        epoch,
        left,
        right,
        f"· {words} ·".center(right - left - 1),
        "red" if lost else "dim",
    )


def _arrow(flight: Flight, epoch: int, ends: tuple[str, str], left: int, right: int) -> Text:
    label = ", ".join(_label(chunk) for chunk in flight.packet.chunks if not isinstance(chunk, chunks.Auth))
    room = right - left - 1
    label = f" {label[: room - 8]} "
    upward = flight.packet.node == ends[0]
    if flight.arrived_ns is None:
        shaft = (label + "─✗").ljust(room, " ") if upward else ("✗─" + label).rjust(room, " ")
        style = "red"
    else:
        shaft = label.center(room - 1, "─")
        shaft = shaft + "▶" if upward else "◀" + shaft
        style = (
            "cyan"
            if any(isinstance(c, chunks.Asconf | chunks.AsconfAck) for c in flight.packet.chunks)
            else ""
        )
    line = _row(flight.packet.time_ns, epoch, left, right, shaft, style)
    if flight.arrived_ns is not None:
        line.append(f" +{(flight.arrived_ns - flight.packet.time_ns) / 1e6:.1f} ms", "dim")
    return line


def _label(chunk: chunks.Chunk) -> str:
    if isinstance(chunk, chunks.Data):
        return f"DATA {chunk.tsn}"
    if isinstance(chunk, chunks.Asconf | chunks.AsconfAck):
        return describe(chunk)
    return chunk.name


def _event(
    event: dict[str, Any], time_ns: int, epoch: int, ends: tuple[str, str], left: int, right: int
) -> Text:
    words = "● " + _EVENTS[event["kind"]].format_map(event)
    room = right - left - 1
    inner = words[:room].ljust(room) if event["node"] != ends[1] else words[:room].rjust(room)
    return _row(time_ns, epoch, left, right, inner, "yellow")


def _row(time_ns: int, epoch: int, left: int, right: int, inner: str, style: str) -> Text:
    text = Text(f"{(time_ns - epoch) / 1e9:{_TIME}.6f}", "dim")
    text.append(" " * (left - _TIME))
    text.append("│")
    text.append(inner[: right - left - 1].ljust(right - left - 1), style)
    text.append("│")
    return text
