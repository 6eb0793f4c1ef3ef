"""What a person sees of `./lab exec`: the command's own output, and one line a run where there are several."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from roamlab.kernels.job import Kernel
from roamlab.record.command import STDERR
from roamlab.record.identity import kernel_name
from roamlab.record.result import Result
from roamlab.reports import terminal
from roamlab.reports.words import MARKS
from roamlab.runs.command import Ran, Request, differences, execute

_DIFFERENT: Final = 1


def pass_on(name: str, data: bytes) -> None:
    """Say what the command said, on the stream that it said it on."""
    stream = sys.stderr if name == STDERR else sys.stdout
    stream.buffer.write(data)
    stream.buffer.flush()


def end(ran: Ran) -> None:
    """Say why a run was ended, where the command did not end by itself."""
    if ran.reason:
        _note(f"lab: {ran.reason}")


def repeat(request: Request, kernel: Kernel, runs: Path, stdin: bytes, times: int) -> int:
    """Run a command several times: the first with its output, the others in silence; 1 where one differs from the first."""
    first = execute(request, kernel, runs=runs, stdin=stdin, on_said=pass_on)
    end(first)
    same = 1
    for number in range(2, times + 1):
        other = execute(request, kernel, runs=runs, stdin=stdin)
        found = differences(first, other)
        same += not found
        for difference in found:
            _note(f"lab: run {number} differs: {difference} ({first.run_dir}, {other.run_dir})")
    compared = ", ".join(first.hashes) or "nothing"
    _note(f"lab: {same} of {times} runs are the same: exit status {first.status}; compared: {compared}")
    return first.status if same == times else _DIFFERENT


def seeds(requests: Sequence[Request], kernel: Kernel, runs: Path, stdin: bytes) -> int:
    """Run a command once with each seed; says of each what became of it, and how to see a failure again. 1 if one failed."""
    failed = []
    for request in requests:
        ran = execute(request, kernel, runs=runs, stdin=stdin)
        how = "passed" if ran.status == 0 else f"failed with exit status {ran.status}"
        print(f"seed {request.seed}: {how}{f': {ran.reason}' if ran.reason else ''}", flush=True)
        if ran.status:
            failed.append(request)
            print(f"    {request.replay(kernel_name(kernel))}\n    output: {ran.run_dir}", flush=True)
    print(f"{len(failed)} of {len(requests)} seeds fail", flush=True)
    return _DIFFERENT if failed else 0


def _note(line: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(line + "\n")


def show_talks(result: Result) -> None:
    """Say what became of programs' conversations: the verdict, each service with its outages, each program's end."""
    judgement = result.judgement
    out = terminal.console()
    expected = "" if judgement.verdict == judgement.expected else f", expected {judgement.expected}"
    mark = MARKS.get(judgement.verdict, "?")
    out.print(
        f"{mark} {judgement.verdict}{expected}", style=terminal.style(judgement.verdict), highlight=False
    )
    for reason in judgement.reasons:
        out.print(f"  {reason}", markup=False, highlight=False)
    for outage in judgement.outages:
        length = f"{outage.length_ns / 1e9:.3f} s" if outage.length_ns is not None else "to the end"
        out.print(
            f"  outage {outage.direction}: {length}, from {outage.from_ns / 1e9:.3f} s on", highlight=False
        )
    for program in judgement.programs:
        how = "ended by the lab" if program.status is None else f"exit status {program.status}"
        when = (
            f" at {program.ended_ns / 1e9:.3f} s" if program.status is not None and program.ended_ns else ""
        )
        out.print(f"  {program.name} on {program.node}: {how}{when}", markup=False, highlight=False)
    out.print(f"  {result.run_dir}", markup=False, highlight=False, soft_wrap=True)
