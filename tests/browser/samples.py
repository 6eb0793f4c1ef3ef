"""Run directories to draw: an excerpt of a real run, and what becomes of it when something is missing, hostile or large."""

from __future__ import annotations

import gzip
import struct
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from roamlab.judge.verdict import judge
from roamlab.protocols import pcapng
from roamlab.protocols.pcapng import Direction
from roamlab.record.event import Event, encoder
from roamlab.record.events import AgentDied, DataReceived, PathAdded, RadioAttach
from roamlab.record.identity import hashes
from roamlab.record.run_directory import CAPTURE, EVENTS, MANIFEST, PLAN, VERDICT, RunDirectory

_REAL: Final = Path(__file__).parent / "run"
HOSTILE: Final = (
    "</script><script>document['title']='owned'</script><img src=x onerror=\"document['title']='owned'\">"
)
_ETHERNET: Final = 14


def real(root: Path) -> RunDirectory:
    """The excerpt of a run of FIG. 9."""
    run = root / "fig09" / "20260101-000000"
    run.mkdir(parents=True)
    for name, content in _files():
        (run / name).write_bytes(content)
    return RunDirectory.open(run)


@cache
def _files() -> tuple[tuple[str, bytes], ...]:
    """The excerpt's files; the verdict is drawn from the others by the code of today."""
    kept = {name: (_REAL / name).read_bytes() for name in (PLAN, MANIFEST, EVENTS)}
    kept[CAPTURE] = gzip.decompress((_REAL / f"{CAPTURE}.gz").read_bytes())
    with tempfile.TemporaryDirectory() as directory:
        run = RunDirectory(Path(directory))
        for name, content in kept.items():
            (run.path / name).write_bytes(content)
        run.write(VERDICT, judge(run))
        signed(run)
        for name in (VERDICT, MANIFEST):
            kept[name] = (run.path / name).read_bytes()
    return tuple(kept.items())


def with_events(run: RunDirectory, keep: Callable[[Event], bool], *more: Event) -> None:
    """Leave events out and add others, in the order of time."""
    events = sorted([*filter(keep, run.events()), *more], key=lambda event: event.t)
    (run.path / EVENTS).write_bytes(b"".join(encoder().encode(event) + b"\n" for event in events))
    signed(run)


def with_verdict(run: RunDirectory, **changes: Any) -> None:
    """Change the verdict."""
    run.write(VERDICT, {**run.read(VERDICT), **changes})
    signed(run)


def signed(run: RunDirectory) -> None:
    """Say in the manifest that these are the files that the run wrote."""
    run.write(MANIFEST, {**run.read(MANIFEST), "sha256": hashes(run.path)})


def unheard(root: Path) -> RunDirectory:
    """A run in which nothing was delivered."""
    run = real(root)
    with_events(run, lambda event: not isinstance(event, DataReceived))
    with_verdict(run, verdict="invalid", reasons=["nothing was delivered up at any time"], chain=[], steps=[])
    return run


def cut_off(root: Path) -> RunDirectory:
    """A run whose capture ends inside a packet."""
    run = real(root)
    whole = (run.path / CAPTURE).read_bytes()
    (run.path / CAPTURE).write_bytes(whole[: len(whole) // 2 + 3])
    return run


def dead(root: Path) -> RunDirectory:
    """A run whose guest died before it could say anything."""
    run = real(root)
    for name in (EVENTS, CAPTURE):
        (run.path / name).unlink()
    with_verdict(
        run,
        verdict="invalid",
        reasons=["the guest ended at step boot: Kernel panic"],
        chain=[],
        steps=[],
        sent={},
    )
    return run


def hostile(root: Path) -> RunDirectory:
    """A run whose names are markup: of a node, an address, a reason, a variant."""
    run = real(root)
    with_events(
        run,
        lambda _: True,
        PathAdded(address=HOSTILE, t=5_000_000_000, node="mn"),
        AgentDied(HOSTILE, t=5_000_000_001, node="mn"),
        RadioAttach(HOSTILE, {HOSTILE: -70.0}, t=5_000_000_002, node="mn"),
    )
    with_verdict(run, reasons=[HOSTILE])
    manifest = run.read(MANIFEST)
    run.write(MANIFEST, {**manifest, "replay": HOSTILE, "kernel": {**manifest["kernel"], "variant": HOSTILE}})
    capture = pcapng.read(run.path / CAPTURE)
    write(
        run.path / CAPTURE,
        (
            (
                p.interface_name if p.interface_name != "cn.eth0" else f"{HOSTILE}.eth0",
                p.time_ns,
                p.direction,
                p.data,
            )
            for p in capture.packets
        ),
    )
    return run


def crowded(root: Path, packets: int) -> RunDirectory:
    """A run with this many packets: its real ones over and over, each round later than the one before."""
    run = real(root)
    capture = pcapng.read(run.path / CAPTURE)
    ends = [
        p for p in capture.packets if p.interface_name in ("mn.wlan0", "cn.eth0") and p.data[23:24] == b"\x84"
    ]
    length = ends[-1].time_ns - ends[0].time_ns + 20_000_000
    rounds = -(-packets * 2 // len(ends))
    write(
        run.path / CAPTURE,
        (
            (p.interface_name, p.time_ns + n * length, p.direction, p.data)
            for n in range(rounds)
            for p in ends
        ),
    )
    return run


def tunnelled(root: Path) -> RunDirectory:
    """A run whose data goes down through a tunnel from ha to fa: IP in IP (RFC 2003) around real packets."""
    run = real(root)
    capture = pcapng.read(run.path / CAPTURE)
    sent = [p for p in capture.packets if p.interface_name == "cn.eth0" and p.direction is Direction.OUT]
    rows = []
    for packet in [p for p in sent if p.data[23:24] == b"\x84"][:40]:
        inner = packet.data
        frames = (
            ("cn.eth0", 0, Direction.OUT, inner),
            ("ha.to-r1", 20_000_000, Direction.IN, inner),
            ("ha.to-r1", 20_000_000, Direction.OUT, _wrap(inner)),
            ("fa.to-r3", 60_000_000, Direction.IN, _wrap(inner)),
            ("fa.visited", 60_000_000, Direction.OUT, inner),
            ("mn.wlan0", 65_000_000, Direction.IN, inner),
        )
        rows += [(name, packet.time_ns + later, way, data) for name, later, way, data in frames]
    rows.sort(key=lambda row: row[1])
    write(run.path / CAPTURE, rows)
    return run


def write(path: Path, packets: Iterable[tuple[str, int, Direction, bytes]]) -> None:
    """Write a capture of (interface, ns since the epoch, direction, frame)."""
    with path.open("wb") as file:
        writer = pcapng.Writer(file)
        numbers: dict[str, int] = {}
        for name, time_ns, direction, data in packets:
            if name not in numbers:
                numbers[name] = writer.interface(name)
            writer.packet(numbers[name], time_ns, data, direction=direction)


def _wrap(frame: bytes) -> bytes:
    datagram = frame[_ETHERNET:]
    outer = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(datagram),
        0,
        0,
        64,
        4,
        0,
        IPv4Address("203.0.113.129").packed,
        IPv4Address("203.0.113.161").packed,
    )
    return frame[:_ETHERNET] + outer + datagram
