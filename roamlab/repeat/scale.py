"""How far it scales: 1 to 500 mobile nodes, an association each, all moving at once; built, run and judged."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from roamlab.errors import LabError
from roamlab.kernels.job import Job, Kernel
from roamlab.protocols import payload, trace
from roamlab.protocols.payload import Kind
from roamlab.protocols.pcapng import Direction
from roamlab.protocols.sctp.chunks import Data, InitAck
from roamlab.record.run_directory import CAPTURE
from roamlab.repeat.bench import Figure, OnStep, Watch
from roamlab.repeat.scale_inside import MESSAGES
from roamlab.runs import bytecode
from roamlab.runs.orchestrator import BASICS

NODES: Final = (1, 10, 100, 500)
_MEMORY_MIB: Final = 2048
_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """What became of a crowd: how many nodes kept their association and delivered everything, and from where at last."""

    nodes: int
    survived: int
    moved: int


def measure(kernel: Kernel, on_step: OnStep) -> list[Figure]:
    """Run each size; wall time by step, memory and capture, and what a further node costs."""
    figures: list[Figure] = []
    totals: list[tuple[int, float, float]] = []
    for nodes in NODES:
        on_step(f"{nodes} mobile nodes")
        with tempfile.TemporaryDirectory(prefix="roamlab-scale-") as directory:
            part, total, peak = run(kernel, nodes, Path(directory))
        figures += part
        totals.append((nodes, total, peak))
    for (fewer, less_s, less_mib), (more, more_s, more_mib) in pairwise(totals):
        growth, added = f"growth, {fewer} to {more}", more - fewer
        figures.append(Figure(growth, "wall time a node", 1000 * (more_s - less_s) / added, "ms"))
        figures.append(Figure(growth, "memory a node", (more_mib - less_mib) / added, "MiB"))
    return figures


def run(kernel: Kernel, nodes: int, directory: Path) -> tuple[list[Figure], float, float]:
    """One size: its figures, wall time (s) and the guest's memory (MiB). Raises LabError when not all survived."""
    bytecode.prepare()
    watch = Watch(time.perf_counter(), [("boot", 0.0)])
    job = Job(
        (sys.executable, "-m", "roamlab.repeat.scale_inside", str(directory), str(nodes)),
        directory,
        seed=1,
        memory_mib=_MEMORY_MIB,
        limit_s=_LIMIT_S,
        needs=BASICS | {"sctp", "ipv6"},
    )
    outcome = kernel.execute(job, watch.line)
    if outcome.status:
        tail = outcome.console_tail[-1:]
        raise LabError(f"{nodes} nodes failed at step {outcome.step}: {outcome.reason or ''.join(tail)}")
    watch.mark("judge")
    crowd = judge(directory / CAPTURE, nodes)
    total = time.perf_counter() - watch.began
    if (crowd.survived, crowd.moved) != (nodes, nodes):
        raise LabError(
            f"{crowd.survived} of {nodes} nodes kept their session, {crowd.moved} sent from their new address"
        )
    part = f"{nodes} mobile nodes"
    figures = [
        *(Figure(part, name, seconds, "s") for name, seconds in watch.steps(total)),
        Figure(part, "command to verdict", total, "s"),
        Figure(part, "memory of the guest", watch.peak_mib, "MiB"),
        Figure(part, "capture", (directory / CAPTURE).stat().st_size / 2**20, "MiB"),
    ]
    return figures, total, watch.peak_mib


def judge(capture: Path, nodes: int) -> Crowd:
    """Read from the correspondent's capture whether each node's messages all arrived over the association it began with."""
    delivered: dict[int, set[int]] = {}
    tags: dict[int, set[int]] = {}
    sources: dict[int, list[object]] = {}
    begun: set[int] = set()
    for packet in trace.load(capture, {"cn"}).sctp:
        for chunk in packet.chunks:
            if isinstance(chunk, InitAck) and packet.direction is Direction.OUT:
                begun.add(chunk.tag)
            if not isinstance(chunk, Data) or packet.direction is not Direction.IN:
                continue
            message = payload.decode(chunk.data)
            if message is not None and message.kind is Kind.DATA:
                delivered.setdefault(message.session, set()).add(message.sequence)
                tags.setdefault(message.session, set()).add(packet.tag)
                sources.setdefault(message.session, []).append(packet.source)
    whole = [
        session
        for session, seen in delivered.items()
        if seen == set(range(MESSAGES)) and len(tags[session]) == 1 and tags[session] <= begun
    ]
    moved = [session for session, seen in sources.items() if _changed_once(seen)]
    return Crowd(nodes, len(whole), len(moved))


def _changed_once(sources: Sequence[object]) -> bool:
    return len(set(sources)) == 2 and sources[0] != sources[-1]
