"""Tasks that run programs nobody wrote for roamlab."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    name="exec",
    iterable=["words", "env"],
    positional=["words"],
    help={
        "words": "the command and its arguments, behind --",
        "topology": "a network to run it in: HomeAndVisited, ...",
        "on": "the node of the topology that it runs on; the mobile node unless given",
        "env": "NAME=VALUE, into its environment; may be repeated",
        "keep": "a directory that it really writes; all else that it writes vanishes",
        "repeat": "run it so many times, and compare output, exit status and capture",
        "seeds": "A-B: run it once with each seed, and say which fail",
        "jitter": "a number that the price of system calls follows from: another interleaving",
        "memory": "the guest's memory in MiB",
        "limit": "seconds of wall time after which it is ended",
        "tty": "give it this terminal instead of pipes",
    },
)
def exec_(
    _: Context,
    words: list[str] | None = None,
    topology: str = "",
    on: str = "",
    seed: int = 1,
    jitter: str = "",
    kernel: str = "",
    env: list[str] | None = None,
    keep: str = "",
    repeat: int = 1,
    seeds: str = "",
    memory: int = 512,
    limit: int = 3600,
    runs: str = "runs",
    tty: bool = False,
) -> int:
    """Run any command as root in a fresh guest, on this machine's files; its exit status is the command's."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import check_seed
    from roamlab.reports import commands
    from roamlab.runs.command import Request, execute, pairs, span

    if jitter and not jitter.isdecimal():
        raise BadInput(f"--jitter {jitter} is no number")
    if seeds and repeat != 1:
        raise BadInput("--seeds runs each seed once; leave out --repeat, or --seeds")
    if tty and (seeds or repeat != 1):
        raise BadInput("--tty is for one run; leave out --repeat and --seeds")
    if repeat < 1 or memory < 64 or limit < 1:
        raise BadInput("--repeat and --limit are at least 1, --memory at least 64")
    request = Request(
        argv=tuple(words or ()),
        env=pairs(env or []),
        topology=topology,
        node=on,
        kept=Path(keep) if keep else None,
        seed=check_seed(seed),
        jitter=int(jitter) if jitter else None,
        memory_mib=memory,
        limit_s=float(limit),
    )
    machine = kernel_for(kernel)
    stdin = b"" if tty or sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    if seeds:
        requests = [dataclasses.replace(request, seed=number) for number in span(seeds, "--seeds")]
        return commands.seeds(requests, machine, Path(runs), stdin)
    if repeat > 1:
        return commands.repeat(request, machine, Path(runs), stdin, repeat)
    ran = execute(
        request,
        machine,
        runs=Path(runs),
        stdin=stdin,
        terminal=tty,
        on_said=commands.pass_on,
    )
    commands.end(ran)
    return ran.status
