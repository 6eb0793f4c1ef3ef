"""Make the run directory that the report's tests read: an excerpt of a real run, small enough to keep.

    ./lab run fig09 --runs runs && python tests/browser/excerpt.py runs/fig09/*

keeps what happened before 1.1 s and from 4.9 s to 6.3 s, and every sighting of each packet that left in that time. The verdict
stays that of the whole run, but for the packets' places in the capture.
"""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import Final

import msgspec

from roamlab.protocols import pcapng

HERE: Final = Path(__file__).parent / "run"
_HEADERS: Final = 34  # Ethernet and IPv4: what is behind them is the same at every NIC
_KEPT_NS: Final = ((0, 1_100_000_000), (4_900_000_000, 6_300_000_000))


def _kept(time_ns: int) -> bool:
    return any(start <= time_ns <= end for start, end in _KEPT_NS)


def make(run: Path, into: Path) -> None:
    """Write the excerpt of a run directory; plan and manifest stay as they are."""
    into.mkdir(exist_ok=True)
    for name in ("plan.json", "manifest.json"):
        (into / name).write_bytes((run / name).read_bytes())
    lines = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    events = [msgspec.json.decode(line) for line in lines]
    whole = {"run.end"}
    (into / "events.jsonl").write_bytes(
        b"".join(
            line
            for line, event in zip(lines, events, strict=True)
            if _kept(event["t"]) or event["kind"] in whole
        )
    )
    capture = pcapng.read(run / "capture.pcapng")
    out = io.BytesIO()
    writer = pcapng.Writer(out)
    numbers = {i.name: writer.interface(i.name, linktype=i.linktype) for i in capture.interfaces}
    places: dict[int, int] = {}
    first: dict[bytes, int] = {}
    for old, packet in enumerate(capture.packets):
        carried = packet.data[_HEADERS:]
        if _kept(first.setdefault(carried, packet.time_ns - events[0]["epoch_ns"])):
            places[old] = len(places)
            writer.packet(
                numbers[packet.interface_name], packet.time_ns, packet.data, direction=packet.direction
            )
    (into / "capture.pcapng.gz").write_bytes(gzip.compress(out.getvalue(), mtime=0))
    verdict = msgspec.json.decode((run / "verdict.json").read_bytes())
    for link in verdict["chain"]:
        if "packet" in link:
            link["packet"] = places[link["packet"]]
    (into / "verdict.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdict), indent=2) + b"\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]), HERE)
