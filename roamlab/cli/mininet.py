"""The task that runs stock Mininet in a guest."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke import Context

from roamlab.cli.command import command
from roamlab.errors import BadInput


@command(
    iterable=["words"],
    positional=["words"],
    help={
        "words": "the command and its arguments, after --: mn --topo tree,2 --test pingall, python3 my-net.py",
        "table": "play Mininet's own tests instead, and print a table",
        "sources": "a checkout of Mininet, for those of its tests that are not in its package",
        "memory": "the guest's memory in MiB",
        "limit": "the time limit, in seconds of wall time",
        "tty": "connect it to this terminal instead of pipes",
    },
)
def mininet(
    _: Context,
    words: list[str] | None = None,
    table: bool = False,
    sources: str = "",
    seed: int = 1,
    kernel: str = "",
    memory: int = 1024,
    limit: int = 3600,
    runs: str = "runs",
    tty: bool = False,
) -> int:
    """Run a script of stock Mininet in a fresh guest with Open vSwitch; exits with its status."""
    from roamlab.cli.kernels import kernel_for
    from roamlab.registry import check_seed
    from roamlab.reports import commands
    from roamlab.runs import mininet as stock
    from roamlab.runs.command import Request, checked, execute

    if memory < 64 or limit < 1:
        raise BadInput("--limit is at least 1, --memory at least 64")
    request = Request(argv=tuple(words or ()), seed=check_seed(seed), memory_mib=memory, limit_s=float(limit))
    if table:
        rows = []
        print("| test | | tests | why |\n|---|---|---|---|", flush=True)
        for row in stock.table(
            kernel_for(kernel), request, sources=Path(sources) if sources else None, runs=Path(runs)
        ):
            print(row.text, flush=True)
            rows.append(row)
        print(f"\n{stock.told(rows)}", flush=True)
        return 0
    prepared = stock.prepared(checked(request))
    stdin = b"" if tty or sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    ran = execute(
        prepared,
        kernel_for(kernel),
        runs=Path(runs),
        stdin=stdin,
        terminal=tty,
        on_said=commands.pass_on,
    )
    commands.end(ran)
    return ran.status
