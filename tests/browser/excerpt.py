"""Make the run directory that the report's tests read: an excerpt of a real run, small enough to keep.

    ./lab run fig09 --runs runs && PYTHONPATH=. python tests/browser/excerpt.py runs/fig09/*

keeps what happened before 1.1 s and from 4.9 s to 6.3 s: every sighting of each packet that left in that time, and of messages
those that were sent by 0.1 s before its end, so that their packets are there too. The verdict is drawn when the excerpt is used
(samples.py).
"""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import Final

from roamlab.protocols import pcapng
from roamlab.record.event import encoder
from roamlab.record.events import Data, DataSent, RunEnd, RunStart
from roamlab.record.run_directory import RunDirectory

HERE: Final = Path(__file__).parent / "run"
_HEADERS: Final = 34  # Ethernet and IPv4: what is behind them is the same at every NIC
_KEPT_NS: Final = ((0, 1_100_000_000), (4_900_000_000, 6_300_000_000))
_ON_ITS_WAY_NS: Final = 100_000_000


def _kept(time_ns: int, before_ns: int = 0) -> bool:
    return any(start <= time_ns <= end - before_ns for start, end in _KEPT_NS)


def make(run: Path, into: Path) -> None:
    """Write the excerpt of a run directory; plan and manifest stay as they are."""
    into.mkdir(exist_ok=True)
    for name in ("plan.json", "manifest.json"):
        (into / name).write_bytes((run / name).read_bytes())
    events = list(RunDirectory(run).events())
    start = next(event for event in events if isinstance(event, RunStart))
    sent = {
        (e.session, e.dir, e.seq) for e in events if isinstance(e, DataSent) and _kept(e.t, _ON_ITS_WAY_NS)
    }
    encode = encoder().encode
    (into / "events.jsonl").write_bytes(
        b"".join(
            encode(event) + b"\n"
            for event in events
            if (
                (event.session, event.dir, event.seq) in sent
                if isinstance(event, Data)
                else _kept(event.t) or isinstance(event, RunEnd)
            )
        )
    )
    capture = pcapng.read(run / "capture.pcapng")
    out = io.BytesIO()
    writer = pcapng.Writer(out)
    numbers = {i.name: writer.interface(i.name, linktype=i.linktype) for i in capture.interfaces}
    first: dict[bytes, int] = {}
    for packet in capture.packets:
        carried = packet.data[_HEADERS:]
        if _kept(first.setdefault(carried, packet.time_ns - start.epoch_ns)):
            writer.packet(
                numbers[packet.interface_name], packet.time_ns, packet.data, direction=packet.direction
            )
    (into / "capture.pcapng.gz").write_bytes(gzip.compress(out.getvalue(), mtime=0))


if __name__ == "__main__":
    make(Path(sys.argv[1]), HERE)
